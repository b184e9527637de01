/* SPDX-License-Identifier: Apache-2.0 */
/*
 * free_memory.h - how the kernel reports free memory, which the monitor gives back to the host
 *
 * Memory is reported two seconds after it was freed, in blocks of 2^order pages or larger, and only
 * while more than FREE_MEMORY_BLOCKS such blocks are free (Linux, mm/page_reporting.c). Large ones
 * let the host keep its huge pages; but in a small machine so many large ones are never free.
 */
#pragma once

#include <stdint.h>

#include "guest-init/failure.h"

#define FREE_MEMORY_BLOCKS 32u

/* The order for a machine with @nr_pages pages of memory. */
unsigned int free_memory_order(uint64_t nr_pages);

/* Set it. A kernel that reports nothing is left alone. */
int free_memory_set_order(struct failure *err);
