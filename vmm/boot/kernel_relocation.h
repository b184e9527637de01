/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_relocation.h - move the kernel's text to a random virtual address (KASLR)
 *
 * A vmlinux that is entered directly has no decompressor to do this, so the monitor does: the
 * image stays where it is in physical memory, and every address in it that depends on where it is
 * linked gets the same offset. kernel/README.md describes the list of those places, the section
 * .bulkhead.relocs.
 *
 * Trust: the file is the administrator's, yet every field is checked.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

/*
 * Relocate the kernel that kernel_image_load() loaded from @fd by a random multiple of 2 MiB. A
 * kernel without the section stays where it is linked.
 */
int kernel_relocate(const struct guest_memory *memory, int fd, const char *path, struct error *err);
