/* SPDX-License-Identifier: Apache-2.0 */
/* template_memory.h - the checksum of a template's RAM (used by template_store.c) */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

/*
 * CRC-32C of number and content of all pages of the file @fd that are not zero, be zero pages holes
 * or not. @size is the file's. Returns 0 or a negative errno value.
 */
int template_memory_sum(int fd, uint64_t size, uint32_t *ret, struct error *err);
