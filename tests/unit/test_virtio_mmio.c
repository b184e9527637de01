/* SPDX-License-Identifier: Apache-2.0 */
/* The register file: what each register shows, when it may be written, and every wrong access. */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtio_mmio.h"

#define NR_QUEUES 2
#define QUEUE_SIZE_MAX 64

static uint8_t config[6] = { 1, 2, 3, 4, 5, 6 };
static const uint32_t wild_numbers[] = { NR_QUEUES,  NR_QUEUES + 1, 0xffff,	0x10000,   0x10001,
					 0x7fffffff, 0x80000000,    0x80000001, UINT32_MAX };
static const uint64_t queue_registers[] = {
	VIRTIO_MMIO_QUEUE_NUM,	     VIRTIO_MMIO_QUEUE_DESC_LOW,   VIRTIO_MMIO_QUEUE_DESC_HIGH,
	VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_MMIO_QUEUE_USED_LOW,
	VIRTIO_MMIO_QUEUE_USED_HIGH,
};

static struct fake_driver driver;
static struct virtio_device device;
static unsigned int nr_served;

/* Gives every request back at once. */
static void on_queue(struct virtio_device *rung, unsigned int index)
{
	static struct virtqueue_chain chain;

	while (virtio_device_pop(rung, index, &chain)) {
		virtqueue_push(&rung->queues[index], chain.head, 0);
		nr_served++;
	}
	virtio_device_notify(rung, index);
}

static const struct virtio_device_ops ops = { .on_queue = on_queue };

static void set_up(void)
{
	struct error err;

	fake_driver_init(&driver);
	device = (struct virtio_device){
		.name = "test",
		.device_id = 42,
		.device_features = UINT64_C(0x5) << 32 | 0x3,
		.ops = &ops,
		.nr_queues = NR_QUEUES,
		.queue_size_max = QUEUE_SIZE_MAX,
		.config = config,
		.config_size = sizeof(config),
	};
	nr_served = 0;
	is_int(virtio_device_init(&device, &driver.memory, &driver.loop, driver.transport, &err),
	       0);
	driver.device = &device;
}

static void tear_down(void)
{
	virtio_device_fini(&device, &driver.loop);
	fake_driver_fini(&driver);
}

static uint32_t get(uint64_t offset)
{
	return fake_driver_read(&driver, offset);
}

static void set(uint64_t offset, uint32_t value)
{
	fake_driver_write(&driver, offset, value);
}

