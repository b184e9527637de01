/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

int pid_file_write(const char *path, pid_t pid, struct error *err)
{
	/* dirname() and basename() may write into what they are given. */
	AUTO_FREE char *directory = strdup(path);
	AUTO_FREE char *name = strdup(path);
	AUTO_CLOSE int fd = -1;
	char text[16];
	int len, r;

	if (!directory || !name)
		return error_set(err, ENOMEM, "--pid-file");
	fd = open(dirname(directory), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "--pid-file: open the directory of '%s'", path);
	len = snprintf(text, sizeof(text), "%d", (int)pid);
	r = file_replace(fd, basename(name), text, (size_t)len, err);
	return r < 0 ? error_prefix(err, "--pid-file") : 0;
}
