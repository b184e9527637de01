/* SPDX-License-Identifier: Apache-2.0 */
/* guest_memory_file.c - RAM in a file: where the guest has written, data; elsewhere, holes */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/memory/guest_memory.h"

#define PAGE_BYTES ((uint64_t)4096)
#define BLOCK_BYTES ((uint64_t)2 << 20) /* what the host maps at once, where it can */

/* Bytes of a block with data, see restore_block(). As measured (vmm/README.md). */
#define DATA_FULL ((uint64_t)448 * 4096)
#define DATA_BUSY ((uint64_t)128 * 4096)
#define DATA_FREE ((uint64_t)32 * 4096)

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

/* The bytes at @from up to the next page that is zero (@is_wanted_zero: is not), or to @size. */
static uint64_t run_length(const uint8_t *bytes, uint64_t from, uint64_t size, bool is_wanted_zero)
{
	uint64_t to = from;

	while (to < size && is_zero(bytes + to) == is_wanted_zero)
		to += PAGE_BYTES;
	return to - from;
}

static int write_all(int fd, const uint8_t *bytes, uint64_t len, uint64_t offset, struct error *err)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(err, n < 0 ? errno : EIO, "write guest memory");
		bytes += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int guest_memory_save(const struct guest_memory *memory, int fd, struct error *err)
{
	uint64_t base = 0;

	for (unsigned int i = 0; i < memory->nr_regions; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		uint64_t at = 0;

		while (at < region->size) {
			uint64_t len;
			int r;

			at += run_length(region->host, at, region->size, true);
			len = run_length(region->host, at, region->size, false);
			r = write_all(fd, region->host + at, len, base + at, err);
			if (r < 0)
				return r;
			at += len;
		}
		base += region->size;
	}
	return 0;
}

/* --- restoring -------------------------------------------------------------------------------- */

struct extent {
	uint64_t from, to;
};

/* What has data in a block of the file, in the file's order; no two of them touch. */
struct block {
	struct extent extents[BLOCK_BYTES / PAGE_BYTES / 2];
	unsigned int nr_extents;
	uint64_t nr_bytes;
};

/*
 * The first part of the file from @from on, to @to at most, that has data: empty and at @to if
 * there is none. A question costs some thousand instructions, so none is asked twice.
 */
static int find_data(int fd, uint64_t from, uint64_t to, struct extent *ret)
{
	off_t data = from < to ? lseek(fd, (off_t)from, SEEK_DATA) : (off_t)to;
	off_t hole = 0;

	*ret = (struct extent){ to, to };
	if (data < 0)
		return errno == ENXIO ? 0 : -errno;
	if ((uint64_t)data >= to)
		return 0;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	if (hole <= data)
		return -EIO;
	*ret = (struct extent){ (uint64_t)data, min_u64((uint64_t)hole, to) };
	return 0;
}

/*
 * Fill @block with what has data before @end. @next is the first extent that is not in a block yet,
 * and moves on; the file's data ends at @limit.
 */
static int take_block(struct block *block, uint64_t end, uint64_t limit, int fd,
		      struct extent *next)
{
	block->nr_extents = 0;
	block->nr_bytes = 0;
	while (next->from < end) {
		struct extent *extent = &block->extents[block->nr_extents];
		int r = 0;

		/* A file system with holes smaller than a page is none of ours. */
		if (block->nr_extents == ARRAY_SIZE(block->extents))
			return -EIO;
		*extent = (struct extent){ next->from, min_u64(next->to, end) };
		block->nr_bytes += extent->to - extent->from;
		block->nr_extents++;
		next->from = extent->to;
		if (next->from == next->to)
			r = find_data(fd, next->to, limit, next);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Read @block, whose place in the file is @base, to the same places behind @host. */
static int copy_block(uint8_t *host, int fd, uint64_t base, const struct block *block)
{
	for (unsigned int i = 0; i < block->nr_extents; i++) {
		uint64_t at = block->extents[i].from;

		while (at < block->extents[i].to) {
			ssize_t n =
				pread(fd, host + (at - base), block->extents[i].to - at, (off_t)at);

			if (n <= 0)
				return n < 0 ? -errno : -EIO;
			at += (uint64_t)n;
		}
	}
	return 0;
}

static int map_block(uint8_t *host, uint64_t size, int fd, uint64_t offset)
{
	void *mapped = mmap(host, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
			    (off_t)offset);

	return mapped == MAP_FAILED ? -errno : 0;
}

/*
 * A block (or what the region has of one) with data, at @offset of the file. A page that is mapped
 * costs a fault when the guest first reads it, another one and a copy when it writes it; a block
 * that is copied, one fault. So it matters what the guest will do with it, and the best sign is how
 * much of it was in use: where all is (the kernel's text, tables), there is little left to write.
 * The free pages of the others are the next that are given out; were they mapped, each would first
 * become a page of the file.
 */
static int restore_block(uint8_t *host, uint64_t size, int fd, uint64_t base,
			 const struct block *block)
{
	bool is_busy = block->nr_bytes < DATA_FREE || block->nr_bytes >= DATA_BUSY;

	if (block->nr_bytes >= DATA_FULL)
		return map_block(host, size, fd, base);
	(void)madvise(host, size, is_busy ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return copy_block(host, fd, base, block);
}

static int restore_region(const struct guest_memory_region *region, int fd, uint64_t base)
{
	uint64_t limit = base + region->size;
	struct extent next;
	struct block block;
	int r = find_data(fd, base, limit, &next);

	/* What has no data is zeroes of the process's own. */
	while (!r && next.from < limit) {
		uint64_t at = (next.from - base) & ~(BLOCK_BYTES - 1);
		uint64_t size = min_u64(BLOCK_BYTES, region->size - at);

		r = take_block(&block, base + at + size, limit, fd, &next);
		if (!r)
			r = restore_block(region->host + at, size, fd, base + at, &block);
	}
	return r;
}

int guest_memory_restore(struct guest_memory *memory, uint64_t size, int fd, struct error *err)
{
	uint64_t base = 0;
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "look at saved guest memory");
	if ((uint64_t)status.st_size != align_up(size, PAGE_BYTES))
		return error_invalid(err, "saved guest memory has %lld bytes instead of %llu",
				     (long long)status.st_size, (unsigned long long)size);
	r = guest_memory_init(memory, size, err);
	for (unsigned int i = 0; i < memory->nr_regions && !r; i++) {
		r = restore_region(&memory->regions[i], fd, base);
		if (r < 0)
			(void)error_set(err, -r, "read saved guest memory");
		base += memory->regions[i].size;
	}
	if (r < 0)
		guest_memory_fini(memory);
	return r;
}
