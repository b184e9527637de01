/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"

#define TREE_ROUNDS_MAX 256u /* directories created and links followed for one path */
#define TREE_RETRIES_MAX 64u /* openat2(2) gives up when the tree is renamed under it */

int container_tree_open(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (__u64)(unsigned int)flags | O_CLOEXEC,
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
 * Replace *@path by what it means when its first @prefix_len bytes are a symbolic link, the last
 * component of which is @name in @dir_fd.
 */
static int tree_follow_link(int dir_fd, const char *name, size_t prefix_len, char **path)
{
	int parent_len = (int)(prefix_len - strlen(name));
	char target[PATH_MAX];
	char *resolved;
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	if (asprintf(&resolved, "%.*s%s%s", target[0] == '/' ? 0 : parent_len, *path, target,
		     *path + prefix_len) < 0)
		return -ENOMEM;
	free(*path);
	*path = resolved;
	return 0;
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
 * Create the component of *@path that lies in @dir_fd between @start and @end. When a dangling link
 * is in its place *@path is replaced by what it means, and 1 is returned.
 */
static int tree_make_component(int dir_fd, char **path, size_t start, size_t end, bool is_file)
{
	bool is_last = !(*path)[end + strspn(*path + end, "/")];
	AUTO_FREE char *name = strndup(*path + start, end - start);
	int r;

	if (!name)
		return -ENOMEM;
	r = tree_make_entry(dir_fd, name, is_file && is_last);
	if (r != -EEXIST)
		return r;
	r = tree_follow_link(dir_fd, name, end, path);
	return r ? r : 1;
}

static int tree_open_prefix(int root_fd, const char *path, size_t len)
{
	AUTO_FREE char *prefix = strndup(path, len);

	return prefix ? container_tree_open(root_fd, prefix, O_PATH) : -ENOMEM;
}

/* Create the first component of *@path that is missing. Returns as tree_make_component(). */
static int tree_make_first_missing(int root_fd, char **path, bool is_file)
{
	AUTO_CLOSE int dir_fd = container_tree_open(root_fd, "/", O_PATH | O_DIRECTORY);
	size_t end = 0;

	while (dir_fd >= 0) {
		size_t start = end + strspn(*path + end, "/");
		int next_fd;

		end = start + strcspn(*path + start, "/");
		if (end == start)
			return 0;
		next_fd = tree_open_prefix(root_fd, *path, end);
		if (next_fd == -ENOENT)
			return tree_make_component(dir_fd, path, start, end, is_file);
		fd_close(&dir_fd);
		dir_fd = next_fd;
	}
	return dir_fd;
}

int container_tree_make(int root_fd, const char *path, bool is_file)
{
	AUTO_FREE char *current = strdup(path);
	size_t nr_rounds = 0;

	if (!current)
		return -ENOMEM;
	/* A round creates a component or follows a link: more of them are a loop of links. */
	while (nr_rounds++ < TREE_ROUNDS_MAX) {
		int fd = container_tree_open(root_fd, current, O_PATH);
		int r;

		if (fd != -ENOENT)
			return fd;
		r = tree_make_first_missing(root_fd, &current, is_file);
		if (r < 0)
			return r;
	}
	return -ELOOP;
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
