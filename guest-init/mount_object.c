/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/mount_object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "guest-init/scope.h"

#define MOUNT_FLAG_NOSYMFOLLOW 256u /* MS_NOSYMFOLLOW, which glibc 2.36 does not name */

static const struct {
	uint64_t flag; /* MS_… */
	uint64_t set;  /* MOUNT_ATTR_… */
	uint64_t mask; /* all attributes that @set is one choice of */
} mount_attributes[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODEV },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ MOUNT_FLAG_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	{ MS_RELATIME, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ MS_NOATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
};

/* Flags of mount(2) that are parameters of the file system. */
static const struct {
	uint64_t flag;
	const char *name;
} file_system_flags[] = {
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },
	{ MS_LAZYTIME, "lazytime" },
};

/* The kernel's own words about @fs_fd ("e tmpfs: Bad value for 'size'"), else the errno text. */
static int mount_object_fail(int fs_fd, struct failure *err)
{
	int code = errno;
	char line[256];
	ssize_t n = read(fs_fd, line, sizeof(line) - 1);

	if (n <= 2)
		return failure_set(err, code, "mount");
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	(void)failure_invalid(err, "mount: %s", line + 2);
	err->code = code;
	return -code;
}

/* Set each of @options on @fs_fd; the list is taken apart in place. */
static int mount_object_set_options(int fs_fd, char *options)
{
	char *rest = options;
	char *key;

	while ((key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');
		int r;

		if (!*key)
			continue;
		if (value)
			*value++ = 0;
		if (value)
			r = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0);
		else
			r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, key, NULL, 0);
		if (r)
			return r;
	}
	return 0;
}

static int mount_object_set_option_list(int fs_fd, const char *options)
{
	AUTO_FREE char *copy = strdup(options);

	return copy ? mount_object_set_options(fs_fd, copy) : -1;
}

static int mount_object_set_file_system_flags(int fs_fd, uint64_t flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(file_system_flags); i++) {
		if (flags & file_system_flags[i].flag &&
		    fsconfig(fs_fd, FSCONFIG_SET_FLAG, file_system_flags[i].name, NULL, 0))
			return -1;
	}
	return 0;
}

int mount_object_create(const char *type, const char *source, const char *first_options,
			const char *options, uint64_t flags, struct failure *err)
{
	AUTO_CLOSE int fs_fd = fsopen(type, FSOPEN_CLOEXEC);
	int mount_fd;

	if (fs_fd < 0)
		return failure_set(err, errno, "mount");
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", source, 0) ||
	    mount_object_set_option_list(fs_fd, first_options) ||
	    mount_object_set_option_list(fs_fd, options) ||
	    mount_object_set_file_system_flags(fs_fd, flags) ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return mount_object_fail(fs_fd, err);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
	return mount_fd < 0 ? mount_object_fail(fs_fd, err) : mount_fd;
}

int mount_object_clone(int fd, bool is_recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int mount_fd = open_tree(fd, "", flags | (is_recursive ? (unsigned int)AT_RECURSIVE : 0));

	return mount_fd < 0 ? -errno : mount_fd;
}

int mount_object_set_flags(int mount_fd, uint64_t flags, uint64_t clear_flags, bool is_recursive)
{
	unsigned int at_flags = AT_EMPTY_PATH;
	struct mount_attr attr = { .attr_set = 0 };

	for (size_t i = 0; i < ARRAY_SIZE(mount_attributes); i++) {
		if ((flags | clear_flags) & mount_attributes[i].flag)
			attr.attr_clr |= mount_attributes[i].mask;
		if (flags & mount_attributes[i].flag)
			attr.attr_set |= mount_attributes[i].set;
	}
	if (!attr.attr_clr)
		return 0;
	if (is_recursive)
		at_flags |= AT_RECURSIVE;
	return mount_setattr(mount_fd, "", at_flags, &attr, sizeof(attr)) ? -errno : 0;
}

int mount_object_set_propagation(int mount_fd, uint64_t propagation)
{
	unsigned int at_flags = AT_EMPTY_PATH;
	struct mount_attr attr = { .propagation = propagation & ~(uint64_t)MS_REC };

	if (!propagation)
		return 0;
	if (propagation & MS_REC)
		at_flags |= AT_RECURSIVE;
	return mount_setattr(mount_fd, "", at_flags, &attr, sizeof(attr)) ? -errno : 0;
}

int mount_object_attach(int mount_fd, int target_fd)
{
	return move_mount(mount_fd, "", target_fd, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
		       ? -errno
		       : 0;
}
