/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/images.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/* Takes @path, heap memory or NULL for want of it. */
static int open_image(char *path, struct image *ret, struct error *err)
{
	int fd;

	if (!path)
		return error_set(err, ENOMEM, "open an image");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		int code = errno;

		(void)error_set(err, code, "open '%s'", path);
		free(path);
		return -code;
	}
	*ret = (struct image){ .fd = fd, .path = path };
	return 0;
}

int image_open(const char *name, const char *option, struct image *ret, struct error *err)
{
	static const char *const places[] = { "", "../lib/bulkhead/" };
	char self[PATH_MAX];
	ssize_t len;

	if (option)
		return open_image(strdup(option), ret, err);
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return error_set(err, errno, "find this program's own place");
	self[len] = 0;
	*(strrchr(self, '/') + 1) = 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path;
		int r;

		if (asprintf(&path, "%s%s%s", self, places[i], name) < 0)
			path = NULL;
		r = open_image(path, ret, err);
		if (r != -ENOENT)
			return r;
	}
	return error_set(err, ENOENT, "find %s in %s or in %s../lib/bulkhead", name, self, self);
}

const char *kernel_option(const struct global_options *globals)
{
	if (globals->kernel || !globals->administrator)
		return globals->kernel;
	return globals->administrator->kernel;
}

const char *initramfs_option(const struct global_options *globals)
{
	if (globals->initramfs || !globals->administrator)
		return globals->initramfs;
	return globals->administrator->initramfs;
}

void image_close(struct image *image)
{
	fd_close(&image->fd);
	free(image->path);
	image->path = NULL;
}
