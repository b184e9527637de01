/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/container_tree.h"
#include "guest-init/copy_up.h"
#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

/* Cover the locked tree by the one that is not. */
static int mounts_attach_tree(const struct container_places *places)
{
	AUTO_CLOSE int target_fd = open(places->tree, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return target_fd < 0 ? -errno : mount_object_attach(places->tree_fd, target_fd);
}

int container_mounts_init(struct container_mounts *mounts, const struct container_places *places,
			  struct failure *err)
{
	int r = places->tree_fd >= 0 ? mounts_attach_tree(places) : 0;

	if (r)
		return failure_set(err, -r, "attach the shared tree");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return failure_set(err, errno, "make the mounts private");
	if (mount(places->tree, places->root, NULL, MS_BIND | MS_REC, NULL))
		return failure_set(err, errno, "bind the root file system");
	mounts->tree_fd = open(places->tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mounts->root_fd = open(places->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mounts->tree_fd < 0 || mounts->root_fd < 0)
		return failure_set(err, errno, "open the root file system");
	return 0;
}

/* A copy of what the host placed at the mount's destination in the shared tree. */
static int mounts_clone_from_tree(const struct container_mounts *mounts,
				  const struct plan_mount *mount, struct failure *err)
{
	AUTO_CLOSE int source_fd = container_tree_open(mounts->tree_fd, mount->destination, O_PATH);
	int mount_fd;

	if (source_fd < 0)
		return failure_set(err, -source_fd, "open the source");
	mount_fd = mount_object_clone(source_fd, mount->flags & MS_REC);
	return mount_fd < 0 ? failure_set(err, -mount_fd, "clone the source") : mount_fd;
}

/*
 * The options of a tmpfs that its own may override: it takes the mode of the directory it covers,
 * and if it copies the content, the owner as well. A directory that did not exist has neither.
 */
static void mounts_tmpfs_defaults(const struct container_mounts *mounts,
				  const struct container_plan *plan, const struct plan_mount *mount,
				  char *ret_options, size_t size)
{
	AUTO_CLOSE int fd = -1;
	uint32_t outside;
	struct stat st;

	ret_options[0] = 0;
	if (strcmp(mount->type, "tmpfs") != 0)
		return;
	fd = container_tree_open(mounts->root_fd, mount->destination, O_PATH);
	if (fd < 0 || fstat(fd, &st))
		return;
	/* Somebody whom the user namespace does not have. */
	if (!id_map_outside(&plan->uid_map, st.st_uid, &outside))
		st.st_uid = 0;
	if (!id_map_outside(&plan->gid_map, st.st_gid, &outside))
		st.st_gid = 0;
	if (mount->is_copied_up)
		(void)snprintf(ret_options, size, "mode=%o,uid=%u,gid=%u", st.st_mode & 07777,
			       st.st_uid, st.st_gid);
	else
		(void)snprintf(ret_options, size, "mode=%o", st.st_mode & 07777);
}

static int mounts_create(const struct plan_mount *mount, const char *defaults, struct failure *err)
{
	/* Controllers of version 1 do not exist in a guest: its one hierarchy is version 2. */
	bool is_cgroup_v1 = !strcmp(mount->type, "cgroup");

	return mount_object_create(is_cgroup_v1 ? "cgroup2" : mount->type, mount->source, defaults,
				   is_cgroup_v1 ? "" : mount->data, mount->flags, err);
}

static int mounts_set_attributes(const struct plan_mount *mount, int mount_fd, struct failure *err)
{
	/* Devices are still to be made in /dev: container_mounts_restrict() makes it read-only. */
	uint64_t later = strcmp(mount->destination, "/dev") == 0 ? MS_RDONLY : 0;
	int r = mount_object_set_flags(mount_fd, mount->flags & ~later, mount->clear_flags, false);

	if (!r && mount->is_recursive_readonly)
		r = mount_object_set_flags(mount_fd, MS_RDONLY, 0, true);
	if (!r)
		r = mount_object_set_propagation(mount_fd, mount->propagation);
	return r ? failure_set(err, -r, "set the options") : 0;
}

static int mounts_make_one(const struct container_mounts *mounts, const struct container_plan *plan,
			   const struct plan_mount *mount, struct failure *err)
{
	AUTO_CLOSE int target_fd = -1;
	AUTO_CLOSE int mount_fd = -1;
	char defaults[64];
	int r;

	/* The mount before its mount point, which would show up in the tree as a source. */
	mounts_tmpfs_defaults(mounts, plan, mount, defaults, sizeof(defaults));
	if (!strcmp(mount->type, "bind"))
		mount_fd = mounts_clone_from_tree(mounts, mount, err);
	else
		mount_fd = mounts_create(mount, defaults, err);
	if (mount_fd < 0)
		return mount_fd;
	target_fd = container_tree_make(mounts->root_fd, mount->destination, mount->is_file);
	if (target_fd < 0)
		return failure_set(err, -target_fd, "create the mount point");
	if (mount->is_copied_up) {
		r = copy_up(target_fd, mount_fd, err);
		if (r)
			return failure_prefix(err, "copy the content");
	}
	r = mounts_set_attributes(mount, mount_fd, err);
	if (r)
		return r;
	r = mount_object_attach(mount_fd, target_fd);
	return r ? failure_set(err, -r, "attach") : 0;
}

int container_mounts_make(const struct container_mounts *mounts, const struct container_plan *plan,
			  struct failure *err)
{
	for (size_t i = 0; i < plan->nr_mounts; i++) {
		const struct plan_mount *mount = &plan->mounts[i];

		if (mounts_make_one(mounts, plan, mount, err))
			return failure_prefix(err, "mount \"%s\" to \"%s\"", mount->type,
					      mount->destination);
	}
	return 0;
}

/* Hide @target_fd: a directory below an empty tmpfs, anything else below the null device. */
static int mounts_mask(int target_fd, struct failure *err)
{
	AUTO_CLOSE int mount_fd = -1;
	struct stat st;
	int r;

	if (fstat(target_fd, &st))
		return failure_set(err, errno, "stat");
	if (S_ISDIR(st.st_mode)) {
		mount_fd = mount_object_create("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=1", "", 0,
					       err);
		if (mount_fd < 0)
			return mount_fd;
	} else {
		AUTO_CLOSE int null_fd = open("/dev/null", O_PATH | O_CLOEXEC);

		mount_fd = mount_object_clone(null_fd, false);
		if (mount_fd < 0)
			return failure_set(err, -mount_fd, "clone the null device");
	}
	r = S_ISDIR(st.st_mode) ? mount_object_set_flags(mount_fd, MS_RDONLY, 0, false) : 0;
	if (!r)
		r = mount_object_attach(mount_fd, target_fd);
	return r ? failure_set(err, -r, "mount") : 0;
}

static int mounts_make_readonly(int target_fd, struct failure *err)
{
	AUTO_CLOSE int mount_fd = mount_object_clone(target_fd, true);
	int r = mount_fd < 0 ? mount_fd : mount_object_set_flags(mount_fd, MS_RDONLY, 0, false);

	if (!r)
		r = mount_object_attach(mount_fd, target_fd);
	return r ? failure_set(err, -r, "mount") : 0;
}

/* Apply @restrict_path to each path that exists; the names of others mean nothing here. */
static int mounts_restrict_paths(int root_fd, const struct plan_strings *paths,
				 int (*restrict_path)(int target_fd, struct failure *err),
				 const char *what, struct failure *err)
{
	for (size_t i = 0; i < paths->len; i++) {
		AUTO_CLOSE int target_fd = container_tree_open(root_fd, paths->items[i], O_PATH);

		if (target_fd == -ENOENT || target_fd == -ENOTDIR)
			continue;
		if (target_fd < 0)
			return failure_set(err, -target_fd, "%s \"%s\"", what, paths->items[i]);
		if (restrict_path(target_fd, err))
			return failure_prefix(err, "%s \"%s\"", what, paths->items[i]);
	}
	return 0;
}

/* The read-only flag of a mount at /dev had to wait until now. */
static int mounts_finish_dev(const struct container_mounts *mounts,
			     const struct container_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_mounts; i++) {
		const struct plan_mount *mount = &plan->mounts[i];
		AUTO_CLOSE int fd = -1;
		int r;

		if (strcmp(mount->destination, "/dev") != 0 || !(mount->flags & MS_RDONLY))
			continue;
		fd = container_tree_open(mounts->root_fd, "/dev", O_PATH);
		r = fd < 0 ? fd : mount_object_set_flags(fd, MS_RDONLY, 0, false);
		if (r)
			return failure_set(err, -r, "make \"/dev\" read-only");
	}
	return 0;
}

int container_mounts_restrict(const struct container_mounts *mounts,
			      const struct container_plan *plan, struct failure *err)
{
	int r = mounts_finish_dev(mounts, plan, err);

	if (!r)
		r = mounts_restrict_paths(mounts->root_fd, &plan->readonly_paths,
					  mounts_make_readonly, "readonlyPaths", err);
	if (!r)
		r = mounts_restrict_paths(mounts->root_fd, &plan->masked_paths, mounts_mask,
					  "maskedPaths", err);
	if (!r && plan->has_readonly_root) {
		r = mount_object_set_flags(mounts->root_fd, MS_RDONLY, 0, false);
		if (r)
			return failure_set(err, -r, "make the root file system read-only");
	}
	return r;
}

int container_mounts_enter(const struct container_mounts *mounts, uint64_t propagation,
			   struct failure *err)
{
	int r;

	/* Old and new root may be the same place: the old one is then stacked on top. */
	if (fchdir(mounts->root_fd) || syscall(SYS_pivot_root, ".", "."))
		return failure_set(err, errno, "pivot_root into the root file system");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return failure_set(err, errno, "leave the file systems of the guest");
	r = mount_object_set_propagation(mounts->root_fd, propagation);
	return r ? failure_set(err, -r, "rootfsPropagation") : 0;
}
