/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/host_cgroup/cgroup_file.h"
#include "vmm/host_cgroup/cgroup_path.h"
#include "vmm/host_cgroup/cgroup_tree.h"

#define DIRECTORY_MODE 0755
#define REMOVE_POLL_MS 5
#define OOM_SUFFIX ".oom"
#define CONTROLLERS_SIZE 1024 /* of a list of controllers */
#define VALUE_SIZE 4096

/* --- planning ------------------------------------------------------------------------------ */

/* The caller's control group, for the place of its user's systemd. */
static const char *find_own(const struct cgroup_layout *layout)
{
	for (size_t i = 0; i < layout->nr_hierarchies; i++)
		if (layout->hierarchies[i].is_unified && layout->hierarchies[i].own)
			return layout->hierarchies[i].own;
	return "";
}

static int make_path(const struct host_cgroup_request *request, const struct cgroup_layout *layout,
		     char **ret, struct error *err)
{
	AUTO_FREE char *base = NULL;

	if (request->manager != CGROUP_MANAGER_SYSTEMD)
		return cgroup_path_plain(request->cgroups_path, request->id, ret, err);
	base = request->is_rootless ? cgroup_path_user_manager(find_own(layout)) : strdup("");
	if (!base)
		return error_set(err, ENOMEM, "linux.cgroupsPath");
	return cgroup_path_systemd(request->cgroups_path, request->id, base, ret, err);
}

static int plan_oom(struct host_cgroup *cgroup, struct error *err)
{
	cgroup->oom.is_unified = true;
	cgroup->oom.mount_len = cgroup->dirs[0].mount_len;
	if (asprintf(&cgroup->oom.path, "%s" OOM_SUFFIX, cgroup->dirs[0].path) < 0) {
		cgroup->oom.path = NULL;
		return error_set(err, ENOMEM, "linux.cgroupsPath");
	}
	return 0;
}

int host_cgroup_plan(const struct host_cgroup_request *request, const struct cgroup_layout *layout,
		     struct host_cgroup *ret, struct error *err)
{
	bool is_unified = cgroup_layout_is_unified(layout);
	AUTO_FREE char *path = NULL;
	int r;

	*ret = (struct host_cgroup){ 0 };
	r = make_path(request, layout, &path, err);
	for (size_t i = 0; !r && i < layout->nr_hierarchies; i++) {
		const struct cgroup_hierarchy *hierarchy = &layout->hierarchies[i];
		struct host_cgroup_dir *dir = &ret->dirs[ret->nr_dirs];

		r = cgroup_path_locate(hierarchy, path, is_unified, &dir->path, err);
		if (r < 0)
			break;
		dir->is_unified = hierarchy->is_unified;
		dir->controllers = hierarchy->controllers;
		dir->mount_len = strlen(hierarchy->mount_point);
		ret->nr_dirs++;
	}
	return !r && is_unified ? plan_oom(ret, err) : r;
}

/* --- making -------------------------------------------------------------------------------- */

/* Version 1: nobody can enter a control group without processors and memory nodes. */
static int inherit_cpuset(const char *parent, const char *path)
{
	static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
	char value[VALUE_SIZE];
	int r = 0;

	for (size_t i = 0; !r && i < 2; i++) {
		r = cgroup_file_read(path, names[i], value, sizeof(value));
		if (r < 0 || value[strspn(value, " \n")])
			continue;
		r = cgroup_file_read(parent, names[i], value, sizeof(value));
		if (!r)
			r = cgroup_file_write(path, names[i], "%s", value);
	}
	return r;
}

/*
 * Let the children of @path have the controllers in @names (separated by spaces). Not all can be
 * had everywhere; what is missing shows when a limit needs it.
 */
static void enable_controllers(const char *path, const char *names)
{
	char copy[CONTROLLERS_SIZE];
	char *rest = copy;
	char *name;

	(void)snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " \n")))
		if (*name)
			(void)cgroup_file_write(path, "cgroup.subtree_control", "+%s", name);
}

/* What is done with every directory on the way, whether it is new or not. */
static int prepare_directory(const struct host_cgroup_dir *dir, const char *parent,
			     const char *path)
{
	return !dir->is_unified && dir->controllers & CGROUP_CPUSET ? inherit_cpuset(parent, path)
								    : 0;
}

/*
 * Make the directories from the mount point to @dir->path (not included), cutting its text up at
 * the slashes for a moment. *@ret_made is the length of the first path that was made, or 0.
 */
static int make_parents(const struct host_cgroup_dir *dir, char *path, size_t *ret_made)
{
	char controllers[CONTROLLERS_SIZE] = "";
	char *parent_end = path + dir->mount_len;
	char *slash;
	int r = 0;

	*parent_end = 0;
	if (dir->is_unified)
		(void)cgroup_file_read(path, "cgroup.controllers", controllers,
				       sizeof(controllers));
	enable_controllers(path, controllers);
	*parent_end = '/';
	while (!r && (slash = strchr(parent_end + 1, '/'))) {
		AUTO_FREE char *parent = strndup(path, (size_t)(parent_end - path));

		*slash = 0;
		if (mkdir(path, DIRECTORY_MODE) == 0)
			*ret_made = *ret_made ? *ret_made : (size_t)(slash - path);
		else if (errno != EEXIST)
			r = -errno;
		if (!r)
			r = parent ? prepare_directory(dir, parent, path) : -ENOMEM;
		if (!r)
			enable_controllers(path, controllers);
		*slash = '/';
		parent_end = slash;
	}
	return r;
}

/* Take back what make_parents() and the mkdir() after it have made, from the bottom up. */
static void unmake(char *path, size_t first_made)
{
	while (first_made && strlen(path) >= first_made && rmdir(path) == 0)
		*strrchr(path, '/') = 0;
}

