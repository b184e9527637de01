/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fetch_watch.h"

#include <linux/virtio_ring.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtqueue.h"

#define MAX_AREAS 4
#define GRAIN 8U		      /* bytes that are remembered as one */
#define SEEN_SIZE 1024U		      /* of the latest grains fetched */
#define COPY_GRAINS 16U		      /* of a long copy only the start is remembered */
#define SKIP_MAX 32U		      /* fetches between two changes */
#define COPY_CHANGE_MAX UINT64_C(256) /* a header is at the start */

struct area {
	uint8_t *start;
	size_t len;
};

static struct area areas[MAX_AREAS];
static unsigned int nr_areas;
static struct fake_program changes;
static unsigned int nr_to_skip;
static uintptr_t seen[SEEN_SIZE]; /* grains, by their low bits */

/* What the compiler and the linker call; no header has them. */
void __sanitizer_cov_load1(uint8_t *address);
void __sanitizer_cov_load2(uint16_t *address);
void __sanitizer_cov_load4(uint32_t *address);
void __sanitizer_cov_load8(uint64_t *address);
void __sanitizer_cov_load16(__uint128_t *address);
void *__wrap___asan_memcpy(void *to, const void *from, size_t len);
void *__real___asan_memcpy(void *to, const void *from, size_t len);

static void plan_change(void)
{
	nr_to_skip = fake_program_byte(&changes) % SKIP_MAX;
}

void fetch_watch_begin(struct fake_program *program)
{
	size_t len = 0;

	if (program->len > 0) {
		program->len--;
		len = min_u64(program->bytes[program->len], program->len);
		program->len -= len;
	}
	changes = (struct fake_program){ program->bytes + program->len, len };
	nr_areas = 0;
	memset(seen, 0, sizeof(seen));
	plan_change();
}

void fetch_watch_add(void *start, size_t len)
{
	BUG_ON(nr_areas == MAX_AREAS);
	areas[nr_areas++] = (struct area){ start, len };
}

void fetch_watch_add_driver(const struct fake_driver *driver)
{
	for (unsigned int i = 0; i < driver->memory.nr_regions; i++)
		fetch_watch_add(driver->memory.regions[i].host, driver->memory.regions[i].size);
}

void fetch_watch_only(uint8_t *start, size_t len)
{
	nr_areas = 0;
	if (!start)
		return;
	memset(seen, 0, sizeof(seen));
	fetch_watch_add(start, len);
}

void fetch_watch_end(void)
{
	nr_areas = 0;
}

/* The bytes of [@address, @address + @len) in an area, as an offset; NULL when it is in none. */
static uint8_t *find_watched(const void *address, size_t len)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		const struct area *area = &areas[i];
		uintptr_t offset = (uintptr_t)address - (uintptr_t)area->start;

		if (offset < area->len && len <= area->len - offset)
			return area->start + offset;
	}
	return NULL;
}

/* Remember that the grains were fetched. Returns whether one of them had been before. */
static bool remember(uintptr_t address, size_t len)
{
	uintptr_t first = address / GRAIN;
	uintptr_t last = (address + len - 1) / GRAIN;
	bool is_known = false;

	last = min_u64(last, first + COPY_GRAINS - 1);
	for (uintptr_t grain = first; grain <= last; grain++) {
		uintptr_t *place = &seen[grain % SEEN_SIZE];

		is_known |= *place == grain;
		*place = grain;
	}
	return is_known;
}

/* Change a number of @size bytes (1, 2, 4, 8) at @bytes into one worth trying. */
static void change_number(uint8_t *bytes, size_t size, uint8_t how)
{
	uint64_t value = 0;

	memcpy(&value, bytes, size);
	switch (how % 8) {
	case 0:
		value ^= UINT64_C(1) << (how / 8 % (8 * size));
		break;
	case 1:
		value = 0;
		break;
	case 2:
		value = UINT64_MAX;
		break;
	case 3:
		value++;
		break;
	case 4:
		value--;
		break;
	case 5:
		value += how / 8;
		break;
	case 6:
		value = fake_program_word(&changes);
		break;
	default:
		value *= 2;
		break;
	}
	memcpy(bytes, &value, size);
}

static void change(uint8_t *bytes, size_t len)
{
	uint8_t how = fake_program_byte(&changes);
	size_t size = len;

	if (len != 1 && len != 2 && len != 4 && len != 8) {
		size_t at = fake_program_byte(&changes) % min_u64(len, COPY_CHANGE_MAX);

		size = (size_t)1 << (how / 8 % 4);
		at -= at % size;
		if (size > len - at)
			size = 1;
		bytes += at;
	}
	change_number(bytes, size, how);
}

static void on_fetch(const void *address, size_t len)
{
	static bool is_changing; /* by a copy that is ours, not a fetch */
	uint8_t *bytes;

	if (nr_areas == 0 || changes.len == 0 || len == 0 || is_changing)
		return;
	bytes = find_watched(address, len);
	if (!bytes || !remember((uintptr_t)address, len))
		return;
	if (nr_to_skip > 0) {
		nr_to_skip--;
		return;
	}
	is_changing = true;
	change(bytes, len);
	is_changing = false;
	plan_change();
}

void __sanitizer_cov_load1(uint8_t *address)
{
	on_fetch(address, sizeof(*address));
}

void __sanitizer_cov_load2(uint16_t *address)
{
	on_fetch(address, sizeof(*address));
}

void __sanitizer_cov_load4(uint32_t *address)
{
	on_fetch(address, sizeof(*address));
}

void __sanitizer_cov_load8(uint64_t *address)
{
	on_fetch(address, sizeof(*address));
}

void __sanitizer_cov_load16(__uint128_t *address)
{
	on_fetch(address, sizeof(*address));
}

void *__wrap___asan_memcpy(void *to, const void *from, size_t len)
{
	on_fetch(from, len);
	return __real___asan_memcpy(to, from, len);
}

void fetch_watch_check(void)
{
	/* Skip none, add one; the same with the first byte of a copy; nine bytes of this. */
	static const uint8_t always[] = { 0, 3, 0, 3, 0, 0, 0, 0, 0, 9 };
	struct fake_program program = { always, sizeof(always) };
	uint16_t available[4] = { 0 };
	const struct virtqueue queue = { .is_active = true, .size = 1, .available = available };
	uint8_t bytes[16] = { 0 };
	const struct guest_memory memory = {
		.regions = { { .size = sizeof(bytes), .host = bytes } }, .nr_regions = 1
	};
	uint8_t first[sizeof(bytes)];
	uint8_t second[sizeof(bytes)];

	fetch_watch_begin(&program);
	fetch_watch_add(available, sizeof(available));
	fetch_watch_add(bytes, sizeof(bytes));
	BUG_ON(virtqueue_is_empty(&queue) != 1);
	BUG_ON(virtqueue_is_empty(&queue) == 1);
	BUG_ON(guest_memory_read(&memory, (gpa_t){ 0 }, first, sizeof(first)) < 0);
	BUG_ON(guest_memory_read(&memory, (gpa_t){ 0 }, second, sizeof(second)) < 0);
	BUG_ON(!memcmp(first, second, sizeof(first)));
	fetch_watch_end();
}
