/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/cgroup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

#define FILE_SIZE_MAX 4096 /* of a file with keys: cpu.stat has less than 1 KiB */

static int open_file(const char *directory, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int cgroup_file_write(const char *directory, const char *name, const char *format, ...)
{
	AUTO_CLOSE int fd = open_file(directory, name, O_WRONLY | O_TRUNC);
	AUTO_FREE char *text = NULL;
	va_list args;
	int len;

	if (fd < 0)
		return fd;
	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return file_write_full(fd, text, (size_t)len);
}

int cgroup_file_read(const char *directory, const char *name, char *buffer, size_t size)
{
	AUTO_CLOSE int fd = open_file(directory, name, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = file_read_full(fd, buffer, size - 1);
	if (len < 0)
		return (int)len;
	buffer[len] = 0;
	return 0;
}

static int parse_number(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long number;

	if (!strncmp(text, "max", 3)) {
		*ret = UINT64_MAX;
		return 0;
	}
	errno = 0;
	number = strtoull(text, &end, 10);
	if (end == text || errno || *text == '-')
		return -EPROTO;
	*ret = number;
	return 0;
}

int cgroup_file_read_number(const char *directory, const char *name, uint64_t *ret)
{
	char text[64];
	int r = cgroup_file_read(directory, name, text, sizeof(text));

	return r < 0 ? r : parse_number(text, ret);
}

int cgroup_file_read_key(const char *directory, const char *name, const char *key, uint64_t *ret)
{
	char text[FILE_SIZE_MAX];
	size_t key_len = strlen(key);
	int r = cgroup_file_read(directory, name, text, sizeof(text));

	if (r < 0)
		return r;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, key_len) && line[key_len] == ' ')
			return parse_number(line + key_len + 1, ret);
	}
	return -ENODATA;
}
