/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device: it fills what is writable, in bounded steps, and touches nothing else. */
#include <linux/virtio_mmio.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/virtio/rng.h"

static struct fake_driver driver;
static struct rng rng;

static void set_up(void)
{
	struct error err;

	fake_driver_init(&driver);
	is_int(rng_init(&rng, &driver.memory, &driver.loop, driver.transport, &err), 0);
	driver.device = &rng.device;
	driver.queues[0].size = 8;
	ok(fake_driver_start(&driver));
}

static void tear_down(void)
{
	rng_fini(&rng, &driver.loop);
	fake_driver_fini(&driver);
}

static void serve(void)
{
	fake_driver_kick(&driver, 0);
	(void)fake_driver_run(&driver, 100);
}

/* At least half of the bytes are not zero: true of random bytes, not of forgotten ones. */
static bool looks_random(uint64_t gpa, uint32_t len)
{
	const uint8_t *bytes = fake_driver_bytes(&driver, gpa, len);
	uint32_t nr = 0;

	for (uint32_t i = 0; i < len; i++)
		nr += bytes[i] != 0;
	return nr > len / 2;
}

static void test_identity(void)
{
	set_up();
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 4);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_QUEUE_NUM_MAX), 8);
	tear_down();
}

static void test_fills_all_segments(void)
{
	struct fake_buffer buffers[2] = { { FAKE_BUFFERS, 64 }, { FAKE_BUFFERS + 128, 1000 } };
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_add(&driver, 0, NULL, 0, buffers, 2);
	serve();
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, 1064);
	ok(looks_random(FAKE_BUFFERS, 64));
	ok(looks_random(FAKE_BUFFERS + 128, 1000));
	ok(!looks_random(FAKE_BUFFERS + 64, 64));
	ok(!looks_random(FAKE_BUFFERS + 1128, 64));
	is_int(fake_driver_take_interrupts(&driver), 1);
	tear_down();
}

static void test_leaves_readable_segments_alone(void)
{
	struct fake_buffer readable = { FAKE_BUFFERS, 64 };
	struct fake_buffer writable = { FAKE_BUFFERS + 64, 64 };
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_add(&driver, 0, &readable, 1, &writable, 1);
	(void)fake_driver_add(&driver, 0, &readable, 1, NULL, 0);
	serve();
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, 64);
	ok(!looks_random(FAKE_BUFFERS, 64));
	ok(looks_random(FAKE_BUFFERS + 64, 64));
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, 0);
	tear_down();
}

static void test_segment_flush_with_the_end_of_ram(void)
{
	struct fake_buffer buffer = { FAKE_LOW_SIZE - 100, 100 };
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_add(&driver, 0, NULL, 0, &buffer, 1);
	serve();
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, 100);
	ok(looks_random(FAKE_LOW_SIZE - 100, 100));
	tear_down();
}

/* Class: overlapping buffers that add up to much more than the guest has. */
static void test_request_is_bounded(void)
{
	struct fake_buffer buffers[8];
	uint32_t id;
	uint32_t len;

	set_up();
	for (unsigned int i = 0; i < 8; i++)
		buffers[i] = (struct fake_buffer){ FAKE_BUFFERS, FAKE_LOW_SIZE - FAKE_BUFFERS };
	(void)fake_driver_add(&driver, 0, NULL, 0, buffers, 8);
	serve();
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, 64 * 1024);
	tear_down();
}

/* Class: one device starves the others. A wake-up serves a bounded part, then queues up again. */
static void test_wakeup_is_bounded(void)
{
	struct fake_buffer buffer = { FAKE_BUFFERS, 40 * 1024 };
	uint32_t id;
	uint32_t len;
	uint64_t total = 0;

	set_up();
	for (unsigned int i = 0; i < 4; i++)
		(void)fake_driver_add(&driver, 0, NULL, 0, &buffer, 1);
	fake_driver_kick(&driver, 0);
	is_int(fake_driver_run(&driver, 1), 1);
	while (fake_driver_take_used(&driver, 0, &id, &len))
		total += len;
	is_int(total, 64 * 1024);
	(void)fake_driver_run(&driver, 100);
	while (fake_driver_take_used(&driver, 0, &id, &len))
		total += len;
	is_int(total, 128 * 1024); /* of each two requests the second gets what is left */
	tear_down();
}

int main(void)
{
	test_identity();
	test_fills_all_segments();
	test_leaves_readable_segments_alone();
	test_segment_flush_with_the_end_of_ram();
	test_request_is_bounded();
	test_wakeup_is_bounded();
	return tap_done();
}
