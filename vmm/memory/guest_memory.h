/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_memory.h - the guest's RAM, and the only translation from guest addresses to host memory
 *
 * RAM lies at guest-physical 0 up to 3 GiB; what exceeds that continues at 4 GiB, so that the
 * device window in between stays free.
 *
 * Thread: any, once initialised; the regions never change afterwards.
 * Trust:  every address and length may be the guest's. The content may change at any moment
 *         while vCPUs run: fetch a value once, into memory of our own, and check that copy.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/base/error.h"

/* A guest-physical address. A struct, so that it is neither dereferenced nor added by mistake. */
typedef struct {
	uint64_t raw;
} gpa_t;

#define GUEST_MEMORY_LOW_LIMIT UINT64_C(0xc0000000)
#define GUEST_MEMORY_HIGH_BASE UINT64_C(0x100000000)

struct guest_memory_region {
	gpa_t base;
	uint64_t size; /* bytes, a multiple of the page size */
	uint8_t *host;
};

struct guest_memory {
	struct guest_memory_region regions[2];
	unsigned int nr_regions;
};

/*
 * Map @size bytes of zeroed memory (rounded up to whole pages) as guest RAM. It is private to
 * this process and reserves nothing before the guest touches it.
 */
int guest_memory_init(struct guest_memory *memory, uint64_t size, struct error *err);

/*
 * The same with the content of @fd, from where guest_memory_save() has put it: private to this
 * process, too, but what it does not change it shares with others that do the same. The file is not
 * changed, and must not be.
 */
int guest_memory_restore(struct guest_memory *memory, uint64_t size, int fd, struct error *err);

/* Write all RAM but its zeroes into @fd, a file of zeroes, the first region first. */
int guest_memory_save(const struct guest_memory *memory, int fd, struct error *err);

/* Unmap. Accepts a zeroed struct. */
void guest_memory_fini(struct guest_memory *memory);

/*
 * The host address of [@gpa, @gpa + @len), or NULL unless that whole range lies in one region.
 * For iovecs and loaders: the bytes behind it stay the guest's.
 */
void *guest_memory_range(const struct guest_memory *memory, gpa_t gpa, uint64_t len);

/* Copy @len bytes out of guest memory. Returns 0, or -EFAULT without copying anything. */
int guest_memory_read(const struct guest_memory *memory, gpa_t gpa, void *data, uint64_t len);

/* Copy @len bytes into guest memory. Returns 0, or -EFAULT without copying anything. */
int guest_memory_write(const struct guest_memory *memory, gpa_t gpa, const void *data,
		       uint64_t len);

/*
 * Ask the host for huge pages behind [@gpa, @gpa + @len), which lies in one region and will be
 * filled anyway. Nothing else changes, and a host without any is no error.
 */
void guest_memory_prefer_huge_pages(const struct guest_memory *memory, gpa_t gpa, uint64_t len);

/* Make @range, which is guest memory, the whole pages inside of it; there may be none. */
void guest_memory_trim_to_pages(struct iovec *range);

/*
 * Give the memory behind @len bytes at @start, whole pages of guest memory, back to the host. The
 * guest finds zeros there when it comes again, or, were its RAM a private mapping of a file, what
 * the file has.
 */
void guest_memory_give_back(void *start, uint64_t len);
