/* SPDX-License-Identifier: Apache-2.0 */
/* The chains the ring walker takes, and those it refuses (section 2.7). */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <pthread.h>

#include "tests/unit/bare_queue.h"
#include "vmm/base/checked_math.h"

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define LAST_HIGH (GUEST_MEMORY_HIGH_BASE + FAKE_HIGH_SIZE - 1)

/* The same on a fresh queue, so that results do not depend on each other. */
static int pop_single_fresh(uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	int r;

	set_up(false);
	r = pop_single(gpa, len, flags, next);
	tear_down();
	return r;
}

static void test_pop_fills_the_chain(void)
{
	struct fake_buffer readable[2] = { { FAKE_BUFFERS, 100 },
					   { GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE } };
	struct fake_buffer writable[1] = { { FAKE_BUFFERS + 200, 50 } };
	uint16_t head;

	set_up(false);
	is_int(virtqueue_is_empty(&queue), 1);
	is_int(virtqueue_pop(&queue, &chain), 0);
	head = fake_driver_add(&driver, 0, readable, 2, writable, 1);
	is_int(virtqueue_is_empty(&queue), 0);
	is_int(virtqueue_pop(&queue, &chain), 1);
	is_int(chain.head, head);
	is_int(chain.nr_readable, 2);
	is_int(chain.nr_writable, 1);
	is_int(chain.readable_len, 100 + FAKE_HIGH_SIZE);
	is_int(chain.writable_len, 50);
	ok(chain.segments[0].iov_base == fake_driver_bytes(&driver, FAKE_BUFFERS, 100));
	ok(chain.segments[1].iov_base == driver.memory.regions[1].host);
	is_int(chain.segments[2].iov_len, 50);
	is_int(virtqueue_is_empty(&queue), 1);
	is_int(virtqueue_pop(&queue, &chain), 0);
	tear_down();
}

/* Class: available index jumps. More pending than the queue is long cannot be. */
static void test_pop_checks_the_available_index(void)
{
	for (unsigned int index = 0; index <= UINT16_MAX; index += index < 64 ? 1 : 509) {
		int want = index > 16 ? -EPROTO : index > 0;

		set_up(false);
		fake_driver_set_descriptor(&driver, 0, 0, FAKE_BUFFERS, 8, 0, 0);
		fake_driver_set_available_index(&driver, 0, (uint16_t)index);
		is_int(virtqueue_is_empty(&queue), index > 16 ? -EPROTO : index == 0);
		is_int(virtqueue_pop(&queue, &chain), want);
		tear_down();
	}
	/* Backwards, to before what was popped. */
	set_up(false);
	is_int(pop_single(FAKE_BUFFERS, 8, 0, 0), 1);
	fake_driver_set_available_index(&driver, 0, 0);
	is_int(virtqueue_pop(&queue, &chain), -EPROTO);
	is_int(virtqueue_is_empty(&queue), -EPROTO);
	tear_down();
}

/* Class: head or next index outside the table, where the memory would pass for a descriptor. */
static void test_pop_checks_descriptor_indices(void)
{
	static const uint16_t outside[] = { 16, 17, 255, 1024, 0x7fff, 0x8000, 0xffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(outside); i++) {
		set_up(false);
		fake_driver_set_descriptor(&driver, 0, outside[i], FAKE_BUFFERS, 8, 0, 0);
		fake_driver_make_available(&driver, 0, outside[i]);
		is_int(virtqueue_pop(&queue, &chain), -EPROTO);
		tear_down();

		set_up(false);
		fake_driver_set_descriptor(&driver, 0, outside[i], FAKE_BUFFERS, 8, 0, 0);
		is_int(pop_single(FAKE_BUFFERS, 8, NEXT, outside[i]), -EPROTO);
		tear_down();
	}
}

/* Class: table flush with the end of RAM, so that one entry too far is outside. */
static void test_last_descriptor_of_ram(void)
{
	fake_driver_init(&driver);
	driver.queues[0].descriptors = FAKE_LOW_SIZE - fake_descriptors_size(16);
	fake_driver_describe(&driver, 0, &queue);
	is_int(virtqueue_activate(&queue, &driver.memory, false), 0);
	fake_driver_set_descriptor(&driver, 0, 15, FAKE_BUFFERS, 8, 0, 0);
	fake_driver_make_available(&driver, 0, 15);
	is_int(virtqueue_pop(&queue, &chain), 1);
	fake_driver_make_available(&driver, 0, 16);
	is_int(virtqueue_pop(&queue, &chain), -EPROTO);
	tear_down();
}

