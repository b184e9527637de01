/* SPDX-License-Identifier: Apache-2.0 */
/* RAM, saved in a file and restored from it: the same bytes, and the file stays as it was. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/memory/guest_memory.h"

#define PAGE 4096u
#define BLOCK (2u << 20)
#define BLOCKS 6
#define TAIL (3 * PAGE) /* what is left of the last block */
#define SIZE ((uint64_t)BLOCKS * BLOCK + TAIL)

/* How many pages of each block have data: a copied, a mapped, an empty one. */
static const unsigned int used[BLOCKS + 1] = { 200, 512, 0, 60, 1, 500, 3 };

static struct guest_memory memory;

/* Pages of a block are used in an order that leaves holes. */
static uint64_t page_at(unsigned int block, unsigned int n)
{
	unsigned int nr_pages = block == BLOCKS ? TAIL / PAGE : BLOCK / PAGE;

	return (uint64_t)block * BLOCK + (uint64_t)(n * 7 % nr_pages) * PAGE;
}

static uint8_t pattern(unsigned int block, unsigned int n)
{
	return (uint8_t)(1 + (block * 50 + n) % 255);
}

static void fill(void)
{
	for (unsigned int block = 0; block <= BLOCKS; block++)
		for (unsigned int n = 0; n < used[block]; n++)
			/* One byte is enough for a page to be kept. */
			memory.regions[0].host[page_at(block, n) + n] = pattern(block, n);
}

/* How many bytes are not what fill() has made of zeroes. */
static uint64_t count_differences(void)
{
	static uint8_t expected[SIZE];
	uint64_t nr = 0;

	for (unsigned int block = 0; block <= BLOCKS; block++)
		for (unsigned int n = 0; n < used[block]; n++)
			expected[page_at(block, n) + n] = pattern(block, n);
	for (uint64_t i = 0; i < SIZE; i++)
		nr += memory.regions[0].host[i] != expected[i];
	return nr;
}

static int save(void)
{
	struct error err;
	int fd = memfd_create("ram", MFD_CLOEXEC);

	is_int(guest_memory_init(&memory, SIZE, &err), 0);
	fill();
	is_int(ftruncate(fd, (off_t)SIZE), 0);
	is_int(guest_memory_save(&memory, fd, &err), 0);
	guest_memory_fini(&memory);
	return fd;
}

static void test_round_trip(void)
{
	unsigned int nr_used = 0;
	struct stat before, after;
	struct error err;
	int fd = save();

	for (unsigned int block = 0; block <= BLOCKS; block++)
		nr_used += used[block];
	is_int(fstat(fd, &before), 0);
	is_int(before.st_blocks * 512, nr_used * PAGE);

	is_int(guest_memory_restore(&memory, SIZE, fd, &err), 0);
	is_int((uintptr_t)memory.regions[0].host % BLOCK, 0);
	is_int(count_differences(), 0);
	/* What one machine writes no other one sees. */
	memset(memory.regions[0].host, 0xff, SIZE);
	guest_memory_fini(&memory);
	is_int(guest_memory_restore(&memory, SIZE, fd, &err), 0);
	is_int(count_differences(), 0);
	guest_memory_fini(&memory);
	is_int(fstat(fd, &after), 0);
	is_int(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	/* Of the two blocks that are mapped, one has 12 holes. */
	ok(after.st_blocks - before.st_blocks <= 12 * PAGE / 512);
	(void)close(fd);
}

static void test_other_sizes(void)
{
	struct error err;
	int fd = save();

	is_int(guest_memory_restore(&memory, SIZE + PAGE, fd, &err), -EINVAL);
	is_int(guest_memory_restore(&memory, SIZE - PAGE, fd, &err), -EINVAL);
	is_int(guest_memory_restore(&memory, SIZE - 1, fd, &err), 0);
	guest_memory_fini(&memory);
	is_int(guest_memory_restore(&memory, SIZE, -1, &err), -EBADF);
	(void)close(fd);
}

/* As many parts with data as a block can have; the last one goes on in the next block. */
static void test_every_second_page(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	unsigned int nr_wrong = 0;
	struct error err;

	is_int(guest_memory_init(&memory, SIZE, &err), 0);
	for (uint64_t at = PAGE; at <= BLOCK; at += at == BLOCK - PAGE ? PAGE : 2 * PAGE)
		memory.regions[0].host[at] = 1;
	is_int(ftruncate(fd, (off_t)SIZE), 0);
	is_int(guest_memory_save(&memory, fd, &err), 0);
	guest_memory_fini(&memory);
	is_int(guest_memory_restore(&memory, SIZE, fd, &err), 0);
	for (uint64_t at = 0; at < SIZE; at += PAGE) {
		bool is_used = at < BLOCK ? at / PAGE % 2 : at == BLOCK;

		nr_wrong += memory.regions[0].host[at] != is_used;
	}
	is_int(nr_wrong, 0);
	guest_memory_fini(&memory);
	(void)close(fd);
}

static void test_empty(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct error err;

	is_int(ftruncate(fd, (off_t)SIZE), 0);
	is_int(guest_memory_restore(&memory, SIZE, fd, &err), 0);
	is_int(memory.regions[0].host[SIZE - 1], 0);
	guest_memory_fini(&memory);
	(void)close(fd);
}

int main(void)
{
	test_round_trip();
	test_other_sizes();
	test_every_second_page();
	test_empty();
	return tap_done();
}
