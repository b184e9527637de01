/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/control_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest-init/scope.h"

int control_file_write(int dir_fd, const char *file, const char *value)
{
	AUTO_CLOSE int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int control_file_read(int dir_fd, const char *file, char *buffer, size_t size)
{
	AUTO_CLOSE int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, buffer + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buffer[len] = 0;
	return n < 0 ? -errno : 0;
}

int control_files_write(int dir_fd, const struct resource_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_controls; i++) {
		const struct resource_control *control = &plan->controls[i];
		int r = control_file_write(dir_fd, control->file, control->value);

		if (r)
			return failure_set(err, -r, "%s: write \"%s\" to %s", control->field,
					   control->value, control->file);
	}
	return 0;
}
