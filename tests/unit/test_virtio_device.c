/* SPDX-License-Identifier: Apache-2.0 */
/* The status machine against a model of it, activation, doorbells, failure and its log. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"
#include "vmm/virtio/virtio_device.h"

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED
#define LIVE (ACK | DRIVER | FEATURES_OK | DRIVER_OK)

#define VERSION_1 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define OWN_FEATURE UINT64_C(4)

/* A device of three queues that counts what happens to it and serves nothing. */
static struct fake_driver driver;
static struct virtio_device device;
static unsigned int nr_activations;
static unsigned int nr_resets;
static unsigned int nr_doorbells[VIRTIO_DEVICE_MAX_QUEUES];

static void on_activate(struct virtio_device *activated)
{
	nr_activations += activated == &device && virtio_device_is_live(activated);
}

static void on_queue(struct virtio_device *rung, unsigned int index)
{
	(void)rung;
	nr_doorbells[index]++;
}

static void on_reset(struct virtio_device *reset)
{
	(void)reset;
	nr_resets++;
}

static const struct virtio_device_ops counting_ops = { on_activate, on_queue, on_reset };
static const struct virtio_device_ops least_ops = { .on_queue = on_queue };

static void set_up_with(const struct virtio_device_ops *ops)
{
	struct error err;

	fake_driver_init(&driver);
	device = (struct virtio_device){
		.name = "test",
		.device_id = 42,
		.device_features = OWN_FEATURE,
		.ops = ops,
		.nr_queues = 3,
		.queue_size_max = 64,
	};
	nr_activations = 0;
	nr_resets = 0;
	memset(nr_doorbells, 0, sizeof(nr_doorbells));
	is_int(virtio_device_init(&device, &driver.memory, &driver.loop, driver.transport, &err),
	       0);
	driver.device = &device;
}

static void set_up(void)
{
	set_up_with(&counting_ops);
}

static void tear_down(void)
{
	virtio_device_fini(&device, &driver.loop);
	fake_driver_fini(&driver);
}

static uint32_t status(void)
{
	return fake_driver_read(&driver, VIRTIO_MMIO_STATUS);
}

static void write_status(uint32_t value)
{
	fake_driver_write(&driver, VIRTIO_MMIO_STATUS, value);
}

/* Bring a fresh device to @target, one of the valid states. */
static void walk_to(uint32_t target)
{
	static const uint32_t steps[] = { ACK, ACK | DRIVER, ACK | DRIVER | FEATURES_OK, LIVE };

	for (unsigned int i = 0; i < ARRAY_SIZE(steps) && status() != target; i++) {
		if (steps[i] & FEATURES_OK)
			fake_driver_write_features(&driver, VERSION_1);
		write_status(steps[i]);
	}
}

/* What section 3.1.1 says must be the status after @from and a write of @value. */
static uint32_t model(uint32_t from, uint32_t value)
{
	static const uint32_t next[][2] = {
		{ 0, ACK },
		{ ACK, ACK | DRIVER },
		{ ACK | DRIVER, ACK | DRIVER | FEATURES_OK },
		{ ACK | DRIVER | FEATURES_OK, LIVE },
	};

	if (value == 0 || value == from || value == (from | FAILED))
		return value;
	for (unsigned int i = 0; i < ARRAY_SIZE(next); i++)
		if (next[i][0] == from && next[i][1] == value)
			return value;
	return from | NEEDS_RESET;
}

/* Class: illegal status transitions. Every valid state, every value of the register. */
static void test_every_transition(void)
{
	static const uint32_t states[] = { 0, ACK, ACK | DRIVER, ACK | DRIVER | FEATURES_OK, LIVE };
	unsigned int nr_wrong = 0;

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
		for (uint32_t value = 0; value < 0x200; value++) {
			uint32_t got;

			write_status(0);
			walk_to(states[i]);
			if (value & FEATURES_OK)
				fake_driver_write_features(&driver, VERSION_1);
			write_status(value);
			got = status();
			if (got == model(states[i], value))
				continue;
			printf("# %#x after %#x gave %#x\n", value, states[i], got);
			nr_wrong++;
		}
		write_status(0);
		walk_to(states[i]);
		write_status(UINT32_MAX);
		is_int(status(), states[i] | NEEDS_RESET);
	}
	is_int(nr_wrong, 0);
	tear_down();
}