static int make_last(const char *path)
{
	if (mkdir(path, DIRECTORY_MODE) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* Left by somebody. With a new inode number it is known to be this container's. */
	if (cgroup_tree_is_populated(path))
		return -ENOTEMPTY;
	(void)cgroup_tree_remove(path);
	return mkdir(path, DIRECTORY_MODE) < 0 ? -errno : 0;
}

static int make_directory(struct host_cgroup_dir *dir)
{
	AUTO_FREE char *path = strdup(dir->path);
	char controllers[CONTROLLERS_SIZE];
	size_t first_made = 0;
	char *slash;
	int r;

	if (!path)
		return -ENOMEM;
	r = make_parents(dir, path, &first_made);
	if (!r)
		r = make_last(path);
	if (r < 0) {
		*strrchr(path, '/') = 0;
		unmake(path, first_made);
		return r;
	}
	slash = strrchr(path, '/');
	*slash = 0;
	r = prepare_directory(dir, path, dir->path);
	*slash = '/';
	if (dir->is_unified &&
	    cgroup_file_read(path, "cgroup.controllers", controllers, sizeof(controllers)) == 0)
		dir->controllers = cgroup_controllers_parse(controllers, ' ');
	dir->inode = cgroup_tree_inode(path);
	if (r < 0) {
		dir->inode = 0;
		unmake(path, first_made ? first_made : strlen(path));
	}
	return r;
}

/* Without it an OOM kill in the guest cannot be shown; the container runs all the same. */
static void make_oom(struct host_cgroup *cgroup)
{
	bool has_memory = cgroup->dirs[0].controllers & CGROUP_MEMORY;

	if (cgroup->oom.path && has_memory && make_last(cgroup->oom.path) == 0) {
		cgroup->oom.inode = cgroup_tree_inode(cgroup->oom.path);
		if (cgroup_file_write(cgroup->oom.path, "memory.max", "0") == 0)
			return;
		(void)rmdir(cgroup->oom.path);
	}
	free(cgroup->oom.path);
	cgroup->oom = (struct host_cgroup_dir){ 0 };
}

int host_cgroup_make(struct host_cgroup *cgroup, struct error *err)
{
	for (size_t i = 0; i < cgroup->nr_dirs; i++) {
		int r = make_directory(&cgroup->dirs[i]);

		if (!r)
			continue;
		if (r == -ENOTEMPTY)
			(void)error_set(err, EBUSY, "container's cgroup is not empty: %s",
					cgroup->dirs[i].path);
		else
			(void)error_set(err, -r, "create control group %s", cgroup->dirs[i].path);
		while (i-- > 0)
			(void)rmdir(cgroup->dirs[i].path);
		return -err->code;
	}
	if (cgroup->nr_dirs)
		make_oom(cgroup);
	return 0;
}

int host_cgroup_open_unified(const struct host_cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->nr_dirs; i++) {
		const struct host_cgroup_dir *dir = &cgroup->dirs[i];
		AUTO_CLOSE int fd = -1;
		struct stat st;

		if (!dir->is_unified || !dir->inode)
			continue;
		fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == dir->inode)
			return fd_take(&fd);
	}
	return -1;
}

int host_cgroup_join(const struct host_cgroup *cgroup, bool is_in_unified, struct error *err)
{
	for (size_t i = 0; i < cgroup->nr_dirs; i++) {
		const struct host_cgroup_dir *dir = &cgroup->dirs[i];
		int r = -ESTALE;

		if (dir->is_unified && is_in_unified)
			continue;
		if (dir->inode && dir->inode == cgroup_tree_inode(dir->path))
			r = cgroup_file_write(dir->path, "cgroup.procs", "0");
		if (r < 0)
			return error_set(err, -r, "enter control group %s", dir->path);
	}
	return 0;
}

/* --- removal ------------------------------------------------------------------------------- */

static int remove_directory(const struct host_cgroup_dir *dir, unsigned int timeout_ms)
{
	const struct timespec pause = { .tv_nsec = REMOVE_POLL_MS * 1000000L };
	unsigned int waited = 0;

	for (;;) {
		uint64_t inode = cgroup_tree_inode(dir->path);
		int r;

		if (!inode || (dir->inode && inode != dir->inode))
			return 0;
		r = cgroup_tree_remove(dir->path);
		if (r == -EBUSY && !dir->inode)
			return 0; /* processes come after the record: these are somebody else's */
		if (r != -EBUSY || waited >= timeout_ms)
			return r;
		cgroup_tree_kill(dir->path);
		(void)nanosleep(&pause, NULL);
		waited += REMOVE_POLL_MS;
	}
}

int host_cgroup_remove(const struct host_cgroup *cgroup, unsigned int timeout_ms, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i <= cgroup->nr_dirs; i++) {
		const struct host_cgroup_dir *dir =
			i < cgroup->nr_dirs ? &cgroup->dirs[i] : &cgroup->oom;
		int r = dir->path ? remove_directory(dir, timeout_ms) : 0;

		if (r < 0)
			result = error_set(err, -r, "remove control group %s", dir->path);
	}
	return result;
}

const struct host_cgroup_dir *host_cgroup_find(const struct host_cgroup *cgroup,
					       enum cgroup_controller controller)
{
	for (size_t i = 0; i < cgroup->nr_dirs; i++)
		if (cgroup->dirs[i].controllers & (unsigned int)controller)
			return &cgroup->dirs[i];
	return NULL;
}

void host_cgroup_clear(struct host_cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->nr_dirs; i++)
		free(cgroup->dirs[i].path);
	free(cgroup->oom.path);
	*cgroup = (struct host_cgroup){ 0 };
}
