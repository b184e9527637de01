/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon: what is reported goes back whole, nothing beside it does, and no turn is long. */
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/mman.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/balloon.h"

#define INFLATE 0
#define DEFLATE 1
#define REPORTS 2
#define QUEUE_SIZE 32
#define PAGE UINT64_C(4096)
#define MEMORY (FAKE_LOW_SIZE - FAKE_BUFFERS)
#define BYTES_PER_TURN (16u << 20)

static struct fake_driver driver;
static struct balloon balloon;

static void set_up(void)
{
	struct error err;

	fake_driver_init(&driver);
	is_int(balloon_init(&balloon, &driver.memory, &driver.loop, driver.transport, &err), 0);
	driver.device = &balloon.device;
	for (unsigned int i = 0; i <= REPORTS; i++)
		driver.queues[i].size = QUEUE_SIZE;
	ok(fake_driver_start(&driver));
}

static void tear_down(void)
{
	balloon_fini(&balloon, &driver.loop);
	fake_driver_fini(&driver);
}

static void use(uint64_t gpa, uint64_t len)
{
	memset(fake_driver_bytes(&driver, gpa, len), 0x5a, len);
}

/* How many of the pages have memory behind them. */
static unsigned int count_pages(uint64_t gpa, uint64_t len)
{
	unsigned char pages[FAKE_LOW_SIZE / PAGE];
	unsigned int nr = 0;

	is_int(mincore(fake_driver_bytes(&driver, gpa, len), len, pages), 0);
	for (uint64_t i = 0; i < len / PAGE; i++)
		nr += pages[i] & 1;
	return nr;
}

/* How many of the bytes are as use() left them. */
static uint64_t count_used(uint64_t gpa, uint64_t len)
{
	const uint8_t *bytes = fake_driver_bytes(&driver, gpa, len);
	uint64_t nr = 0;

	for (uint64_t i = 0; i < len; i++)
		nr += bytes[i] == 0x5a;
	return nr;
}

static void serve(void)
{
	fake_driver_kick(&driver, REPORTS);
	(void)fake_driver_run(&driver, 100);
}

static bool is_acknowledged(unsigned int queue, uint16_t head)
{
	uint32_t id, len;

	return fake_driver_take_used(&driver, queue, &id, &len) && id == head && len == 0;
}

/* A report of one range alone. */
static void report(uint64_t gpa, uint32_t len)
{
	struct fake_buffer range = { gpa, len };
	uint16_t head = fake_driver_add(&driver, REPORTS, NULL, 0, &range, 1);

	serve();
	ok(is_acknowledged(REPORTS, head));
}

static void test_identity(void)
{
	set_up();
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 5);
	fake_driver_write(&driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	/* Page reporting, and the ring's event index; no statistics, hints or poison. */
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_FEATURES), 1 << 5 | 1 << 29);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_QUEUE_NUM_MAX), QUEUE_SIZE);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_CONFIG), 0);
	fake_driver_write(&driver, VIRTIO_MMIO_CONFIG + 4, 1234);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_CONFIG + 4), 0);
	tear_down();
}

static void test_ranges_go_back(void)
{
	struct fake_buffer ranges[2] = { { FAKE_BUFFERS + PAGE, 2 * PAGE },
					 { FAKE_BUFFERS + 8 * PAGE, PAGE } };
	uint16_t head;

	set_up();
	use(FAKE_BUFFERS, 16 * PAGE);
	head = fake_driver_add(&driver, REPORTS, NULL, 0, ranges, 2);
	serve();
	ok(is_acknowledged(REPORTS, head));
	is_int(fake_driver_take_interrupts(&driver), 1);
	is_int(count_pages(FAKE_BUFFERS, 16 * PAGE), 13);
	is_int(count_pages(FAKE_BUFFERS + PAGE, 2 * PAGE), 0);
	is_int(count_pages(FAKE_BUFFERS + 8 * PAGE, PAGE), 0);
	is_int(count_used(FAKE_BUFFERS, 16 * PAGE), 13 * PAGE);
	/* It is there again with the next touch. */
	use(FAKE_BUFFERS + PAGE, PAGE);
	is_int(count_used(FAKE_BUFFERS, 16 * PAGE), 14 * PAGE);
	tear_down();
}

