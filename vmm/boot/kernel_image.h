/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_image.h - vmlinux (an ELF executable) and the initramfs, mapped into guest memory
 *
 * Nothing is copied: the file's pages are mapped privately over the guest's RAM, so all VMs share
 * them in the host's page cache until a guest writes to its own copy.
 *
 * Trust: the files are the administrator's, yet every field of the ELF is checked: a wrong file
 *        is an error that says so.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

/* Map the kernel in @fd; its 64-bit entry point goes to @ret_entry. @path is for messages. */
int kernel_image_map(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_entry,
		     struct error *err);

/*
 * The guest-physical address behind the last byte that the mapped kernel in @fd uses, or 0 when
 * its headers cannot be read.
 */
uint64_t kernel_image_end(int fd);

/*
 * Map the file @fd at the top of low memory, which may overlap the kernel (kernel_image_end()).
 * Its address and size in bytes go to @ret_address and @ret_size.
 */
int initramfs_map(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_address,
		  uint64_t *ret_size, struct error *err);
