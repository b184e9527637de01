/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring walker alone: whatever the driver does, while it is looked at too, what is popped lies
 * in RAM and is bounded.
 */
#include <stdlib.h>

#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtqueue.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_driver driver;
static struct virtqueue queue;
static struct virtqueue_chain chain;
static uint16_t in_flight[VIRTQUEUE_SIZE_MAX];
static unsigned int nr_in_flight;
static bool is_changing; /* memory, between two looks at it */

static void check_segment(const struct iovec *segment)
{
	const uint8_t *start = segment->iov_base;

	BUG_ON(segment->iov_len == 0);
	for (unsigned int i = 0; i < driver.memory.nr_regions; i++) {
		const struct guest_memory_region *region = &driver.memory.regions[i];

		if (start >= region->host &&
		    range_fits((uint64_t)(start - region->host), segment->iov_len, region->size))
			return;
	}
	abort(); /* not in RAM */
}

static void check_chain(void)
{
	uint64_t readable_len = 0;
	uint64_t writable_len = 0;

	BUG_ON(chain.head >= queue.size);
	BUG_ON(chain.nr_readable + chain.nr_writable > queue.size);
	for (unsigned int i = 0; i < chain.nr_readable + chain.nr_writable; i++) {
		check_segment(&chain.segments[i]);
		if (i < chain.nr_readable)
			readable_len += chain.segments[i].iov_len;
		else
			writable_len += chain.segments[i].iov_len;
	}
	BUG_ON(readable_len != chain.readable_len || writable_len != chain.writable_len);
	for (unsigned int i = 0; i < nr_in_flight; i++)
		BUG_ON(in_flight[i] == chain.head);
}

/* Use it as a device would: read all there is, at any offset, and write some. */
static void use_chain(struct fake_program *program)
{
	static uint8_t buffer[512];
	uint64_t offset = fake_program_number(program, chain.readable_len);

	BUG_ON(virtqueue_chain_read(&chain, offset, buffer, sizeof(buffer)) > sizeof(buffer));
	offset = fake_program_number(program, chain.writable_len);
	(void)virtqueue_chain_write(&chain, offset, buffer, fake_program_byte(program));
}

static bool pop(struct fake_program *program)
{
	int is_empty = virtqueue_is_empty(&queue);
	int r = virtqueue_pop(&queue, &chain);

	BUG_ON(is_empty > 1 || r > 1);
	if (!is_changing) {
		BUG_ON(is_empty == 1 && r != 0);
		BUG_ON(is_empty == 0 && r == 0);
		BUG_ON(is_empty < 0 && r >= 0);
	}
	if (r <= 0)
		return r == 0;
	check_chain();
	in_flight[nr_in_flight++] = chain.head;
	use_chain(program);
	return true;
}

static void push(struct fake_program *program)
{
	unsigned int at;

	if (nr_in_flight == 0)
		return;
	at = fake_program_byte(program) % nr_in_flight;
	virtqueue_push(&queue, in_flight[at], fake_program_word(program));
	in_flight[at] = in_flight[--nr_in_flight];
}

/* Returns false when the driver broke the protocol. */
static bool step(struct fake_program *program)
{
	switch (fake_program_byte(program) % 8) {
	case 0:
	case 1:
		return pop(program);
	case 2:
		push(program);
		return true;
	case 3:
		(void)virtqueue_needs_interrupt(&queue);
		return true;
	case 4:
		virtqueue_set_notify(&queue, fake_program_byte(program) % 2);
		return true;
	default:
		fake_program_touch_ring(program, &driver, 0);
		return true;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fetch_watch_check();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };

	fake_driver_init(&driver);
	fetch_watch_begin(&program);
	fetch_watch_add_driver(&driver);
	is_changing = program.len + 1 < size;
	while (!fake_program_is_done(&program)) {
		bool has_event_index = fake_program_byte(&program) % 2;

		for (unsigned int i = fake_program_byte(&program) % 4; i > 0; i--)
			fake_program_place_queue(&program, &driver.queues[0]);
		fake_driver_set_available_index(&driver, 0, 0);
		fake_driver_describe(&driver, 0, &queue);
		nr_in_flight = 0;
		if (virtqueue_activate(&queue, &driver.memory, has_event_index) < 0)
			continue;
		while (!fake_program_is_done(&program) && step(&program))
			continue;
	}
	fetch_watch_end();
	fake_driver_fini(&driver);
	return 0;
}