/* Class: memory beside a range that was reported is lost. */
static void test_partial_pages_stay(void)
{
	static const struct {
		uint32_t begin, len; /* of a report */
		uint32_t left;	     /* of eight pages */
	} cases[] = {
		{ PAGE + 1, 2 * PAGE, 7 * PAGE },
		{ PAGE, 2 * PAGE - 1, 7 * PAGE },
		{ PAGE - 1, 2 * PAGE + 2, 6 * PAGE },
		{ PAGE + 1, 2 * PAGE - 2, 8 * PAGE },
		{ PAGE + 100, 200, 8 * PAGE },
		{ PAGE - 1, 1, 8 * PAGE },
		{ PAGE, 1, 8 * PAGE },
		{ 2 * PAGE - 1, PAGE + 1, 7 * PAGE },
	};

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		use(FAKE_BUFFERS, 8 * PAGE);
		report(FAKE_BUFFERS + cases[i].begin, cases[i].len);
		is_int(count_used(FAKE_BUFFERS, 8 * PAGE), cases[i].left);
	}
	tear_down();
}

/* Behind these an access would be a fault. */
static void test_ends_of_memory(void)
{
	set_up();
	use(FAKE_LOW_SIZE - 2 * PAGE, 2 * PAGE);
	report(FAKE_LOW_SIZE - PAGE, PAGE);
	is_int(count_used(FAKE_LOW_SIZE - 2 * PAGE, 2 * PAGE), PAGE);
	report(FAKE_LOW_SIZE - PAGE - 1, PAGE + 1);
	report(FAKE_LOW_SIZE - 1, 1);
	use(GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE);
	report(GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE);
	is_int(count_used(GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE), 0);
	tear_down();
}

static void test_readable_ranges_stay(void)
{
	struct fake_buffer readable = { FAKE_BUFFERS, PAGE };
	struct fake_buffer writable = { FAKE_BUFFERS + PAGE, PAGE };
	uint16_t heads[2];

	set_up();
	use(FAKE_BUFFERS, 2 * PAGE);
	heads[0] = fake_driver_add(&driver, REPORTS, &readable, 1, &writable, 1);
	heads[1] = fake_driver_add(&driver, REPORTS, &readable, 1, NULL, 0);
	serve();
	ok(is_acknowledged(REPORTS, heads[0]));
	ok(is_acknowledged(REPORTS, heads[1]));
	is_int(count_used(FAKE_BUFFERS, 2 * PAGE), PAGE);
	tear_down();
}

/* @nr times all of memory but the rings. Returns the report's head. */
static uint16_t report_all(unsigned int nr)
{
	struct fake_buffer ranges[QUEUE_SIZE];

	for (unsigned int i = 0; i < nr; i++)
		ranges[i] = (struct fake_buffer){ FAKE_BUFFERS, MEMORY };
	return fake_driver_add(&driver, REPORTS, NULL, 0, ranges, nr);
}

/* Class: one device starves the others. What is left of a report waits for the next turn. */
static void test_bytes_of_a_turn_are_bounded(void)
{
	unsigned int nr_turns = 1;
	uint16_t head;

	set_up();
	head = report_all(QUEUE_SIZE);
	fake_driver_kick(&driver, REPORTS);
	is_int(fake_driver_run(&driver, 1), 1);
	while (!is_acknowledged(REPORTS, head) && nr_turns < 100) {
		use(FAKE_BUFFERS, MEMORY);
		is_int(fake_driver_run(&driver, 1), 1);
		is_int(count_pages(FAKE_BUFFERS, MEMORY), 0);
		nr_turns++;
	}
	is_int(nr_turns, (QUEUE_SIZE * MEMORY + BYTES_PER_TURN - 1) / BYTES_PER_TURN);
	is_int(fake_driver_run(&driver, 100), 0);
	tear_down();
}

