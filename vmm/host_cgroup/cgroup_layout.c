/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/cgroup_layout.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

#define ROOT_FIELD 3 /* of a line of mountinfo, from 0 */
#define MOUNT_POINT_FIELD 4

static const struct {
	const char *name;
	enum cgroup_controller bit;
} controller_names[] = {
	{ "memory", CGROUP_MEMORY }, { "cpu", CGROUP_CPU },	    { "cpuacct", CGROUP_CPUACCT },
	{ "cpuset", CGROUP_CPUSET }, { "pids", CGROUP_PIDS },	    { "io", CGROUP_IO },
	{ "blkio", CGROUP_IO },	     { "freezer", CGROUP_FREEZER },
};

/* True when @list has the @len bytes at @name between two separators. */
static bool list_has(const char *list, char separator, const char *name, size_t len)
{
	while (list) {
		const char *end = strchr(list, separator);
		size_t item_len = end ? (size_t)(end - list) : strcspn(list, "\n");

		if (item_len == len && !strncmp(list, name, len))
			return true;
		list = end ? end + 1 : NULL;
	}
	return false;
}

unsigned int cgroup_controllers_parse(const char *names, char separator)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(controller_names); i++)
		if (list_has(names, separator, controller_names[i].name,
			     strlen(controller_names[i].name)))
			bits |= (unsigned int)controller_names[i].bit;
	return bits;
}

/* The kernel writes white space and backslashes as three octal digits. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = 0;
}

struct mount {
	char *root, *mount_point, *type, *options;
};

/* Take a line of mountinfo apart, in place. False when it is none. */
static bool parse_mount(char *line, struct mount *ret)
{
	char *separator = strstr(line, " - ");
	char *rest, *field, *source;

	if (!separator)
		return false;
	*separator = 0;
	rest = line;
	for (int i = 0; (field = strsep(&rest, " ")) && i < MOUNT_POINT_FIELD; i++)
		if (i == ROOT_FIELD)
			ret->root = field;
	ret->mount_point = field;
	rest = separator + strlen(" - ");
	ret->type = strsep(&rest, " ");
	source = strsep(&rest, " ");
	ret->options = rest;
	if (!field || !source || !rest)
		return false;
	unescape(ret->root);
	unescape(ret->mount_point);
	return true;
}

/* @path as seen below a mount of @root: a pointer into it, or NULL when it is not below. */
static const char *path_below(const char *path, const char *root)
{
	size_t len = strlen(root);

	if (!strcmp(root, "/"))
		return path;
	if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len : "/";
}

/* A path above the root of our cgroup namespace. */
static bool is_outside(const char *path)
{
	return !strncmp(path, "/..", 3) && (!path[3] || path[3] == '/');
}

/* What a line of /proc/self/cgroup says. */
struct membership {
	const char *names; /* "": unified */
	const char *path;
};

static bool is_mount_of(const struct mount *mount, const struct membership *membership)
{
	const char *names = membership->names;

	if (!*names)
		return !strcmp(mount->type, "cgroup2");
	/* Controllers that are bound together are always all among the options. */
	return !strcmp(mount->type, "cgroup") &&
	       list_has(mount->options, ',', names, strcspn(names, ","));
}

static int add_hierarchy(struct cgroup_layout *layout, const struct mount *mount,
			 const struct membership *membership, struct error *err)
{
	struct cgroup_hierarchy *hierarchy = &layout->hierarchies[layout->nr_hierarchies];
	const char *own =
		is_outside(membership->path) ? NULL : path_below(membership->path, mount->root);

	*hierarchy = (struct cgroup_hierarchy){
		.is_unified = !*membership->names,
		.controllers = cgroup_controllers_parse(membership->names, ','),
		.mount_point = strdup(mount->mount_point),
		.own = own ? strdup(own) : NULL,
	};
	layout->nr_hierarchies++;
	if (!hierarchy->mount_point || (own && !hierarchy->own))
		return error_set(err, ENOMEM, "read /proc/self/cgroup");
	return 0;
}

/* Add the hierarchy of @membership if one of the mounts shows it. */
static int find_mount(struct cgroup_layout *layout, const struct membership *membership,
		      const char *mountinfo, bool (*is_usable)(const char *, bool),
		      struct error *err)
{
	AUTO_FREE char *copy = strdup(mountinfo);
	char *rest = copy;
	char *line;

