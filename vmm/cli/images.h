/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.h - where the guest kernel and the initramfs are
 *
 * In this order: the path given by option; the one in the administrator's configuration; beside
 * this program; ../lib/bulkhead from it. Nothing in a container or an image has a say.
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/cli/command_line.h"

#define IMAGE_KERNEL "vmlinux"
#define IMAGE_INITRAMFS "initramfs.cpio"

struct image {
	int fd;
	char *path; /* heap */
};

/*
 * Open the image @name (IMAGE_…), or the file @option unless that is NULL. Returns 0 and fills
 * *@ret, which image_close() releases.
 */
int image_open(const char *name, const char *option, struct image *ret, struct error *err);

/* The path for image_open() that somebody chose, or NULL. */
const char *kernel_option(const struct global_options *globals);
const char *initramfs_option(const struct global_options *globals);

/* Accepts { -1, NULL }. */
void image_close(struct image *image);
