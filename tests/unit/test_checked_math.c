/* SPDX-License-Identifier: Apache-2.0 */
/* test_checked_math.c - the helpers at the edges where a sum would wrap */
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"

static void test_range_fits(void)
{
	ok(range_fits(0, 0, 0));
	ok(range_fits(0, 10, 10));
	ok(range_fits(10, 0, 10));
	ok(range_fits(3, 7, 10));
	ok(!range_fits(3, 8, 10));
	ok(!range_fits(11, 0, 10));
	ok(!range_fits(0, 1, 0));
	ok(range_fits(UINT64_MAX, 0, UINT64_MAX));
	ok(range_fits(0, UINT64_MAX, UINT64_MAX));
	ok(!range_fits(UINT64_MAX, 1, UINT64_MAX));
	ok(!range_fits(UINT64_MAX, 2, 100)); /* the sum is 1 */
	ok(!range_fits(2, UINT64_MAX, 100));
	ok(!range_fits(UINT64_C(1) << 63, UINT64_C(1) << 63, UINT64_MAX)); /* the sum is 0 */
}

static void test_powers(void)
{
	ok(!is_power_of_two(0));
	ok(!is_power_of_two(3));
	ok(!is_power_of_two(UINT64_MAX));
	for (unsigned int shift = 0; shift < 64; shift++)
		ok(is_power_of_two(UINT64_C(1) << shift));
}

static void test_align_up(void)
{
	is_int(align_up(0, 4096), 0);
	is_int(align_up(1, 4096), 4096);
	is_int(align_up(4095, 4096), 4096);
	is_int(align_up(4096, 4096), 4096);
	is_int(align_up(4097, 4096), 8192);
	is_int(align_up(7, 1), 7);
	ok(align_up(UINT64_MAX - 4095, 4096) == UINT64_MAX - 4095);
}

static void test_min(void)
{
	ok(min_u64(UINT64_MAX, 1) == 1);
	ok(min_u64(1, UINT64_MAX) == 1);
	ok(min_u64(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void test_array_size(void)
{
	char bytes[3];
	uint64_t words[5];

	is_int(ARRAY_SIZE(bytes), 3);
	is_int(ARRAY_SIZE(words), 5);
}

int main(void)
{
	test_range_fits();
	test_powers();
	test_align_up();
	test_min();
	test_array_size();
	return tap_done();
}
