/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "guest-init/scope.h"

#define COPY_UP_DEPTH_MAX 64 /* each level holds two descriptors and a stack frame */
#define COPY_UP_CHUNK ((size_t)1 << 20)

static void dir_close(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int copy_up_directory(int from_fd, int to_fd, unsigned int depth, struct failure *err);

static int copy_up_file_data(int from_fd, int to_fd)
{
	ssize_t n;

	do
		n = sendfile(to_fd, from_fd, NULL, COPY_UP_CHUNK);
	while (n > 0);
	return n < 0 ? -errno : 0;
}

static int copy_up_file(int from_dir, int to_dir, const char *name)
{
	AUTO_CLOSE int from_fd =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_CLOSE int to_fd =
		openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from_fd < 0 || to_fd < 0)
		return -errno;
	return copy_up_file_data(from_fd, to_fd);
}

static int copy_up_link(int from_dir, int to_dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, to_dir, name) ? -errno : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most COPY_UP_DEPTH_MAX deep */
static int copy_up_subdirectory(int from_dir, int to_dir, const char *name, unsigned int depth,
				struct failure *err)
{
	AUTO_CLOSE int from_fd = -1;
	AUTO_CLOSE int to_fd = -1;

	if (depth == COPY_UP_DEPTH_MAX)
		return failure_set(err, ELOOP, "copy %s", name);
	if (mkdirat(to_dir, name, 0700))
		return failure_set(err, errno, "create directory %s", name);
	from_fd = openat(from_dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to_fd = openat(to_dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from_fd < 0 || to_fd < 0)
		return failure_set(err, errno, "open directory %s", name);
	return copy_up_directory(from_fd, to_fd, depth + 1, err);
}

/* Owner first: changing it clears set-user-id bits of the mode. */
static int copy_up_attributes(int to_dir, const char *name, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };

	/* An owner whom the user namespace does not have cannot be had. */
	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) && errno != EINVAL)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0))
		return -errno;
	return utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most COPY_UP_DEPTH_MAX deep */
static int copy_up_entry(int from_dir, int to_dir, const char *name, unsigned int depth,
			 struct failure *err)
{
	struct stat st;
	int r;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return failure_set(err, errno, "stat %s", name);
	if (S_ISDIR(st.st_mode)) {
		r = copy_up_subdirectory(from_dir, to_dir, name, depth, err);
		if (r)
			return r;
	} else {
		if (S_ISREG(st.st_mode))
			r = copy_up_file(from_dir, to_dir, name);
		else if (S_ISLNK(st.st_mode))
			r = copy_up_link(from_dir, to_dir, name);
		else
			r = mknodat(to_dir, name, st.st_mode & S_IFMT, st.st_rdev) ? -errno : 0;
		if (r)
			return failure_set(err, -r, "copy %s", name);
	}
	r = copy_up_attributes(to_dir, name, &st);
	return r ? failure_set(err, -r, "copy owner and mode of %s", name) : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): at most COPY_UP_DEPTH_MAX deep */
static int copy_up_directory(int from_fd, int to_fd, unsigned int depth, struct failure *err)
{
	__attribute__((cleanup(dir_close))) DIR *dir = NULL;
	int list_fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (list_fd < 0)
		return failure_set(err, errno, "open directory");
	dir = fdopendir(list_fd);
	if (!dir) {
		(void)close(list_fd);
		return failure_set(err, ENOMEM, "read directory");
	}
	for (;;) {
		const struct dirent *entry;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? failure_set(err, errno, "read directory") : 0;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = copy_up_entry(from_fd, to_fd, entry->d_name, depth, err);
		if (r)
			return r;
	}
}

int copy_up(int from_fd, int to_fd, struct failure *err)
{
	return copy_up_directory(from_fd, to_fd, 0, err);
}
