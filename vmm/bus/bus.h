/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.h - which device answers an access to a guest address
 *
 * Thread: ranges are added before vCPUs run; afterwards any vCPU thread may call bus_access().
 * Trust:  address, length and data of an access are the guest's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define BUS_MAX_RANGES 16

/*
 * One access of @len (1, 2, 4 or 8) bytes at @offset inside the range; the whole access lies
 * inside it. A read fills @data, which is zeroed before the call; a write has it there.
 */
typedef void (*bus_access_fn)(void *context, uint64_t offset, uint8_t *data, uint32_t len,
			      bool is_write);

struct bus_range {
	uint64_t base;
	uint64_t size;
	bus_access_fn access;
	void *context;
};

struct bus {
	struct bus_range ranges[BUS_MAX_RANGES]; /* sorted by base, not overlapping */
	unsigned int nr_ranges;
};

/* Returns -EEXIST when the range overlaps one already there, -ENOSPC when the bus is full. */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, bus_access_fn access, void *context,
	    struct error *err);

/*
 * Carry out one access. Reads of addresses where nothing is give zeroes, writes there are
 * ignored: a guest that does this confuses only itself.
 */
void bus_access(const struct bus *bus, uint64_t address, uint8_t *data, uint32_t len,
		bool is_write);
