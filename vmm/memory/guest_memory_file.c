/* SPDX-License-Identifier: Apache-2.0 */
/* guest_memory_file.c - RAM in a file: where the guest has written, data; elsewhere, holes */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/memory/guest_memory.h"

#define PAGE_BYTES ((uint64_t)4096)
#define BLOCK_BYTES ((uint64_t)2 << 20) /* what the host maps at once, where it can */

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

static int map_data(const struct guest_memory_region *region, uint64_t from, uint64_t to, int fd,
		    uint64_t base, struct error *err)
{
	if (mmap(region->host + from, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 fd, (off_t)(base + from)) == MAP_FAILED)
		return error_set(err, errno, "map saved guest memory");
	return 0;
}

/* Map every block of the file that has data; the others stay zeroes of the process's own. */
static int map_region(const struct guest_memory_region *region, int fd, uint64_t base,
		      struct error *err)
{
	uint64_t end = 0; /* of the blocks that are done */

	while (end < region->size) {
		off_t data = lseek(fd, (off_t)(base + end), SEEK_DATA);
		off_t hole;
		uint64_t from, to;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return error_set(err, errno, "look for data in saved guest memory");
		from = ((uint64_t)data - base) & ~(BLOCK_BYTES - 1);
		to = min_u64(align_up((uint64_t)hole - base, BLOCK_BYTES), region->size);
		if (from >= region->size)
			return 0;
		r = map_data(region, from, to, fd, base, err);
		if (r < 0)
			return r;
		end = to;
	}
	return 0;
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
		r = map_region(&memory->regions[i], fd, base, err);
		base += memory->regions[i].size;
	}
	if (r < 0)
		guest_memory_fini(memory);
	return r;
}