static void to_features_ok(void)
{
	fake_driver_acknowledge(&driver);
	fake_driver_write_features(&driver, UINT64_C(1) << VIRTIO_F_VERSION_1);
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void test_constant_registers(void)
{
	set_up();
	is_int(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	is_int(get(VIRTIO_MMIO_VERSION), 2);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 42);
	ok(get(VIRTIO_MMIO_VENDOR_ID) != 0);
	is_int(get(VIRTIO_MMIO_CONFIG_GENERATION), 0);
	is_int(get(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	is_int(get(VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
	is_int(get(VIRTIO_MMIO_SHM_BASE_LOW), UINT32_MAX);
	is_int(get(VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
	is_int(get(VIRTIO_MMIO_QUEUE_NUM_MAX), QUEUE_SIZE_MAX);
	set(VIRTIO_MMIO_MAGIC_VALUE, 0);
	is_int(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	tear_down();
}

static void test_feature_words(void)
{
	set_up();
	is_int(get(VIRTIO_MMIO_DEVICE_FEATURES), 0x3 | 1U << 29);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	is_int(get(VIRTIO_MMIO_DEVICE_FEATURES), 0x5);
	for (unsigned int i = 0; i < ARRAY_SIZE(wild_numbers); i++) {
		set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, wild_numbers[i]);
		is_int(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	}
	tear_down();
}

/* Class: features written outside the DRIVER state. */
static void test_features_are_written_in_one_state_only(void)
{
	set_up();
	set(VIRTIO_MMIO_DRIVER_FEATURES, 0x1);
	is_int(device.driver_features, 0);
	fake_driver_acknowledge(&driver);
	fake_driver_write_features(&driver, UINT64_C(0x100000002));
	is_int(device.driver_features, UINT64_C(0x100000002));
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_FEATURES_OK);
	fake_driver_write_features(&driver, UINT64_MAX);
	is_int(device.driver_features, UINT64_C(0x100000002));
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	fake_driver_write_features(&driver, 0);
	is_int(device.driver_features, UINT64_C(0x100000002));
	tear_down();
}

static void test_feature_words_that_do_not_exist(void)
{
	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(wild_numbers); i++) {
		fake_driver_acknowledge(&driver);
		set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, wild_numbers[i]);
		set(VIRTIO_MMIO_DRIVER_FEATURES, 0);
		ok(!(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET));
		set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
		ok(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		is_int(device.driver_features, 0);
	}
	tear_down();
}

/* Class: queue selector out of range, then each register that uses it. */
static void test_queue_select_out_of_range(void)
{
	struct virtqueue before[NR_QUEUES];

	set_up();
	to_features_ok();
	memcpy(before, device.queues, sizeof(before));
	for (unsigned int i = 0; i < ARRAY_SIZE(wild_numbers); i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, wild_numbers[i]);
		is_int(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		is_int(get(VIRTIO_MMIO_QUEUE_READY), 0);
		for (unsigned int j = 0; j < ARRAY_SIZE(queue_registers); j++)
			set(queue_registers[j], 16);
		set(VIRTIO_MMIO_QUEUE_READY, 1);
		is_int(get(VIRTIO_MMIO_QUEUE_READY), 0);
	}
	ok(!memcmp(before, device.queues, sizeof(before)));
	tear_down();
}

/* Class: doorbell of a queue that does not exist, on a live device and on a fresh one. */
static void test_notify_out_of_range(void)
{
	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(wild_numbers); i++) {
		ok(fake_driver_start(&driver));
		set(VIRTIO_MMIO_QUEUE_NOTIFY, wild_numbers[i]);
		ok(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		is_int(fake_driver_run(&driver, 10), 0);
		set(VIRTIO_MMIO_STATUS, 0);
		set(VIRTIO_MMIO_QUEUE_NOTIFY, wild_numbers[i]);
		is_int(fake_driver_run(&driver, 10), 0);
	}
	tear_down();
}

static void test_queue_sizes(void)
{
	set_up();
	to_features_ok();
	set(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE_MAX);
	is_int(device.queues[0].size, QUEUE_SIZE_MAX);
	for (unsigned int i = 0; i < ARRAY_SIZE(wild_numbers); i++) {
		if (wild_numbers[i] <= QUEUE_SIZE_MAX)
			continue;
		to_features_ok();
		set(VIRTIO_MMIO_QUEUE_NUM, wild_numbers[i]);
		is_int(device.queues[0].size, 0);
		ok(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	}
	tear_down();
}

static void write_all_queue_registers(uint32_t value)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(queue_registers); i++)
		set(queue_registers[i], value);
}

static void test_queue_registers_hold_their_halves(void)
{
	set_up();
	to_features_ok();
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0x11);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x22);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x44);
	set(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0x33);
	set(VIRTIO_MMIO_QUEUE_USED_HIGH, 0x55);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, UINT32_MAX);
	is_int(device.queues[1].descriptor_area.raw, UINT64_C(0x1100000022));
	is_int(device.queues[1].driver_area.raw, UINT64_C(0x3300000044));
	is_int(device.queues[1].device_area.raw, UINT64_C(0x55ffffffff));
	is_int(device.queues[0].descriptor_area.raw, 0);
	tear_down();
}

/* Class: queue registers changed outside their window, above all after activation. */
static void test_queue_registers_have_a_window(void)
{
	struct virtqueue before;

	set_up();
	write_all_queue_registers(16);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	is_int(device.queues[0].size, 0); /* status 0 */
	is_int(get(VIRTIO_MMIO_QUEUE_READY), 0);
	fake_driver_acknowledge(&driver);
	write_all_queue_registers(16);
	is_int(device.queues[0].size, 0); /* ACKNOWLEDGE, DRIVER */
	is_int(device.queues[0].used != NULL, 0);

	to_features_ok();
	fake_driver_configure_queue(&driver, 0);
	memcpy(&before, &device.queues[0], sizeof(before));
	write_all_queue_registers(32);
	ok(!memcmp(&before, &device.queues[0], sizeof(before))); /* ready */
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	is_int(get(VIRTIO_MMIO_QUEUE_READY), 0);
	write_all_queue_registers(32);
	is_int(device.queues[0].size, 32); /* not ready again */

	ok(fake_driver_start(&driver));
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	memcpy(&before, &device.queues[0], sizeof(before));
	write_all_queue_registers(64);
	write_all_queue_registers(UINT32_MAX);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	ok(!memcmp(&before, &device.queues[0], sizeof(before))); /* live */
	ok(virtio_device_is_live(&device));
	tear_down();
}

/* Class: the same from a second processor while requests are served. */
static void *rewrite_registers(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		for (uint32_t queue = 0; queue < 3; queue++) {
			set(VIRTIO_MMIO_QUEUE_SEL, queue);
			write_all_queue_registers(UINT32_MAX);
			set(VIRTIO_MMIO_QUEUE_READY, 0);
		}
		(void)get(VIRTIO_MMIO_INTERRUPT_STATUS);
		set(VIRTIO_MMIO_INTERRUPT_ACK, 3);
	}
	return NULL;
}

