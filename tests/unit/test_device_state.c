/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's saved state: another device goes on from it as if it had been there all the time, and
 * refuses what no driver could have brought about.
 */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/log.h"
#include "vmm/virtio/device_state.h"
#include "vmm/virtio/rng.h"

#define REQUEST 64

/* Where the state has what; see device_state_save(). */
enum {
	AT_STATUS = 0,
	AT_FEATURES = 4,
	AT_NR_QUEUES = 32,
	AT_SIZE = 36,
	AT_READY = 40,
	AT_DESCRIPTORS = 44,
	AT_DRIVER = 52,
	AT_DEVICE = 60,
	AT_AVAILABLE = 68,
	AT_USED = 72,
	AT_SIGNALLED = 76,
	STATE_SIZE = 80, /* of a device with one queue */
};

static struct fake_driver driver;
static struct rng rng;

static void add_device(void)
{
	struct error err;

	is_int(rng_init(&rng, &driver.memory, &driver.loop, driver.transport, &err), 0);
	driver.device = &rng.device;
}

/* A live device that has served @nr requests. */
static void set_up(unsigned int nr)
{
	uint32_t id, len;

	fake_driver_init(&driver);
	add_device();
	driver.queues[0].size = 8;
	ok(fake_driver_start(&driver));
	for (unsigned int i = 0; i < nr; i++) {
		(void)fake_driver_request(&driver, 0, NULL, 0, REQUEST, NULL);
		fake_driver_kick(&driver, 0);
		(void)fake_driver_run(&driver, 100);
		ok(fake_driver_take_used(&driver, 0, &id, &len));
	}
}

static void tear_down(void)
{
	rng_fini(&rng, &driver.loop);
	fake_driver_fini(&driver);
}

static struct byte_writer save(void)
{
	struct byte_writer writer = { 0 };
	struct error err;

	is_int(device_state_save(&rng.device, &writer, &err), 0);
	ok(!writer.has_failed);
	return writer;
}

/* A new device in the old one's place. */
static int restore(const uint8_t *state, size_t size)
{
	struct byte_reader reader = { .data = state, .left = size };
	struct error err;
	int r;

	rng_fini(&rng, &driver.loop);
	add_device();
	(void)fake_driver_take_interrupts(&driver);
	r = device_state_restore(&rng.device, &reader, &err);
	if (!r)
		is_int(reader.left, 0);
	return r;
}

static void test_goes_on(void)
{
	struct byte_writer state;
	uint32_t id, len;
	uint16_t head;

	set_up(3);
	state = save();
	is_int(state.len, STATE_SIZE);
	is_int(restore(state.data, state.len), 0);
	ok(virtio_device_is_live(&rng.device));
	/* What had been raised is in the interrupt controllers, which are saved, too. */
	is_int(fake_driver_take_interrupts(&driver), 0);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	(void)fake_driver_run(&driver, 100);
	ok(!fake_driver_take_used(&driver, 0, &id, &len));
	is_int(fake_driver_available_event(&driver, 0), 3);

	fake_driver_set_used_event(&driver, 0, 3);
	head = fake_driver_request(&driver, 0, NULL, 0, REQUEST, NULL);
	fake_driver_kick(&driver, 0);
	(void)fake_driver_run(&driver, 100);
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(id, head);
	is_int(len, REQUEST);
	is_int(fake_driver_take_interrupts(&driver), 1);
	free(state.data);
	tear_down();
}

/* The doorbell of a request may have been on its way: the new device looks by itself. */
static void test_finds_what_waits(void)
{
	struct byte_writer state;
	uint32_t id, len;

	set_up(1);
	(void)fake_driver_request(&driver, 0, NULL, 0, REQUEST, NULL);
	state = save();
	is_int(restore(state.data, state.len), 0);
	(void)fake_driver_run(&driver, 100);
	ok(fake_driver_take_used(&driver, 0, &id, &len));
	is_int(len, REQUEST);
	free(state.data);
	tear_down();
}