/* Nothing but a reset leads out of a failed device. */
static void test_only_reset_ends_failure(void)
{
	set_up();
	ok(fake_driver_start(&driver));
	write_status(ACK);
	is_int(status(), LIVE | NEEDS_RESET);
	ok(!virtio_device_is_live(&device));
	write_status(LIVE);
	is_int(status(), LIVE | NEEDS_RESET);
	write_status(LIVE | NEEDS_RESET | FAILED);
	is_int(status(), LIVE | NEEDS_RESET | FAILED);
	ok(fake_driver_start(&driver));
	tear_down();
}

static void test_failed_by_the_driver(void)
{
	set_up();
	ok(fake_driver_start(&driver));
	write_status(LIVE | FAILED);
	is_int(status(), LIVE | FAILED);
	fake_driver_kick(&driver, 0);
	(void)fake_driver_run(&driver, 10);
	is_int(nr_doorbells[0], 0);
	tear_down();
}

/* Class: features that were not offered, or not the one that is required. */
static void test_features_ok_is_refused(void)
{
	static const struct {
		uint64_t features;
		bool is_accepted;
	} cases[] = {
		{ VERSION_1, true },
		{ VERSION_1 | EVENT_IDX | OWN_FEATURE, true },
		{ 0, false },
		{ EVENT_IDX | OWN_FEATURE, false },
		{ VERSION_1 | 1, false },
		{ VERSION_1 | UINT64_C(1) << 28, false }, /* indirect descriptors */
		{ VERSION_1 | UINT64_C(1) << 34, false }, /* packed rings */
		{ UINT64_MAX, false },
	};

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_driver_acknowledge(&driver);
		fake_driver_write_features(&driver, cases[i].features);
		write_status(ACK | DRIVER | FEATURES_OK);
		is_int(status(), ACK | DRIVER | (cases[i].is_accepted ? FEATURES_OK : 0));
		write_status(LIVE);
		is_int(virtio_device_is_live(&device), cases[i].is_accepted);
	}
	tear_down();
}

/* Class: a driver is served that cannot understand what it gets. */
static void test_required_features(void)
{
	static const uint64_t accepted[] = { VERSION_1 | OWN_FEATURE,
					     VERSION_1 | OWN_FEATURE | EVENT_IDX };
	static const uint64_t refused[] = { VERSION_1, VERSION_1 | EVENT_IDX, OWN_FEATURE };

	set_up();
	device.required_features = OWN_FEATURE;
	for (unsigned int i = 0; i < ARRAY_SIZE(accepted) + ARRAY_SIZE(refused); i++) {
		bool is_accepted = i < ARRAY_SIZE(accepted);

		fake_driver_acknowledge(&driver);
		fake_driver_write_features(
			&driver, is_accepted ? accepted[i] : refused[i - ARRAY_SIZE(accepted)]);
		write_status(ACK | DRIVER | FEATURES_OK);
		is_int(status(), ACK | DRIVER | (is_accepted ? FEATURES_OK : 0));
	}
	tear_down();
}

static void test_config_changed(void)
{
	set_up();
	virtio_device_config_changed(&device);
	is_int(fake_driver_take_interrupts(&driver), 0); /* no driver is there to be told */
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION), 1);
	ok(fake_driver_start(&driver));
	virtio_device_config_changed(&device);
	is_int(fake_driver_take_interrupts(&driver), 1);
	ok(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION), 2);
	tear_down();
}

static void test_init_adds_the_transport_features(void)
{
	set_up();
	is_int(device.device_features, VERSION_1 | EVENT_IDX | OWN_FEATURE);
	tear_down();
}

