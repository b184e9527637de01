/* SPDX-License-Identifier: Apache-2.0 */
/* The ring walker's areas, used ring and interrupts; test_virtqueue_chains.c has its chains. */
#include <errno.h>
#include <linux/virtio_ring.h>

#include "tests/unit/bare_queue.h"
#include "vmm/base/checked_math.h"

#define WRITE VRING_DESC_F_WRITE

static int activate(uint16_t size, uint64_t descriptors, uint64_t available, uint64_t used)
{
	struct virtqueue other = {
		.size = size,
		.descriptor_area = { descriptors },
		.driver_area = { available },
		.device_area = { used },
	};
	int r = virtqueue_activate(&other, &driver.memory, false);

	ok(other.is_active == (r == 0));
	return r;
}

static void test_activate_checks_the_size(void)
{
	fake_driver_init(&driver);
	for (unsigned int size = 0; size <= UINT16_MAX; size++) {
		bool is_valid = is_power_of_two(size) && size <= VIRTQUEUE_SIZE_MAX;
		struct virtqueue other;

		fake_driver_describe(&driver, 0, &other);
		other.size = (uint16_t)size;
		if ((virtqueue_activate(&other, &driver.memory, false) == 0) != is_valid)
			is_int(size, -1);
	}
	is_int(activate(VIRTQUEUE_SIZE_MAX, 0, 0x1000, 0x2000), 0);
	is_int(activate(VIRTQUEUE_SIZE_MAX * 2, 0, 0x2000, 0x3000), -EPROTO);
	is_int(activate(0, 0, 0x1000, 0x2000), -EPROTO);
	is_int(activate(12, 0, 0x1000, 0x2000), -EPROTO);
	tear_down();
}

static void test_activate_checks_alignment(void)
{
	fake_driver_init(&driver);
	for (uint64_t i = 0; i < 32; i++) {
		is_int(activate(16, i, 0x1000, 0x2000), i % 16 ? -EPROTO : 0);
		is_int(activate(16, 0, 0x1000 + i, 0x2000), i % 2 ? -EPROTO : 0);
		is_int(activate(16, 0, 0x1000, 0x2000 + i), i % 4 ? -EPROTO : 0);
	}
	tear_down();
}

/* Class: ring areas that reach over the end of RAM, for every area and every region's end. */
static void test_activate_checks_whole_areas(void)
{
	static const uint64_t ends[] = { FAKE_LOW_SIZE, GUEST_MEMORY_HIGH_BASE + FAKE_HIGH_SIZE };

	fake_driver_init(&driver);
	for (unsigned int i = 0; i < ARRAY_SIZE(ends); i++) {
		uint64_t descriptors = ends[i] - fake_descriptors_size(16);
		uint64_t available = ends[i] - fake_available_size(16);
		uint64_t used = (ends[i] - fake_used_size(16)) & ~UINT64_C(3);

		is_int(activate(16, descriptors, 0x1000, 0x2000), 0);
		is_int(activate(16, descriptors + 16, 0x1000, 0x2000), -EPROTO);
		is_int(activate(16, 0, available, 0x2000), 0);
		is_int(activate(16, 0, available + 2, 0x2000), -EPROTO);
		is_int(activate(16, 0, 0x1000, used), 0);
		is_int(activate(16, 0, 0x1000, used + 4), -EPROTO);
	}
	/* A used ring of one entry has 14 bytes, its event index included. */
	is_int(activate(1, 0, 0x1000, FAKE_LOW_SIZE - 16), 0);
	is_int(activate(1, 0, 0x1000, FAKE_LOW_SIZE - 12), -EPROTO);
	is_int(activate(16, FAKE_MMIO_WINDOW, 0x1000, 0x2000), -EPROTO);
	is_int(activate(16, 0, FAKE_MMIO_WINDOW, 0x2000), -EPROTO);
	is_int(activate(16, 0, 0x1000, FAKE_MMIO_WINDOW), -EPROTO);
	is_int(activate(16, UINT64_MAX - 15, 0x1000, 0x2000), -EPROTO);
	is_int(activate(16, 0, UINT64_MAX - 1, 0x2000), -EPROTO);
	is_int(activate(16, 0, 0x1000, UINT64_MAX - 3), -EPROTO);
	tear_down();
}

