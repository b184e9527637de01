/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory/guest_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/base/checked_math.h"

#define GUEST_PAGE_SIZE UINT64_C(4096)
#define HUGE_PAGE_SIZE (UINT64_C(2) << 20) /* x86-64 and, with 4 KiB pages, arm64 */

/*
 * Map memory whose host address is aligned like its guest address to a huge page: only then can
 * KVM map the guest's page tables and the host's huge pages one to one.
 */
static void *map_aligned(uint64_t size)
{
	uint64_t reserved = size + HUGE_PAGE_SIZE;
	uint8_t *start = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head;

	if (start == MAP_FAILED)
		return MAP_FAILED;
	head = align_up((uintptr_t)start, HUGE_PAGE_SIZE) - (uintptr_t)start;
	if (head)
		(void)munmap(start, head);
	(void)munmap(start + head + size, HUGE_PAGE_SIZE - head);
	return start + head;
}

static int add_region(struct guest_memory *memory, gpa_t base, uint64_t size, struct error *err)
{
	struct guest_memory_region *region = &memory->regions[memory->nr_regions];
	void *host = map_aligned(size);

	if (host == MAP_FAILED)
		return error_set(err, errno, "map %llu bytes of guest memory",
				 (unsigned long long)size);
	*region = (struct guest_memory_region){ .base = base, .size = size, .host = host };
	memory->nr_regions++;
	return 0;
}

int guest_memory_init(struct guest_memory *memory, uint64_t size, struct error *err)
{
	uint64_t low;
	int r;

	*memory = (struct guest_memory){ 0 };
	if (size == 0 || size > UINT64_MAX - GUEST_MEMORY_HIGH_BASE - HUGE_PAGE_SIZE)
		return error_invalid(err, "%llu bytes is no possible size of guest memory",
				     (unsigned long long)size);
	size = align_up(size, GUEST_PAGE_SIZE);
	low = min_u64(size, GUEST_MEMORY_LOW_LIMIT);
	r = add_region(memory, (gpa_t){ 0 }, low, err);
	if (!r && size > low)
		r = add_region(memory, (gpa_t){ GUEST_MEMORY_HIGH_BASE }, size - low, err);
	if (r < 0)
		guest_memory_fini(memory);
	return r;
}

void guest_memory_fini(struct guest_memory *memory)
{
	for (unsigned int i = 0; i < memory->nr_regions; i++)
		(void)munmap(memory->regions[i].host, memory->regions[i].size);
	memory->nr_regions = 0;
}

void *guest_memory_range(const struct guest_memory *memory, gpa_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < memory->nr_regions; i++) {
		const struct guest_memory_region *region = &memory->regions[i];

		if (gpa.raw < region->base.raw)
			continue;
		if (range_fits(gpa.raw - region->base.raw, len, region->size))
			return region->host + (gpa.raw - region->base.raw);
	}
	return NULL;
}

int guest_memory_read(const struct guest_memory *memory, gpa_t gpa, void *data, uint64_t len)
{
	const void *host = guest_memory_range(memory, gpa, len);

	if (!host)
		return -EFAULT;
	memcpy(data, host, len);
	return 0;
}

int guest_memory_write(const struct guest_memory *memory, gpa_t gpa, const void *data, uint64_t len)
{
	void *host = guest_memory_range(memory, gpa, len);

	if (!host)
		return -EFAULT;
	memcpy(host, data, len);
	return 0;
}

void guest_memory_prefer_huge_pages(const struct guest_memory *memory, gpa_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < memory->nr_regions; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		uint64_t start, end;

		if (gpa.raw < region->base.raw ||
		    !range_fits(gpa.raw - region->base.raw, len, region->size))
			continue;
		start = (gpa.raw - region->base.raw) & ~(HUGE_PAGE_SIZE - 1);
		end = min_u64(align_up(gpa.raw - region->base.raw + len, HUGE_PAGE_SIZE),
			      region->size);
		(void)madvise(region->host + start, end - start, MADV_HUGEPAGE);
	}
}

void guest_memory_trim_to_pages(struct iovec *range)
{
	uint64_t skipped =
		align_up((uintptr_t)range->iov_base, GUEST_PAGE_SIZE) - (uintptr_t)range->iov_base;

	if (skipped > range->iov_len)
		skipped = range->iov_len;
	range->iov_base = (uint8_t *)range->iov_base + skipped;
	range->iov_len = (range->iov_len - skipped) & ~(GUEST_PAGE_SIZE - 1);
}

void guest_memory_give_back(void *start, uint64_t len)
{
	/* It may fail when the host has no memory to do it with: then the guest's stays. */
	if (len)
		(void)madvise(start, len, MADV_DONTNEED);
}
