/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/template_memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/template/crc32c.h"

#define PAGE_SIZE 4096u
#define CHUNK_SIZE ((size_t)64 * PAGE_SIZE)

static bool is_zero(const uint8_t *page)
{
	static const uint8_t zeros[PAGE_SIZE];

	return memcmp(page, zeros, PAGE_SIZE) == 0;
}

static uint32_t add_pages(uint32_t sum, const uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i += PAGE_SIZE) {
		uint64_t number = (offset + i) / PAGE_SIZE;

		if (is_zero(data + i))
			continue;
		sum = crc32c(sum, &number, sizeof(number));
		sum = crc32c(sum, data + i, PAGE_SIZE);
	}
	return sum;
}

/* Where in [@offset, @size) the next data is; @size: nowhere. */
static uint64_t next_data(int fd, uint64_t offset, uint64_t size)
{
	off_t found = lseek(fd, (off_t)offset, SEEK_DATA);

	if (found < 0)
		return errno == ENXIO ? size : offset; /* it may not know holes */
	return min_u64((uint64_t)found / PAGE_SIZE * PAGE_SIZE, size);
}

int template_memory_sum(int fd, uint64_t size, uint32_t *ret, struct error *err)
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK_SIZE);
	uint32_t sum = 0;

	if (!chunk)
		return error_set(err, ENOMEM, "read a template's memory");
	for (uint64_t offset = next_data(fd, 0, size); offset < size;
	     offset = next_data(fd, offset, size)) {
		size_t len = min_u64(CHUNK_SIZE, size - offset);
		ssize_t n = pread(fd, chunk, len, (off_t)offset);

		if (n < 0)
			return error_set(err, errno, "read a template's memory");
		if ((size_t)n != len || len % PAGE_SIZE)
			return error_invalid(err, "a template's memory is cut short");
		sum = add_pages(sum, chunk, len, offset);
		offset += len;
	}
	*ret = sum;
	return 0;
}
