/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/bus/bus.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/checked_math.h"

int bus_add(struct bus *bus, uint64_t base, uint64_t size, bus_access_fn access, void *context,
	    struct error *err)
{
	unsigned int at = 0;

	if (bus->nr_ranges == BUS_MAX_RANGES)
		return error_set(err, ENOSPC, "add a bus range");
	while (at < bus->nr_ranges && bus->ranges[at].base < base)
		at++;
	if ((at > 0 && base - bus->ranges[at - 1].base < bus->ranges[at - 1].size) ||
	    (at < bus->nr_ranges && bus->ranges[at].base - base < size))
		return error_set(err, EEXIST, "add a bus range at %#llx", (unsigned long long)base);
	memmove(&bus->ranges[at + 1], &bus->ranges[at],
		(bus->nr_ranges - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] = (struct bus_range){ base, size, access, context };
	bus->nr_ranges++;
	return 0;
}

void bus_access(const struct bus *bus, uint64_t address, uint8_t *data, uint32_t len, bool is_write)
{
	if (!is_write)
		memset(data, 0, len);
	for (unsigned int i = 0; i < bus->nr_ranges; i++) {
		const struct bus_range *range = &bus->ranges[i];

		if (address < range->base || !range_fits(address - range->base, len, range->size))
			continue;
		range->access(range->context, address - range->base, data, len, is_write);
		return;
	}
}
