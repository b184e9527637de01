/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.h - where the guest kernel and the initramfs are
 *
 * In this order: the path given by option; beside this program; ../lib/bulkhead from it. Nothing
 * in a container, an image or the environment has a say.
 */
#pragma once

#include "vmm/base/error.h"

#define IMAGE_KERNEL "vmlinux"
#define IMAGE_INITRAMFS "initramfs.cpio"

struct image {
	int fd;
	char *path; /* heap */
};

/*
 * Open the image @name (IMAGE_…), or the file @option when that is not NULL. Returns 0 and fills
 * *@ret, which image_close() releases.
 */
int image_open(const char *name, const char *option, struct image *ret, struct error *err);

/* Accepts { -1, NULL }. */
void image_close(struct image *image);