static void test_reset_and_stop(void)
{
	struct fake_buffer buffer = { FAKE_BUFFERS, 8 };
	uint32_t id;
	uint32_t len;
	uint16_t head;

	set_up(false);
	head = fake_driver_add(&driver, 0, &buffer, 1, NULL, 0);
	is_int(virtqueue_pop(&queue, &chain), 1);
	(void)fake_driver_add(&driver, 0, &buffer, 1, NULL, 0);
	virtqueue_stop(&queue);
	is_int(virtqueue_pop(&queue, &chain), 0);
	is_int(virtqueue_is_empty(&queue), 1);
	virtqueue_push(&queue, head, 0);
	virtqueue_set_notify(&queue, false);
	ok(!virtqueue_needs_interrupt(&queue));
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	virtqueue_reset(&queue);
	ok(!queue.is_active && !queue.is_ready);
	is_int(queue.size, 0);
	virtqueue_reset(&queue);
	is_int(virtqueue_pop(&queue, &chain), 0);
	tear_down();
}

/* The 16-bit indices wrap, and a full ring is legal at every position. */
static void test_indices_wrap(void)
{
	unsigned int nr_bad = 0;
	uint32_t id;
	uint32_t len;

	set_up(true);
	for (unsigned int i = 0; i < 3 * 65536 / 16; i++) {
		struct fake_buffer buffer = { FAKE_BUFFERS, 8 };

		for (unsigned int j = 0; j < 16; j++)
			(void)fake_driver_add(&driver, 0, &buffer, 1, NULL, 0);
		while (virtqueue_pop(&queue, &chain) == 1)
			virtqueue_push(&queue, chain.head, i);
		for (unsigned int j = 0; j < 16; j++)
			nr_bad += !fake_driver_take_used(&driver, 0, &id, &len) || id != j ||
				  len != i;
		nr_bad += virtqueue_pop(&queue, &chain) != 0;
	}
	is_int(nr_bad, 0);
	tear_down();
}

/* Class: driver thinks used.len is what the device wrote, and checks it. */
static void test_push_writes_the_used_ring(void)
{
	uint32_t id;
	uint32_t len;

	set_up(false);
	for (uint16_t head = 0; head < 3; head++) {
		fake_driver_set_descriptor(&driver, 0, head, FAKE_BUFFERS, 64, WRITE, 0);
		fake_driver_make_available(&driver, 0, head);
		is_int(virtqueue_pop(&queue, &chain), 1);
	}
	virtqueue_push(&queue, 2, 64);
	virtqueue_push(&queue, 0, 7);
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(id, 2);
	is_int(len, 64);
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(id, 0);
	is_int(len, 7);
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	tear_down();
}

/* The driver finds all that was filled in at once, or nothing of it. */
static void test_fill_and_flush(void)
{
	uint32_t id;
	uint32_t len;

	set_up(true);
	for (uint16_t head = 0; head < 3; head++) {
		fake_driver_set_descriptor(&driver, 0, head, FAKE_BUFFERS, 64, WRITE, 0);
		fake_driver_make_available(&driver, 0, head);
		is_int(virtqueue_pop(&queue, &chain), 1);
		virtqueue_fill(&queue, head, head + 10u);
	}
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	virtqueue_flush(&queue);
	for (uint16_t head = 0; head < 3; head++) {
		ok(fake_driver_take_used(&driver, 0, &id, &len));
		is_int(id, head);
		is_int(len, head + 10u);
	}
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	virtqueue_stop(&queue);
	virtqueue_fill(&queue, 0, 1);
	virtqueue_flush(&queue);
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	tear_down();
}

/* What the driver writes into the used ring changes nothing: it is never read back. */
static void test_used_ring_is_not_read(void)
{
	uint32_t id;
	uint32_t len;

	set_up(true);
	is_int(pop_single(FAKE_BUFFERS, 8, WRITE, 0), 1);
	memset(fake_driver_bytes(&driver, driver.queues[0].used, fake_used_size(16)), 0xff,
	       fake_used_size(16));
	virtqueue_push(&queue, 0, 8);
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(id, 0);
	is_int(len, 8);
	tear_down();
}

static void pop_and_push(unsigned int nr)
{
	struct fake_buffer buffer = { FAKE_BUFFERS, 8 };

	for (unsigned int i = 0; i < nr; i++) {
		(void)fake_driver_add(&driver, 0, &buffer, 1, NULL, 0);
		if (virtqueue_pop(&queue, &chain) == 1)
			virtqueue_push(&queue, chain.head, 0);
	}
}

static void test_interrupts_by_flag(void)
{
	uint16_t *flags;

	set_up(false);
	flags = fake_driver_bytes(&driver, driver.queues[0].available, 2);
	ok(!virtqueue_needs_interrupt(&queue));
	pop_and_push(1);
	ok(virtqueue_needs_interrupt(&queue));
	ok(!virtqueue_needs_interrupt(&queue)); /* nothing new since */
	*flags = VRING_AVAIL_F_NO_INTERRUPT;
	pop_and_push(1);
	ok(!virtqueue_needs_interrupt(&queue));
	tear_down();
}