static void test_init_fails_without_descriptors(void)
{
	struct event_loop broken = { .epoll_fd = -1 };
	struct virtio_device other = {
		.name = "other", .ops = &least_ops, .nr_queues = 1, .queue_size_max = 1
	};
	struct error err;

	fake_driver_init(&driver);
	is_int(virtio_device_init(&other, &driver.memory, &broken, driver.transport, &err), -EBADF);
	ok(strstr(err.text, "virtio other device") != NULL);
	is_int(other.doorbell_fds[0], -1);
	fake_driver_fini(&driver);
}

static void test_activation(void)
{
	set_up();
	ok(fake_driver_start(&driver));
	is_int(nr_activations, 1);
	for (unsigned int i = 0; i < 3; i++)
		ok(device.queues[i].is_active && device.queues[i].has_event_index);
	write_status(LIVE);
	is_int(nr_activations, 1); /* the same value again is no event */
	tear_down();
}

/* Class: fewer queues activated than the device has. */
static void test_activation_of_some_queues(void)
{
	set_up();
	for (unsigned int nr = 0; nr <= 3; nr++) {
		fake_driver_acknowledge(&driver);
		fake_driver_write_features(&driver, VERSION_1);
		write_status(ACK | DRIVER | FEATURES_OK);
		for (unsigned int i = 0; i < nr; i++)
			fake_driver_configure_queue(&driver, i);
		write_status(LIVE);
		ok(virtio_device_is_live(&device));
		memset(nr_doorbells, 0, sizeof(nr_doorbells));
		for (unsigned int i = 0; i < 3; i++) {
			is_int(device.queues[i].is_active, i < nr);
			ok(!device.queues[i].has_event_index);
			fake_driver_kick(&driver, i);
		}
		is_int(fake_driver_run(&driver, 10), 3);
		for (unsigned int i = 0; i < 3; i++)
			is_int(nr_doorbells[i], i < nr);
	}
	tear_down();
}

