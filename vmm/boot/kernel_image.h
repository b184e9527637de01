/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_image.h - vmlinux (an ELF executable) and the initramfs, read into guest memory
 *
 * They are copied, into huge pages where the host has them: mapped, nearly every page would have
 * to be copied all the same when the kernel is relocated and patches itself, one fault at a time.
 *
 * Trust: the files are the administrator's, yet every field of the ELF is checked: a wrong file
 *        is an error that says so.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

/* Load the kernel in @fd; its 64-bit entry point goes to @ret_entry. @path is for messages. */
int kernel_image_load(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_entry,
		      struct error *err);

/*
 * The guest-physical address behind the last byte that the kernel in @fd uses, or 0 when
 * its headers cannot be read.
 */
uint64_t kernel_image_end(int fd);

/*
 * Load the file @fd to the top of low memory, which may overlap the kernel (kernel_image_end()).
 * Its address and size in bytes go to @ret_address and @ret_size.
 */
int initramfs_load(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_address,
		   uint64_t *ret_size, struct error *err);