/* Class: endless chains. Loops of one, two and all descriptors; the longest legal chain. */
static void test_pop_ends_loops(void)
{
	struct fake_buffer buffers[16];
	static const uint16_t loop_lens[] = { 1, 2, 3, 15, 16 };

	for (unsigned int i = 0; i < 16; i++)
		buffers[i] = (struct fake_buffer){ FAKE_BUFFERS + 8 * i, 8 };
	for (unsigned int i = 0; i < ARRAY_SIZE(loop_lens); i++) {
		set_up(false);
		for (uint16_t j = 0; j < loop_lens[i]; j++)
			fake_driver_set_descriptor(&driver, 0, j, FAKE_BUFFERS, 8, NEXT,
						   (uint16_t)((j + 1) % loop_lens[i]));
		fake_driver_make_available(&driver, 0, 0);
		is_int(virtqueue_pop(&queue, &chain), -EPROTO);
		tear_down();
	}
	set_up(false);
	(void)fake_driver_add(&driver, 0, buffers, 7, buffers + 7, 9);
	is_int(virtqueue_pop(&queue, &chain), 1);
	is_int(chain.nr_readable + chain.nr_writable, 16);
	tear_down();
}

/* Class: a length that leaves RAM, at every edge of both regions; addresses that wrap. */
static void test_pop_checks_buffers(void)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
		int want;
	} cases[] = {
		{ 0, 1, 1 },
		{ 0, FAKE_LOW_SIZE, 1 },
		{ 0, FAKE_LOW_SIZE + 1, -EPROTO },
		{ LAST_LOW, 1, 1 },
		{ LAST_LOW, 2, -EPROTO },
		{ LAST_LOW, UINT32_MAX, -EPROTO },
		{ FAKE_LOW_SIZE, 1, -EPROTO },
		{ GUEST_MEMORY_HIGH_BASE - 1, 1, -EPROTO },
		{ GUEST_MEMORY_HIGH_BASE - 1, 2, -EPROTO },
		{ GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE, 1 },
		{ GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE + 1, -EPROTO },
		{ LAST_HIGH, 1, 1 },
		{ LAST_HIGH, 2, -EPROTO },
		{ LAST_HIGH + 1, 1, -EPROTO },
		{ UINT64_MAX, 1, -EPROTO },
		{ UINT64_MAX, 2, -EPROTO },
		{ UINT64_MAX - 0xfff, 0x1000, -EPROTO },
		{ UINT64_MAX - 0xfff, 0x2000, -EPROTO },
		{ UINT64_C(1) << 63, 8, -EPROTO },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		is_int(pop_single_fresh(cases[i].gpa, cases[i].len, 0, 0), cases[i].want);
		is_int(pop_single_fresh(cases[i].gpa, cases[i].len, WRITE, 0), cases[i].want);
	}
}

/* Class: a buffer in a device's own register window, so that the device re-enters itself. */
static void test_pop_refuses_device_windows(void)
{
	is_int(pop_single_fresh(FAKE_MMIO_WINDOW, 4, WRITE, 0), -EPROTO);
	is_int(pop_single_fresh(GUEST_MEMORY_LOW_LIMIT, 4, WRITE, 0), -EPROTO);
	is_int(pop_single_fresh(0xfee00000, 4, WRITE, 0), -EPROTO);
}

/* Class: zero-length descriptors, alone and in a chain. */
static void test_pop_refuses_empty_descriptors(void)
{
	is_int(pop_single_fresh(FAKE_BUFFERS, 0, 0, 0), -EPROTO);
	is_int(pop_single_fresh(FAKE_BUFFERS, 0, WRITE, 0), -EPROTO);
	is_int(pop_single_fresh(FAKE_LOW_SIZE, 0, 0, 0), -EPROTO);
	is_int(pop_single_fresh(FAKE_BUFFERS, 0, NEXT, 0), -EPROTO);
}

/* Class: indirect tables, which are not offered, in every combination of flags. */
static void test_pop_refuses_indirect(void)
{
	is_int(pop_single_fresh(FAKE_BUFFERS, 16, INDIRECT, 0), -EPROTO);
	is_int(pop_single_fresh(FAKE_BUFFERS, 16, INDIRECT | NEXT, 1), -EPROTO);
	is_int(pop_single_fresh(FAKE_BUFFERS, 16, INDIRECT | WRITE, 0), -EPROTO);
	is_int(pop_single_fresh(FAKE_BUFFERS, 16, 0xffff, 0), -EPROTO);
}

