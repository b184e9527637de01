/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/mount_point.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fd.h"

#define DIRECTORY_MODE 0755
#define FILE_MODE 0644
#define LINKS_MAX 16 /* dangling links followed for one mount point */

static int open_in_root(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Make @name below the directory @parent_fd. */
static int make_one(int parent_fd, const char *name, bool is_file, const struct mount_point *point)
{
	AUTO_CLOSE int fd = -1;

	if (is_file)
		fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    FILE_MODE);
	if (is_file ? fd < 0 : mkdirat(parent_fd, name, DIRECTORY_MODE) < 0)
		return -errno;
	if (!point->uid && !point->gid)
		return 0;
	return fchownat(parent_fd, name, point->uid, point->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
											  : 0;
}

static int make_path(int root_fd, const char *path, bool is_file, const struct mount_point *point,
		     unsigned int nr_links);

/*
 * A link @name below @parent_fd that leads nowhere: make what it leads to, as if its target had
 * been asked for. @directory is the path of the parent.
 */
/* NOLINTNEXTLINE(misc-no-recursion): at most LINKS_MAX deep */
static int follow_dangling(int root_fd, int parent_fd, const char *directory, const char *name,
			   bool is_file, const struct mount_point *point, unsigned int nr_links)
{
	char target[PATH_MAX];
	AUTO_FREE char *path = NULL;
	ssize_t len = readlinkat(parent_fd, name, target, sizeof(target));

	if (len < 0)
		return -errno;
	if (nr_links == LINKS_MAX)
		return -ELOOP;
	if (len == (ssize_t)sizeof(target) ||
	    asprintf(&path, "%s/%.*s", target[0] == '/' ? "" : directory, (int)len, target) < 0)
		return -ENAMETOOLONG;
	return make_path(root_fd, path, is_file, point, nr_links + 1);
}

/*
 * Open the first @len bytes of @path, a prefix that ends at a component's end, and make its last
 * component when it is missing; the prefix before exists.
 */
/* NOLINTNEXTLINE(misc-no-recursion): at most LINKS_MAX deep */
static int open_or_make(int root_fd, const char *path, size_t len, bool is_file,
			const struct mount_point *point, unsigned int nr_links)
{
	AUTO_FREE char *prefix = strndup(path, len);
	AUTO_FREE char *again = NULL;
	AUTO_CLOSE int parent = -1;
	char *name;
	int fd, r;

	if (!prefix)
		return -ENOMEM;
	fd = open_in_root(root_fd, prefix);
	if (fd != -ENOENT)
		return fd;
	name = strrchr(prefix, '/');
	*name++ = 0;
	parent = open_in_root(root_fd, *prefix ? prefix : "/");
	if (parent < 0)
		return parent;
	r = make_one(parent, name, is_file, point);
	if (r < 0 && r != -EEXIST)
		return r;
	/* From the root again: what is there may be a link. */
	again = strndup(path, len);
	fd = again ? open_in_root(root_fd, again) : -ENOMEM;
	if (fd == -ENOENT && r == -EEXIST)
		return follow_dangling(root_fd, parent, prefix, name, is_file, point, nr_links);
	return fd;
}

/* mount_point_make() without its checks. */
/* NOLINTNEXTLINE(misc-no-recursion): at most LINKS_MAX deep */
static int make_path(int root_fd, const char *path, bool is_file, const struct mount_point *point,
		     unsigned int nr_links)
{
	size_t total = strlen(path);
	AUTO_CLOSE int fd = open_in_root(root_fd, "/"); /* all of "/" */

	if (total >= PATH_MAX)
		return -ENAMETOOLONG;
	for (size_t end = 1; end <= total; end++) {
		bool is_last = end == total;

		if ((!is_last && path[end] != '/') || path[end - 1] == '/')
			continue;
		fd_close(&fd);
		fd = open_or_make(root_fd, path, end, is_file && is_last, point, nr_links);
		if (fd < 0)
			return fd;
	}
	return fd_take(&fd);
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

int mount_point_make(int root_fd, const char *path, const struct mount_point *point,
		     struct error *err)
{
	AUTO_CLOSE int fd =
		path[0] == '/' ? make_path(root_fd, path, point->is_file, point, 0) : -EINVAL;
	int r;

	if (fd < 0)
		return error_set(err, -fd, "make the mount point");
	r = check_kind(fd, point->is_file);
	if (r < 0)
		return error_set(err, -r, "use the mount point");
	return fd_take(&fd);
}