static void test_interrupts_by_event_index(void)
{
	set_up(true);
	pop_and_push(1); /* entry 0, and used_event is 0 */
	ok(virtqueue_needs_interrupt(&queue));
	ok(!virtqueue_needs_interrupt(&queue));
	pop_and_push(1); /* entry 1: the driver did not move its event */
	ok(!virtqueue_needs_interrupt(&queue));
	fake_driver_set_used_event(&driver, 0, 4);
	pop_and_push(2); /* entries 2 and 3 */
	ok(!virtqueue_needs_interrupt(&queue));
	pop_and_push(3); /* entries 4 to 6 */
	ok(virtqueue_needs_interrupt(&queue));
	fake_driver_set_used_event(&driver, 0, 6); /* past already */
	pop_and_push(1);
	ok(!virtqueue_needs_interrupt(&queue));
	tear_down();
}

static void test_interrupts_over_the_wrap(void)
{
	set_up(true);
	pop_and_push(65534);
	(void)virtqueue_needs_interrupt(&queue);
	fake_driver_set_used_event(&driver, 0, 1);
	pop_and_push(3); /* entries 65534, 65535, 0 */
	ok(!virtqueue_needs_interrupt(&queue));
	pop_and_push(1);
	ok(virtqueue_needs_interrupt(&queue));
	tear_down();
}

static void test_set_notify(void)
{
	const uint16_t *flags;

	set_up(false);
	flags = fake_driver_bytes(&driver, driver.queues[0].used, 2);
	virtqueue_set_notify(&queue, false);
	is_int(*flags, VRING_USED_F_NO_NOTIFY);
	virtqueue_set_notify(&queue, true);
	is_int(*flags, 0);
	tear_down();

	set_up(true);
	pop_and_push(5);
	is_int(fake_driver_available_event(&driver, 0), 0);
	virtqueue_set_notify(&queue, true);
	is_int(fake_driver_available_event(&driver, 0), 5);
	pop_and_push(2);
	virtqueue_set_notify(&queue, false);
	is_int(fake_driver_available_event(&driver, 0), 5);
	tear_down();
}

static void test_chain_read_and_write(void)
{
	struct fake_buffer readable[2] = { { FAKE_BUFFERS, 3 }, { FAKE_BUFFERS + 16, 4 } };
	struct fake_buffer writable[2] = { { FAKE_BUFFERS + 32, 2 }, { LAST_LOW - 2, 3 } };
	char text[8] = { 0 };

	set_up(false);
	memcpy(fake_driver_bytes(&driver, FAKE_BUFFERS, 3), "abc", 3);
	memcpy(fake_driver_bytes(&driver, FAKE_BUFFERS + 16, 4), "defg", 4);
	(void)fake_driver_add(&driver, 0, readable, 2, writable, 2);
	is_int(virtqueue_pop(&queue, &chain), 1);

	is_int(virtqueue_chain_read(&chain, 0, text, 8), 7);
	is_str(text, "abcdefg");
	is_int(virtqueue_chain_read(&chain, 2, text, 3), 3);
	is_str(text, "cdedefg");
	is_int(virtqueue_chain_read(&chain, 6, text, 8), 1);
	is_int(virtqueue_chain_read(&chain, 7, text, 8), 0);
	is_int(virtqueue_chain_read(&chain, UINT64_MAX, text, 8), 0);
	is_int(virtqueue_chain_read(&chain, 0, text, 0), 0);

	is_int(virtqueue_chain_write(&chain, 0, "12345678", 8), 5);
	ok(!memcmp(fake_driver_bytes(&driver, FAKE_BUFFERS + 32, 2), "12", 2));
	ok(!memcmp(fake_driver_bytes(&driver, LAST_LOW - 2, 3), "345", 3));
	is_int(virtqueue_chain_write(&chain, 1, "xy", 2), 2);
	ok(!memcmp(fake_driver_bytes(&driver, LAST_LOW - 2, 3), "y45", 3));
	is_int(virtqueue_chain_write(&chain, 5, "z", 1), 0);
	is_int(virtqueue_chain_write(&chain, UINT64_MAX, "z", 1), 0);
	/* The readable part is as it was. */
	ok(!memcmp(fake_driver_bytes(&driver, FAKE_BUFFERS, 3), "abc", 3));
	tear_down();
}

int main(void)
{
	test_activate_checks_the_size();
	test_activate_checks_alignment();
	test_activate_checks_whole_areas();
	test_reset_and_stop();
	test_indices_wrap();
	test_push_writes_the_used_ring();
	test_fill_and_flush();
	test_used_ring_is_not_read();
	test_interrupts_by_flag();
	test_interrupts_by_event_index();
	test_interrupts_over_the_wrap();
	test_set_notify();
	test_chain_read_and_write();
	return tap_done();
}
