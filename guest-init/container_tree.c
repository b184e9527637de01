/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"

#define TREE_LINKS_MAX 40   /* as in the kernel's own path walk */
#define TREE_RETRIES_MAX 64 /* openat2(2) gives up when the tree is renamed under it */

int container_tree_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	for (unsigned int i = 0; i < TREE_RETRIES_MAX; i++) {
		long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

/*
 * The path that @path means when its first @prefix_len bytes are a symbolic link, the last
 * component of which is @name in @dir_fd.
 */
static int tree_follow_link(int dir_fd, const char *name, const char *path, size_t prefix_len,
			    char ret_path[PATH_MAX])
{
	char target[PATH_MAX];
	size_t dir_len = prefix_len - strlen(name);
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
	int len;

	if (n < 0)
		return -errno;
	target[n] = 0;
	len = snprintf(ret_path, PATH_MAX, "%.*s%s%s", target[0] == '/' ? 0 : (int)dir_len, path,
		       target, path + prefix_len);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int tree_make_entry(int dir_fd, const char *name, bool is_file)
{
	AUTO_CLOSE int fd = -1;

	if (!is_file)
		return mkdirat(dir_fd, name, 0755) ? -errno : 0;
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : 0;
}

/*
 * Create the first missing component of @path. Returns 0 when it was created, or 1 when it turned
 * out to be a dangling link and @path was replaced by what it means.
 */
static int tree_make_first_missing(int root_fd, char path[PATH_MAX], bool is_file)
{
	AUTO_CLOSE int dir_fd = container_tree_open(root_fd, "/", O_PATH | O_DIRECTORY);
	size_t end = 0;

	while (dir_fd >= 0) {
		size_t start = end + strspn(path + end, "/");
		char prefix[PATH_MAX];
		const char *name = prefix + start;
		int next_fd;
		int r;

		end = start + strcspn(path + start, "/");
		memcpy(prefix, path, end);
		prefix[end] = 0;
		if (end == start)
			return 0;
		next_fd = container_tree_open(root_fd, prefix, O_PATH);
		if (next_fd != -ENOENT) {
			fd_close(&dir_fd);
			dir_fd = next_fd;
			continue;
		}
		r = tree_make_entry(dir_fd, name, is_file && !path[end + strspn(path + end, "/")]);
		if (r == -EEXIST) {
			char resolved[PATH_MAX];

			r = tree_follow_link(dir_fd, name, path, end, resolved);
			if (r)
				return r;
			memcpy(path, resolved, PATH_MAX);
			return 1;
		}
		return r;
	}
	return dir_fd;
}

int container_tree_make(int root_fd, const char *path, bool is_file)
{
	unsigned int nr_links = 0;
	char current[PATH_MAX];

	if (strlen(path) >= sizeof(current))
		return -ENAMETOOLONG;
	(void)stpncpy(current, path, sizeof(current));
	/* Every round creates a component or follows a link: both are bounded. */
	for (;;) {
		int fd = container_tree_open(root_fd, current, O_PATH);
		int r;

		if (fd != -ENOENT)
			return fd;
		r = tree_make_first_missing(root_fd, current, is_file);
		if (r < 0)
			return r;
		nr_links += (unsigned int)r;
		if (nr_links > TREE_LINKS_MAX)
			return -ELOOP;
	}
}

int container_tree_make_parent(int root_fd, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	int fd;

	if (!slash || !slash[1])
		return -EINVAL;
	if ((size_t)(slash - path) >= sizeof(parent) - 1)
		return -ENAMETOOLONG;
	(void)snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path);
	fd = container_tree_make(root_fd, parent, false);
	if (fd >= 0)
		*ret_name = slash + 1;
	return fd;
}

ssize_t container_tree_read(int root_fd, const char *path, char *buffer, size_t size)
{
	/* O_NONBLOCK: a FIFO in the file's place must not make us wait. */
	AUTO_CLOSE int fd = container_tree_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	size_t done = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (done < size) {
		ssize_t n = read(fd, buffer + done, size - done);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}