/* Class: failed activation, which must end in a device that needs a reset, and works after it. */
static void test_activation_fails(void)
{
	set_up();
	driver.queues[1].used = FAKE_MMIO_WINDOW;
	ok(!fake_driver_start(&driver));
	is_int(status(), LIVE | NEEDS_RESET);
	is_int(nr_activations, 0);
	for (unsigned int i = 0; i < 3; i++)
		ok(!device.queues[i].is_active);
	is_int(fake_driver_take_interrupts(&driver), 1);
	ok(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	driver.queues[1].used = driver.queues[0].used + 0x1000;
	ok(fake_driver_start(&driver));
	is_int(nr_activations, 1);
	tear_down();
}

static void test_doorbells(void)
{
	set_up();
	fake_driver_kick(&driver, 0);
	is_int(fake_driver_run(&driver, 10), 1);
	is_int(nr_doorbells[0], 0); /* not live */
	ok(fake_driver_start(&driver));
	fake_driver_kick(&driver, 2);
	fake_driver_kick(&driver, 2);
	is_int(fake_driver_run(&driver, 10), 1);
	is_int(nr_doorbells[2], 1);
	is_int(nr_doorbells[0] + nr_doorbells[1], 0);
	virtio_device_ring(&device, 1);
	is_int(fake_driver_run(&driver, 10), 1);
	is_int(nr_doorbells[1], 1);
	tear_down();
}

static void test_reset_forgets_everything(void)
{
	set_up();
	ok(fake_driver_start(&driver));
	nr_resets = 0;
	fake_driver_write(&driver, VIRTIO_MMIO_QUEUE_SEL, 1);
	device.has_new_config = true;
	write_status(0);
	is_int(nr_resets, 1);
	is_int(status(), 0);
	is_int(device.driver_features, 0);
	is_int(device.queue_select, 0);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	for (unsigned int i = 0; i < 3; i++) {
		ok(!device.queues[i].is_active && !device.queues[i].is_ready);
		is_int(device.queues[i].descriptor_area.raw, 0);
	}
	tear_down();
}

/* on_activate and on_reset are optional. */
static void test_least_device(void)
{
	set_up_with(&least_ops);
	ok(fake_driver_start(&driver));
	write_status(0);
	is_int(status(), 0);
	tear_down();
}

static void test_pop_and_notify(void)
{
	struct virtqueue_chain chain;
	struct fake_buffer buffer = { FAKE_BUFFERS, 8 };

	set_up();
	ok(fake_driver_start(&driver));
	ok(!virtio_device_pop(&device, 1, &chain));
	is_int(status(), LIVE);
	for (unsigned int i = 0; i < 3; i++)
		(void)fake_driver_add(&driver, 1, &buffer, 1, NULL, 0);
	for (unsigned int i = 0; i < 3; i++)
		ok(virtio_device_pop(&device, 1, &chain));
	is_int(fake_driver_available_event(&driver, 1), 0);
	ok(!virtio_device_pop(&device, 1, &chain)); /* none left: asks for a doorbell */
	is_int(fake_driver_available_event(&driver, 1), 3);

	virtio_device_notify(&device, 1);
	is_int(fake_driver_take_interrupts(&driver), 0); /* nothing was pushed */
	virtqueue_push(&device.queues[1], chain.head, 0);
	virtio_device_notify(&device, 1);
	is_int(fake_driver_take_interrupts(&driver), 1);
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	tear_down();
}

static void test_pop_fails_the_device(void)
{
	struct virtqueue_chain chain;

	set_up();
	ok(fake_driver_start(&driver));
	fake_driver_make_available(&driver, 0, 1000);
	ok(!virtio_device_pop(&device, 0, &chain));
	is_int(status(), LIVE | NEEDS_RESET);
	is_int(fake_driver_take_interrupts(&driver), 1);
	ok(fake_driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	ok(!device.queues[1].is_active); /* all queues stop, not only this one */
	ok(!virtio_device_pop(&device, 0, &chain));
	is_int(fake_driver_take_interrupts(&driver), 0);
	tear_down();
}

/* Before DRIVER_OK a failure is silent, for the driver expects no interrupt yet. */
static void test_fail_before_driver_ok(void)
{
	set_up();
	write_status(ACK);
	write_status(LIVE);
	is_int(status(), ACK | NEEDS_RESET);
	is_int(fake_driver_take_interrupts(&driver), 0);
	tear_down();
}

/* Class: log lines that a guest can trigger without end. */
static void test_log_is_bounded(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	char path[64];
	static char text[64 * 1024];
	unsigned int nr_lines = 0;
	ssize_t len;
	struct error err;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	is_int(log_open(path, false, false, &err), 0);
	set_up();
	for (unsigned int i = 0; i < 10000; i++) {
		write_status(0);
		write_status(LIVE);
	}
	len = pread(fd, text, sizeof(text), 0);
	for (ssize_t i = 0; i < len; i++)
		nr_lines += text[i] == '\n';
	ok(nr_lines >= 1);
	ok(nr_lines <= 8);
	ok(len > 0 && memmem(text, (size_t)len, "virtio test device", 18) != NULL);
	tear_down();
	is_int(log_open("/dev/null", false, false, &err), 0);
	(void)close(fd);
}

int main(void)
{
	test_log_is_bounded();
	test_every_transition();
	test_only_reset_ends_failure();
	test_failed_by_the_driver();
	test_features_ok_is_refused();
	test_required_features();
	test_config_changed();
	test_init_adds_the_transport_features();
	test_init_fails_without_descriptors();
	test_activation();
	test_activation_of_some_queues();
	test_activation_fails();
	test_doorbells();
	test_reset_forgets_everything();
	test_least_device();
	test_pop_and_notify();
	test_pop_fails_the_device();
	test_fail_before_driver_ok();
	return tap_done();
}
