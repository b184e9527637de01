/* SPDX-License-Identifier: Apache-2.0 */
/* Which device answers: order, overlaps, and accesses that straddle an end. */
#include <errno.h>

#include "tests/unit/tap.h"
#include "vmm/bus/bus.h"

/* A device that remembers its last access and answers reads with 0xab. */
struct recorder {
	unsigned int nr_accesses;
	uint64_t offset;
	uint32_t len;
	bool is_write;
	uint8_t data[8];
};

static void record(void *context, uint64_t offset, uint8_t *data, uint32_t len, bool is_write)
{
	struct recorder *recorder = context;

	recorder->nr_accesses++;
	recorder->offset = offset;
	recorder->len = len;
	recorder->is_write = is_write;
	memcpy(recorder->data, data, len);
	if (!is_write)
		memset(data, 0xab, len);
}

static void test_reaches_the_right_device(void)
{
	struct bus bus = { 0 };
	struct recorder first = { 0 };
	struct recorder second = { 0 };
	struct error err;
	uint8_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	is_int(bus_add(&bus, 0x2000, 0x1000, record, &second, &err), 0);
	is_int(bus_add(&bus, 0x1000, 0x1000, record, &first, &err), 0);
	is_int(bus.ranges[0].base, 0x1000);

	bus_access(&bus, 0x1ffc, data, 4, true);
	is_int(first.nr_accesses, 1);
	is_int(first.offset, 0xffc);
	is_int(first.len, 4);
	ok(first.is_write);
	is_int(first.data[3], 4);
	is_int(second.nr_accesses, 0);

	bus_access(&bus, 0x2000, data, 8, false);
	is_int(second.nr_accesses, 1);
	is_int(second.offset, 0);
	ok(!second.is_write);
	is_int(second.data[0], 0); /* reads start from zeroes */
	is_int(data[7], 0xab);
}

static void test_refuses_overlaps(void)
{
	struct bus bus = { 0 };
	struct error err;

	is_int(bus_add(&bus, 0x2000, 0x1000, record, NULL, &err), 0);
	is_int(bus_add(&bus, 0x2000, 0x1000, record, NULL, &err), -EEXIST);
	is_int(bus_add(&bus, 0x2fff, 1, record, NULL, &err), -EEXIST);
	is_int(bus_add(&bus, 0x1fff, 2, record, NULL, &err), -EEXIST);
	is_int(bus_add(&bus, 0, UINT64_MAX, record, NULL, &err), -EEXIST);
	is_int(bus_add(&bus, 0x1fff, 1, record, NULL, &err), 0);
	is_int(bus_add(&bus, 0x3000, 1, record, NULL, &err), 0);
	is_int(bus_add(&bus, UINT64_MAX, 1, record, NULL, &err), 0);
	is_int(bus.nr_ranges, 4);
}

static void test_refuses_more_than_it_holds(void)
{
	struct bus bus = { 0 };
	struct error err;

	for (unsigned int i = 0; i < BUS_MAX_RANGES; i++)
		is_int(bus_add(&bus, i * UINT64_C(0x1000), 0x1000, record, NULL, &err), 0);
	is_int(bus_add(&bus, 0x100000, 0x1000, record, NULL, &err), -ENOSPC);
	is_int(bus.nr_ranges, BUS_MAX_RANGES);
}

static void test_nothing_there(void)
{
	static const uint64_t addresses[] = { 0, 0xfff, 0x2000, UINT64_MAX, UINT64_MAX - 3 };
	struct bus bus = { 0 };
	struct recorder recorder = { 0 };
	struct error err;

	is_int(bus_add(&bus, 0x1000, 0x1000, record, &recorder, &err), 0);
	for (unsigned int i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint8_t data[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

		bus_access(&bus, addresses[i], data, 8, true);
		is_int(data[0], 1);
		bus_access(&bus, addresses[i], data, 8, false);
		is_int(data[0] | data[7], 0);
	}
	is_int(recorder.nr_accesses, 0);
}

/* An access that begins inside a device and ends outside belongs to nobody. */
static void test_straddling_accesses(void)
{
	struct bus bus = { 0 };
	struct recorder recorder = { 0 };
	struct error err;

	is_int(bus_add(&bus, 0x1000, 0x1000, record, &recorder, &err), 0);
	is_int(bus_add(&bus, 0x2000, 0x1000, record, &recorder, &err), 0);
	for (uint32_t len = 1; len <= 8; len *= 2) {
		for (uint32_t back = 0; back < 8; back++) {
			uint8_t data[8] = { 1 };

			recorder.nr_accesses = 0;
			bus_access(&bus, 0x3000 - back, data, len, false);
			is_int(recorder.nr_accesses, back >= len);
			recorder.nr_accesses = 0;
			bus_access(&bus, 0x2000 - back, data, len, false);
			is_int(recorder.nr_accesses, back >= len || back == 0);
		}
	}
}

int main(void)
{
	test_reaches_the_right_device();
	test_refuses_overlaps();
	test_refuses_more_than_it_holds();
	test_nothing_there();
	test_straddling_accesses();
	return tap_done();
}
