/* SPDX-License-Identifier: Apache-2.0 */
/* Class: double fetch. What the ring walker takes is what it looked at, once (CWE-367). */
#include <errno.h>
#include <linux/virtio_ring.h>

#include "tests/unit/bare_queue.h"
#include "tests/unit/changing_memory.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

/* From now on every byte of the rings that the driver writes becomes 0xff once it was read. */
static void begin(void)
{
	const struct fake_queue *rings = &driver.queues[0];
	uint64_t available_size = fake_available_size(rings->size) & ~(uint64_t)1;

	changing_memory_begin(
		fake_driver_bytes(&driver, rings->descriptors, fake_descriptors_size(rings->size)),
		fake_descriptors_size(rings->size), 8);
	changing_memory_begin(fake_driver_bytes(&driver, rings->available, available_size),
			      available_size, 2);
}

/* The memory does what it says, or the tests below would show nothing. */
static void test_the_memory(void)
{
	const volatile uint64_t *descriptor;
	const volatile uint16_t *available;

	set_up(false);
	fake_driver_set_descriptor(&driver, 0, 0, FAKE_BUFFERS, 8, WRITE, 0);
	fake_driver_make_available(&driver, 0, 0);
	descriptor = fake_driver_bytes(&driver, driver.queues[0].descriptors, 16);
	available = fake_driver_bytes(&driver, driver.queues[0].available, 4);
	begin();
	is_int(descriptor[0], FAKE_BUFFERS);
	is_int(descriptor[0], -1);
	is_int(descriptor[1], (uint64_t)WRITE << 32 | 8);
	is_int(available[1], 1);
	is_int(available[1], 0xffff);
	is_int(changing_memory_end(), 5);
	is_int(available[0], 0);
	tear_down();
}

static void test_pop(void)
{
	struct fake_buffer readable[2] = { { FAKE_BUFFERS, 100 }, { FAKE_BUFFERS + 200, 7 } };
	struct fake_buffer writable[1] = { { FAKE_BUFFERS + 4096, 50 } };
	uint16_t head;
	int r;

	set_up(false);
	head = fake_driver_add(&driver, 0, readable, 2, writable, 1);
	begin();
	r = virtqueue_pop(&queue, &chain);
	/* The index, its entry in the ring, two words of each descriptor. */
	is_int(changing_memory_end(), 1 + 1 + 3 * 2);
	is_int(r, 1);
	is_int(chain.head, head);
	is_int(chain.nr_readable, 2);
	is_int(chain.nr_writable, 1);
	is_int(chain.readable_len, 107);
	is_int(chain.writable_len, 50);
	for (unsigned int i = 0; i < 3; i++) {
		const struct fake_buffer *want = i < 2 ? &readable[i] : &writable[0];

		ok(chain.segments[i].iov_base == fake_driver_bytes(&driver, want->gpa, want->len));
		is_int(chain.segments[i].iov_len, want->len);
	}
	tear_down();
}

/* What is refused is refused at the first look, too. */
static void test_refusals(void)
{
	set_up(false);
	fake_driver_set_descriptor(&driver, 0, 0, FAKE_BUFFERS, 8, NEXT, 16);
	fake_driver_make_available(&driver, 0, 0);
	begin();
	is_int(virtqueue_pop(&queue, &chain), -EPROTO);
	is_int(changing_memory_end(), 4);
	tear_down();
}

static void test_is_empty(void)
{
	set_up(false);
	fake_driver_set_descriptor(&driver, 0, 0, FAKE_BUFFERS, 8, WRITE, 0);
	fake_driver_make_available(&driver, 0, 0);
	begin();
	is_int(virtqueue_is_empty(&queue), 0);
	is_int(changing_memory_end(), 1);
	tear_down();
}

int main(void)
{
	test_the_memory();
	test_pop();
	test_refusals();
	test_is_empty();
	return tap_done();
}
