/* SPDX-License-Identifier: Apache-2.0 */
/* The one translation from guest addresses to host memory: every edge of every region. */
#include <errno.h>

#include "tests/unit/tap.h"
#include "vmm/memory/guest_memory.h"

#define PAGE 4096
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static uint8_t *range(const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
	return guest_memory_range(memory, (gpa_t){ gpa }, len);
}

static void test_init_rounds_up_and_zeroes(void)
{
	struct guest_memory memory;
	struct error err;
	uint8_t bytes[PAGE];
	bool is_zero = true;

	is_int(guest_memory_init(&memory, 3 * PAGE + 1, &err), 0);
	is_int(memory.nr_regions, 1);
	is_int(memory.regions[0].size, 4 * PAGE);
	is_int(guest_memory_read(&memory, (gpa_t){ 3 * PAGE }, bytes, PAGE), 0);
	for (unsigned int i = 0; i < PAGE; i++)
		is_zero &= bytes[i] == 0;
	ok(is_zero);
	guest_memory_fini(&memory);
	is_int(memory.nr_regions, 0);
	guest_memory_fini(&memory);
}

static void test_init_refuses_impossible_sizes(void)
{
	struct guest_memory memory;
	struct error err;

	is_int(guest_memory_init(&memory, 0, &err), -EINVAL);
	is_int(guest_memory_init(&memory, UINT64_MAX, &err), -EINVAL);
	is_int(guest_memory_init(&memory, UINT64_C(1) << 62, &err), -ENOMEM);
	is_int(memory.nr_regions, 0);
}

static void test_ranges_in_one_region(void)
{
	struct guest_memory memory;
	struct error err;
	uint8_t *host;

	is_int(guest_memory_init(&memory, MIB, &err), 0);
	host = memory.regions[0].host;
	ok(range(&memory, 0, 1) == host);
	ok(range(&memory, 0, MIB) == host);
	ok(range(&memory, MIB - 1, 1) == host + MIB - 1);
	ok(!range(&memory, 0, MIB + 1));
	ok(!range(&memory, MIB - 1, 2));
	ok(!range(&memory, MIB, 1));
	ok(!range(&memory, 1, UINT64_MAX));
	ok(!range(&memory, MIB - 1, UINT64_MAX));
	ok(!range(&memory, UINT64_MAX, 1));
	ok(!range(&memory, UINT64_MAX, 2));
	ok(!range(&memory, UINT64_MAX - 10, 100));
	ok(!range(&memory, GUEST_MEMORY_LOW_LIMIT, 1));
	ok(!range(&memory, GUEST_MEMORY_HIGH_BASE, 1));
	guest_memory_fini(&memory);
}

static void test_ranges_around_the_device_window(void)
{
	struct guest_memory memory;
	struct error err;

	is_int(guest_memory_init(&memory, 3 * GIB + MIB, &err), 0);
	is_int(memory.nr_regions, 2);
	is_int(memory.regions[0].size, 3 * GIB);
	is_int(memory.regions[1].base.raw, 4 * GIB);
	is_int(memory.regions[1].size, MIB);
	ok(range(&memory, 3 * GIB - 1, 1) != NULL);
	ok(!range(&memory, 3 * GIB - 1, 2));
	ok(!range(&memory, 3 * GIB, 1));
	ok(!range(&memory, 4 * GIB - 1, 1));
	ok(!range(&memory, 4 * GIB - 1, 2));
	ok(range(&memory, 4 * GIB, MIB) == memory.regions[1].host);
	ok(range(&memory, 4 * GIB + MIB - 1, 1) == memory.regions[1].host + MIB - 1);
	ok(!range(&memory, 4 * GIB + MIB - 1, 2));
	ok(!range(&memory, 3 * GIB - 1, GIB + 2)); /* over the window, from region to region */
	guest_memory_fini(&memory);
}

static void test_read_and_write(void)
{
	struct guest_memory memory;
	struct error err;
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	is_int(guest_memory_init(&memory, PAGE, &err), 0);
	is_int(guest_memory_write(&memory, (gpa_t){ PAGE - 4 }, bytes, 4), 0);
	memset(bytes, 0, sizeof(bytes));
	is_int(guest_memory_read(&memory, (gpa_t){ PAGE - 4 }, bytes, 4), 0);
	is_int(bytes[0], 1);
	is_int(bytes[3], 4);
	guest_memory_fini(&memory);
}

static void test_failed_copies_copy_nothing(void)
{
	struct guest_memory memory;
	struct error err;
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	is_int(guest_memory_init(&memory, PAGE, &err), 0);
	is_int(guest_memory_write(&memory, (gpa_t){ PAGE - 3 }, bytes, 4), -EFAULT);
	is_int(memory.regions[0].host[PAGE - 3], 0);
	is_int(guest_memory_read(&memory, (gpa_t){ PAGE - 3 }, bytes, 4), -EFAULT);
	is_int(bytes[0], 1);
	guest_memory_fini(&memory);
}

int main(void)
{
	test_init_rounds_up_and_zeroes();
	test_init_refuses_impossible_sizes();
	test_ranges_in_one_region();
	test_ranges_around_the_device_window();
	test_read_and_write();
	test_failed_copies_copy_nothing();
	return tap_done();
}
