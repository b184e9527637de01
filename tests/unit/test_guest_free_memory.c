/* SPDX-License-Identifier: Apache-2.0 */
/* The size of the blocks in which a guest reports free memory. */
#include "guest-init/free_memory.h"
#include "tests/unit/tap.h"

#define PAGES_PER_MIB 256u

static void test_sizes(void)
{
	/* Of the smallest machine the kernel itself takes a part. */
	is_int(free_memory_order(48 * PAGES_PER_MIB), 7);
	is_int(free_memory_order(64 * PAGES_PER_MIB), 7);
	is_int(free_memory_order(128 * PAGES_PER_MIB), 8);
	/* From the default size on: huge pages of the host, and no more than those. */
	is_int(free_memory_order(230 * PAGES_PER_MIB), 9);
	is_int(free_memory_order(256 * PAGES_PER_MIB), 9);
	is_int(free_memory_order(UINT64_MAX), 9);
	is_int(free_memory_order(0), 0);
}

/* The reserve without which nothing is reported is never most of the machine. */
static void test_reserve(void)
{
	unsigned int nr_too_large = 0;

	for (uint64_t nr_pages = FREE_MEMORY_BLOCKS * 3; nr_pages < 1u << 20; nr_pages += 97)
		nr_too_large +=
			(uint64_t)FREE_MEMORY_BLOCKS << free_memory_order(nr_pages) > nr_pages / 3;
	is_int(nr_too_large, 0);
}

int main(void)
{
	test_sizes();
	test_reserve();
	return tap_done();
}