static void test_pop_refuses_readable_after_writable(void)
{
	set_up(false);
	fake_driver_set_descriptor(&driver, 0, 1, FAKE_BUFFERS, 8, 0, 0);
	is_int(pop_single(FAKE_BUFFERS, 8, WRITE | NEXT, 1), -EPROTO);
	tear_down();
}

/* Class: a chain of overlapping buffers whose lengths add up to more than 32 bits hold. */
static void test_pop_bounds_the_sum(void)
{
	struct guest_memory large;
	struct error err;

	fake_driver_init(&driver);
	is_int(guest_memory_init(&large, UINT64_C(1) << 31, &err), 0);
	/* The rings stay in the fake driver's RAM; the buffers are checked against the large. */
	for (unsigned int i = 0; i < 2; i++) {
		fake_driver_describe(&driver, 0, &queue);
		is_int(virtqueue_activate(&queue, &driver.memory, false), 0);
		queue.memory = &large;
		fake_driver_set_descriptor(&driver, 0, 0, 0, 1U << 31, NEXT, 1);
		fake_driver_set_descriptor(&driver, 0, 1, 0, 1U << 31, i ? NEXT : 0, 2);
		fake_driver_set_descriptor(&driver, 0, 2, 0, 1, 0, 0);
		fake_driver_set_available_index(&driver, 0, 0);
		fake_driver_make_available(&driver, 0, 0);
		is_int(virtqueue_pop(&queue, &chain), i ? -EPROTO : 1);
	}
	guest_memory_fini(&large);
	tear_down();
}

/* Class: one head in flight twice, so that two requests complete into the same chain. */
static void test_pop_refuses_a_head_in_flight(void)
{
	set_up(false);
	is_int(pop_single(FAKE_BUFFERS, 8, WRITE, 0), 1);
	fake_driver_make_available(&driver, 0, 0);
	is_int(virtqueue_pop(&queue, &chain), -EPROTO);
	tear_down();

	set_up(false);
	for (unsigned int i = 0; i < 40; i++) { /* given back in between, it is fine */
		is_int(pop_single(FAKE_BUFFERS, 8, WRITE, 0), 1);
		virtqueue_push(&queue, 0, 0);
	}
	tear_down();
}

/* Class: double fetch. A second processor rewrites the descriptor while it is walked. */
static void *rewrite_descriptor(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		fake_driver_set_descriptor(&driver, 0, 0, FAKE_BUFFERS, 8, WRITE, 0);
		fake_driver_set_descriptor(&driver, 0, 0, LAST_LOW, UINT32_MAX, NEXT, 0xffff);
		fake_driver_set_descriptor(&driver, 0, 0, UINT64_MAX, 1, NEXT, 0xffff);
	}
	return NULL;
}

static void test_pop_fetches_once(void)
{
	pthread_t thread;
	bool stop = false;
	unsigned int nr_popped = 0;
	unsigned int nr_bad = 0;

	set_up(false);
	is_int(pthread_create(&thread, NULL, rewrite_descriptor, &stop), 0);
	/* The other processor may be slow to start, or be taken away at a bad moment. */
	for (unsigned int i = 0; i < 20000000 && nr_popped < 10000; i++) {
		const uint8_t *host = driver.memory.regions[0].host;
		const uint8_t *start;

		queue.next_available = (uint16_t)(driver.queues[0].available_index);
		fake_driver_make_available(&driver, 0, 0);
		if (virtqueue_pop(&queue, &chain) != 1)
			continue;
		start = chain.segments[0].iov_base;
		nr_bad += start < host || !range_fits((uint64_t)(start - host),
						      chain.segments[0].iov_len, FAKE_LOW_SIZE);
		nr_bad += chain.nr_readable + chain.nr_writable != 1;
		virtqueue_push(&queue, chain.head, 0);
		nr_popped++;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	is_int(nr_bad, 0);
	is_int(nr_popped, 10000);
	tear_down();
}

int main(void)
{
	test_pop_fills_the_chain();
	test_pop_checks_the_available_index();
	test_pop_checks_descriptor_indices();
	test_last_descriptor_of_ram();
	test_pop_ends_loops();
	test_pop_checks_buffers();
	test_pop_refuses_device_windows();
	test_pop_refuses_empty_descriptors();
	test_pop_refuses_indirect();
	test_pop_refuses_readable_after_writable();
	test_pop_bounds_the_sum();
	test_pop_refuses_a_head_in_flight();
	test_pop_fetches_once();
	return tap_done();
}