static void test_before_the_driver(void)
{
	struct byte_writer state;

	set_up(0);
	fake_driver_reset(&driver);
	fake_driver_acknowledge(&driver);
	state = save();
	is_int(restore(state.data, state.len), 0);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_STATUS), 3);
	is_int(fake_driver_take_interrupts(&driver), 0);
	fake_driver_reset(&driver);
	ok(fake_driver_start(&driver));
	free(state.data);
	tear_down();
}

static void test_refuses_to_save(void)
{
	struct byte_writer writer = { 0 };
	static struct virtqueue_chain chain;
	struct error err;

	set_up(0);
	(void)fake_driver_request(&driver, 0, NULL, 0, REQUEST, NULL);
	is_int(virtqueue_pop(&rng.device.queues[0], &chain), 1);
	is_int(device_state_save(&rng.device, &writer, &err), -EAGAIN);
	virtqueue_push(&rng.device.queues[0], chain.head, 0);
	virtio_device_fail(&rng.device, "a test");
	is_int(device_state_save(&rng.device, &writer, &err), -EINVAL);
	is_int(writer.len, 0);
	tear_down();
}

static void test_truncated(void)
{
	struct byte_writer state;

	set_up(2);
	state = save();
	for (size_t size = 0; size < state.len; size++)
		is_int(restore(state.data, size), -EINVAL);
	is_int(restore(state.data, state.len), 0);
	free(state.data);
	tear_down();
}

static void test_impossible_values(void)
{
	static const struct {
		unsigned int at;
		uint32_t value;
	} damages[] = {
		{ AT_STATUS, 0x8 },
		{ AT_STATUS, 0x4f },
		{ AT_STATUS, 0x8f },
		{ AT_STATUS, 0x10f },
		{ AT_FEATURES, 1 },
		{ AT_FEATURES + 4, 0 }, /* not version 1 */
		{ AT_NR_QUEUES, 0 },
		{ AT_NR_QUEUES, 2 },
		{ AT_SIZE, 0 },
		{ AT_SIZE, 3 },
		{ AT_SIZE, 16 },
		{ AT_SIZE, 0x10008 },
		{ AT_READY, 2 },
		{ AT_DESCRIPTORS, FAKE_MMIO_WINDOW },
		{ AT_DESCRIPTORS, 1 },
		{ AT_DESCRIPTORS, FAKE_LOW_SIZE - 16 },
		{ AT_DESCRIPTORS + 4, 0x10 },
		{ AT_DRIVER, FAKE_LOW_SIZE - 2 },
		{ AT_DRIVER, 3 },
		{ AT_DEVICE, FAKE_LOW_SIZE - 4 },
		{ AT_DEVICE, 2 },
		{ AT_AVAILABLE, 0x10002 },
		{ AT_AVAILABLE, 3 },
		{ AT_USED, 0x10002 },
		{ AT_SIGNALLED, 0x10002 },
	};
	struct byte_writer state;
	uint8_t damaged[STATE_SIZE];

	set_up(2);
	state = save();
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		memcpy(damaged, state.data, STATE_SIZE);
		memcpy(damaged + damages[i].at, &damages[i].value, sizeof(uint32_t));
		if (!is_int(restore(damaged, STATE_SIZE), -EINVAL))
			printf("# damage %zu\n", i);
		ok(!rng.device.queues[0].is_active || !virtio_device_is_live(&rng.device));
	}
	free(state.data);
	tear_down();
}

/* Where the queue is may be a lie that only the ring shows: then the device fails. */
static void test_position_outside_the_ring(void)
{
	const uint32_t position = 0x4000;
	struct byte_writer state;

	set_up(2);
	state = save();
	memcpy(state.data + AT_AVAILABLE, &position, sizeof(position));
	memcpy(state.data + AT_USED, &position, sizeof(position));
	is_int(restore(state.data, state.len), 0);
	(void)fake_driver_run(&driver, 100);
	ok(!virtio_device_is_live(&rng.device));
	free(state.data);
	tear_down();
}

int main(void)
{
	struct error err;

	is_int(log_open("/dev/null", false, false, &err), 0);
	test_goes_on();
	test_finds_what_waits();
	test_before_the_driver();
	test_refuses_to_save();
	test_truncated();
	test_impossible_values();
	test_position_outside_the_ring();
	return tap_done();
}
