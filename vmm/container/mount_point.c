/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fd.h"

#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

static int open_in_root(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Make @name, which may meanwhile exist, below the directory @parent_fd. */
static int make_one(int parent_fd, const char *name, bool is_file)
{
	int fd;

	if (!is_file)
		return mkdirat(parent_fd, name, DIRECTORY_MODE) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    FILE_MODE);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	fd_close(&fd);
	return 0;
}

/*
 * Open the first @len bytes of @path, a prefix that ends at a component's end, and make its last
 * component when it is missing; the prefix before exists.
 */
static int open_or_make(int root_fd, const char *path, size_t len, bool is_file)
{
	AUTO_CLOSE int parent = -1;
	char prefix[PATH_MAX];
	char *name;
	int fd, r;

	memcpy(prefix, path, len);
	prefix[len] = 0;
	fd = open_in_root(root_fd, prefix);
	if (fd != -ENOENT)
		return fd;
	name = strrchr(prefix, '/');
	*name++ = 0;
	parent = open_in_root(root_fd, *prefix ? prefix : "/");
	if (parent < 0)
		return parent;
	r = make_one(parent, name, is_file);
	if (r < 0)
		return r;
	/* From the root again: what is there may be a dangling link, which is then an error. */
	memcpy(prefix, path, len);
	return open_in_root(root_fd, prefix);
}

static int check_kind(int fd, bool is_file)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (is_file)
		return S_ISDIR(st.st_mode) ? -EISDIR : 0;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mount_point_make(int root_fd, const char *path, bool is_file, struct error *err)
{
	size_t total = strlen(path);
	AUTO_CLOSE int fd = -1;
	int r;

	if (total >= PATH_MAX || path[0] != '/')
		return error_set(err, total >= PATH_MAX ? ENAMETOOLONG : EINVAL,
				 "make the mount point");
	for (size_t end = 1; end <= total; end++) {
		bool is_last = end == total;

		if (!is_last && path[end] != '/')
			continue;
		fd_close(&fd);
		fd = open_or_make(root_fd, path, end, is_file && is_last);
		if (fd < 0)
			return error_set(err, -fd, "make the mount point");
	}
	r = check_kind(fd, is_file);
	if (r < 0)
		return error_set(err, -r, "use the mount point");
	return fd_take(&fd);
}
