/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fd.h"

ssize_t file_read_full(int fd, void *buffer, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buffer + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int file_write_full(int fd, const void *buffer, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buffer + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int file_load(int dir_fd, const char *name, size_t max_size, char **ret_data, size_t *ret_size,
	      struct error *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer before it is refused below. */
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_FREE char *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return error_set(err, errno, "open %s", name);
	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return error_invalid(err, "%s is not a regular file", name);
	if ((uint64_t)st.st_size > max_size)
		return error_invalid(err, "%s is larger than %zu bytes", name, max_size);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return error_set(err, ENOMEM, "read %s", name);
	n = file_read_full(fd, data, (size_t)st.st_size);
	if (n < 0)
		return error_set(err, (int)-n, "read %s", name);
	data[n] = 0;
	*ret_size = (size_t)n;
	*ret_data = pointer_take(data);
	return 0;
}

int file_replace(int dir_fd, const char *name, const void *data, size_t len, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	char temporary[256];
	int r;

	if (snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid()) >=
	    (int)sizeof(temporary))
		return error_set(err, ENAMETOOLONG, "write %s", name);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return error_set(err, errno, "create %s", temporary);
	r = file_write_full(fd, data, len);
	if (!r && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, temporary, 0);
		return error_set(err, -r, "write %s", name);
	}
	return 0;
}