/* The same with chains that share their tails: 528 ranges in 32 descriptors. */
static void test_ranges_of_a_turn_are_bounded(void)
{
	unsigned int nr_turns = 0;
	unsigned int nr = 0;

	set_up();
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		bool is_last = i == QUEUE_SIZE - 1;

		fake_driver_set_descriptor(&driver, REPORTS, i, FAKE_BUFFERS, PAGE,
					   is_last ? VRING_DESC_F_WRITE
						   : VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
					   (uint16_t)(is_last ? 0 : i + 1));
		fake_driver_make_available(&driver, REPORTS, i);
	}
	fake_driver_kick(&driver, REPORTS);
	while (fake_driver_run(&driver, 1))
		nr_turns++;
	while (is_acknowledged(REPORTS, (uint16_t)nr))
		nr++;
	is_int(nr, QUEUE_SIZE);
	/* And one that finds nothing more. */
	is_int(nr_turns, QUEUE_SIZE * (QUEUE_SIZE + 1) / 2 / 32 + 1);
	tear_down();
}

/* Class: what a reset should have ended goes on. */
static void test_reset_ends_a_report(void)
{
	set_up();
	(void)report_all(QUEUE_SIZE);
	fake_driver_kick(&driver, REPORTS);
	is_int(fake_driver_run(&driver, 1), 1);
	fake_driver_reset(&driver);
	ok(fake_driver_start(&driver));
	use(FAKE_BUFFERS, MEMORY);
	(void)fake_driver_run(&driver, 100);
	is_int(count_used(FAKE_BUFFERS, MEMORY), MEMORY);
	report(FAKE_BUFFERS, PAGE);
	is_int(count_used(FAKE_BUFFERS, MEMORY), MEMORY - PAGE);
	tear_down();
}

/* A balloon of size 0 takes no pages: numbers of them are as good as any other bytes. */
static void test_other_queues_are_acknowledged(void)
{
	uint32_t number = FAKE_BUFFERS / PAGE + 1;
	struct fake_buffer numbers = { FAKE_BUFFERS, sizeof(number) };
	struct fake_buffer page = { FAKE_BUFFERS + PAGE, PAGE };

	set_up();
	use(FAKE_BUFFERS, 4 * PAGE);
	memcpy(fake_driver_bytes(&driver, FAKE_BUFFERS, sizeof(number)), &number, sizeof(number));
	for (unsigned int i = INFLATE; i <= DEFLATE; i++) {
		uint16_t heads[2] = { fake_driver_add(&driver, i, &numbers, 1, NULL, 0),
				      fake_driver_add(&driver, i, &numbers, 1, &page, 1) };

		fake_driver_kick(&driver, i);
		(void)fake_driver_run(&driver, 100);
		ok(is_acknowledged(i, heads[0]));
		ok(is_acknowledged(i, heads[1]));
	}
	is_int(count_used(FAKE_BUFFERS + PAGE, 3 * PAGE), 3 * PAGE);
	tear_down();
}

/* A report that waits for its next turn is not that of another queue. */
static void test_queues_do_not_mix(void)
{
	struct fake_buffer numbers = { FAKE_BUFFERS, 4 };
	uint16_t heads[2];

	set_up();
	heads[0] = report_all(QUEUE_SIZE);
	fake_driver_kick(&driver, REPORTS);
	is_int(fake_driver_run(&driver, 1), 1);
	heads[1] = fake_driver_add(&driver, INFLATE, &numbers, 1, NULL, 0);
	fake_driver_kick(&driver, INFLATE);
	(void)fake_driver_run(&driver, 100);
	ok(is_acknowledged(INFLATE, heads[1]));
	ok(is_acknowledged(REPORTS, heads[0]));
	tear_down();
}

int main(void)
{
	test_identity();
	test_ranges_go_back();
	test_partial_pages_stay();
	test_ends_of_memory();
	test_readable_ranges_stay();
	test_bytes_of_a_turn_are_bounded();
	test_ranges_of_a_turn_are_bounded();
	test_reset_ends_a_report();
	test_other_queues_are_acknowledged();
	test_queues_do_not_mix();
	return tap_done();
}