	if (!copy)
		return error_set(err, ENOMEM, "read /proc/self/mountinfo");
	while ((line = strsep(&rest, "\n"))) {
		struct mount mount = { 0 };

		if (!parse_mount(line, &mount) || !is_mount_of(&mount, membership))
			continue;
		if (!path_below(membership->path, mount.root) && strcmp(mount.root, "/") != 0)
			continue;
		if (!is_usable || is_usable(mount.mount_point, !*membership->names))
			return add_hierarchy(layout, &mount, membership, err);
	}
	return 0;
}

/* "9:name=systemd:/path": false when it is none, or one that no container belongs in. */
static bool parse_membership(char *line, struct membership *ret)
{
	char *rest = line;
	const char *id = strsep(&rest, ":");

	ret->names = strsep(&rest, ":");
	ret->path = rest;
	if (!ret->names || !ret->path || (!*ret->names && strcmp(id, "0") != 0))
		return false;
	return strncmp(ret->names, "name=", 5) != 0 || !strcmp(ret->names, "name=systemd");
}

int cgroup_layout_parse(const char *self_cgroup, const char *mountinfo,
			bool (*is_usable)(const char *mount_point, bool is_unified),
			struct cgroup_layout *ret, struct error *err)
{
	AUTO_FREE char *copy = strdup(self_cgroup);
	char *rest = copy;
	char *line;
	int r = copy ? 0 : error_set(err, ENOMEM, "read /proc/self/cgroup");

	*ret = (struct cgroup_layout){ 0 };
	while (!r && (line = strsep(&rest, "\n"))) {
		struct membership membership;

		if (!parse_membership(line, &membership))
			continue;
		if (ret->nr_hierarchies == ARRAY_SIZE(ret->hierarchies))
			return error_set(err, E2BIG, "more than %d hierarchies of control groups",
					 CGROUP_HIERARCHIES_MAX);
		r = find_mount(ret, &membership, mountinfo, is_usable, err);
	}
	return r;
}

/* What is listed may be covered by a later mount. */
static bool is_cgroup_mount(const char *mount_point, bool is_unified)
{
	struct statfs st;

	return statfs(mount_point, &st) == 0 &&
	       (unsigned long)st.f_type == (is_unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

/* A file of /proc, which has no NUL in it. Heap text, or NULL with an error. */
static char *load_proc_file(const char *path, struct error *err)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	int code = 0;

	if (!file) {
		(void)error_set(err, errno, "open %s", path);
		return NULL;
	}
	if (getdelim(&text, &size, 0, file) < 0)
		code = ferror(file) ? EIO : ENODATA;
	(void)fclose(file);
	if (!code)
		return text;
	free(text);
	(void)error_set(err, code, "read %s", path);
	return NULL;
}

int cgroup_layout_load(struct cgroup_layout *ret, struct error *err)
{
	AUTO_FREE char *self_cgroup = load_proc_file("/proc/self/cgroup", err);
	AUTO_FREE char *mountinfo =
		self_cgroup ? load_proc_file("/proc/self/mountinfo", err) : NULL;
	int r;

	*ret = (struct cgroup_layout){ 0 };
	if (!self_cgroup || !mountinfo)
		return -err->code;
	r = cgroup_layout_parse(self_cgroup, mountinfo, is_cgroup_mount, ret, err);
	if (!r && !ret->nr_hierarchies)
		r = error_invalid(err, "no control group file system is mounted on this host; "
				       "--cgroup-manager=disabled does without");
	if (r < 0)
		cgroup_layout_clear(ret);
	return r;
}

bool cgroup_layout_is_unified(const struct cgroup_layout *layout)
{
	return layout->nr_hierarchies == 1 && layout->hierarchies[0].is_unified;
}

void cgroup_layout_clear(struct cgroup_layout *layout)
{
	for (size_t i = 0; i < layout->nr_hierarchies; i++) {
		free(layout->hierarchies[i].mount_point);
		free(layout->hierarchies[i].own);
	}
	layout->nr_hierarchies = 0;
}