static void test_registers_while_serving(void)
{
	struct fake_buffer buffer = { FAKE_BUFFERS, 8 };
	pthread_t thread;
	bool stop = false;
	unsigned int nr_used = 0;
	uint32_t id;
	uint32_t len;

	set_up();
	ok(fake_driver_start(&driver));
	is_int(pthread_create(&thread, NULL, rewrite_registers, &stop), 0);
	for (unsigned int i = 0; i < 5000; i++) {
		(void)fake_driver_add(&driver, 0, &buffer, 1, NULL, 0);
		fake_driver_kick(&driver, 0);
		(void)fake_driver_run(&driver, 4);
		nr_used += fake_driver_take_used(&driver, 0, &id, &len);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	is_int(nr_used, 5000);
	is_int(nr_served, 5000);
	ok(virtio_device_is_live(&device));
	tear_down();
}

/* Used buffers are said to be there while there is a driver; KVM takes what acknowledges them. */
static void test_interrupt_registers(void)
{
	set_up();
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ok(fake_driver_start(&driver));
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	pthread_mutex_lock(&device.lock);
	virtio_device_config_changed(&device);
	pthread_mutex_unlock(&device.lock);
	is_int(fake_driver_take_interrupts(&driver), 1);
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	set(VIRTIO_MMIO_STATUS, 0);
	is_int(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	tear_down();
}

static void test_config_space(void)
{
	static const uint8_t expected[64] = { 1, 2, 3, 4, 5, 6 };
	uint8_t data[8];

	set_up();
	memset(data, 0xee, sizeof(data));
	for (uint32_t len = 1; len <= 8; len *= 2)
		for (uint64_t offset = 0; offset < 16; offset++)
			virtio_mmio_access(&device, VIRTIO_MMIO_CONFIG + offset, data, len, true);
	virtio_mmio_access(&device, VIRTIO_MMIO_SIZE - 8, data, 8, true);
	virtio_mmio_access(&device, UINT64_MAX - 7, data, 8, true);
	set(VIRTIO_MMIO_STATUS, 0);
	ok(!memcmp(fake_driver_config(&driver), expected, sizeof(expected)));
	tear_down();
}

static void test_device_without_config(void)
{
	set_up();
	device.config = NULL;
	device.config_size = 0;
	memset(driver.registers, 0, sizeof(driver.registers));
	virtio_mmio_show(&device);
	is_int(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	is_int(get(VIRTIO_MMIO_CONFIG), 0);
	tear_down();
}

/* Whoever changes something is who shows it: the driver need not write for that. */
static void test_changes_are_shown(void)
{
	uint32_t generation;

	set_up();
	ok(fake_driver_start(&driver));
	generation = get(VIRTIO_MMIO_CONFIG_GENERATION);
	pthread_mutex_lock(&device.lock);
	config[0] = 99;
	device.device_id = 77;
	virtio_device_config_changed(&device);
	is_int(fake_driver_config(&driver)[0], 99);
	is_int(get(VIRTIO_MMIO_DEVICE_ID), 77);
	ok(get(VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	config[0] = 1;
	device.device_id = 42;
	virtio_device_fail(&device, "for the test");
	pthread_mutex_unlock(&device.lock);
	ok(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	is_int(fake_driver_take_interrupts(&driver), 2);
	tear_down();
}

/* Class: short, wide, unaligned and straddling accesses to every register. They do nothing. */
static void test_wrong_widths(void)
{
	struct virtio_device before;

	set_up();
	ok(fake_driver_start(&driver));
	memcpy(&before, &device, sizeof(before));
	for (uint64_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset++) {
		for (uint32_t len = 1; len <= 8; len *= 2) {
			uint8_t data[8];

			if (len == 4 && offset % 4 == 0)
				continue;
			memset(data, 0xff, sizeof(data));
			virtio_mmio_access(&device, offset, data, len, true);
		}
	}
	is_int(device.status, before.status);
	is_int(device.queue_select, before.queue_select);
	is_int(device.driver_features, before.driver_features);
	ok(!memcmp(before.queues, device.queues, sizeof(before.queues)));
	is_int(fake_driver_run(&driver, 10), 0);
	tear_down();
}

/* Registers that the specification does not have read 0, and swallow writes. */
static void test_unknown_registers(void)
{
	static const uint64_t unknown[] = { 0x18, 0x1c, 0x28, 0x3c, 0x40, 0x48, 0x4c,
					    0x54, 0x68, 0x74, 0xa8, 0xc0, 0xf8 };

	set_up();
	ok(fake_driver_start(&driver));
	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		set(unknown[i], UINT32_MAX);
		is_int(get(unknown[i]), 0);
	}
	ok(virtio_device_is_live(&device));
	tear_down();
}

int main(void)
{
	test_constant_registers();
	test_feature_words();
	test_features_are_written_in_one_state_only();
	test_feature_words_that_do_not_exist();
	test_queue_select_out_of_range();
	test_notify_out_of_range();
	test_queue_sizes();
	test_queue_registers_hold_their_halves();
	test_queue_registers_have_a_window();
	test_registers_while_serving();
	test_interrupt_registers();
	test_config_space();
	test_changes_are_shown();
	test_device_without_config();
	test_wrong_widths();
	test_unknown_registers();
	return tap_done();
}
