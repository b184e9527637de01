/* SPDX-License-Identifier: Apache-2.0 */
/* The console device: output reaches the boot log, input never comes, work is bounded. */
#include <linux/virtio_mmio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/virtio/console.h"

#define RECEIVE 0
#define TRANSMIT 1

static struct fake_driver driver;
static struct boot_log boot_log;
static struct console console;
static char text[BOOT_LOG_SIZE + 1];

static void set_up(void)
{
	struct error err;

	fake_driver_init(&driver);
	boot_log_init(&boot_log, -1, 0);
	is_int(console_init(&console, &boot_log, &driver.memory, &driver.loop, driver.transport,
			    &err),
	       0);
	driver.device = &console.device;
	ok(fake_driver_start(&driver));
}

static void tear_down(void)
{
	console_fini(&console, &driver.loop);
	boot_log_fini(&boot_log);
	fake_driver_fini(&driver);
}

static void test_identity(void)
{
	set_up();
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 3);
	fake_driver_write(&driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	/* Neither size nor multiport nor emergency write: only the event index. */
	is_int(fake_driver_read(&driver, VIRTIO_MMIO_DEVICE_FEATURES), 1U << 29);
	tear_down();
}

static void test_output_is_logged(void)
{
	struct fake_buffer parts[2] = { { FAKE_BUFFERS + 0x1000, 6 }, { FAKE_LOW_SIZE - 6, 6 } };
	uint32_t id;
	uint32_t len;

	set_up();
	memcpy(fake_driver_bytes(&driver, parts[0].gpa, 6), "hello ", 6);
	memcpy(fake_driver_bytes(&driver, parts[1].gpa, 6), "world\n", 6);
	(void)fake_driver_add(&driver, TRANSMIT, parts, 2, NULL, 0);
	(void)fake_driver_request(&driver, TRANSMIT, "again", 5, 100, NULL);
	fake_driver_kick(&driver, TRANSMIT);
	is_int(fake_driver_run(&driver, 10), 1);
	(void)boot_log_tail(&boot_log, 2, text, sizeof(text));
	is_str(text, "hello world\nagain");
	ok(fake_driver_take_used(&driver, TRANSMIT, &id, &len));
	is_int(len, 0);
	ok(fake_driver_take_used(&driver, TRANSMIT, &id, &len));
	is_int(len, 0); /* the writable segment is left alone */
	is_int(fake_driver_take_interrupts(&driver), 1);
	tear_down();
}

static void test_input_never_comes(void)
{
	uint32_t id;
	uint32_t len;

	set_up();
	(void)fake_driver_request(&driver, RECEIVE, NULL, 0, 64, NULL);
	fake_driver_kick(&driver, RECEIVE);
	is_int(fake_driver_run(&driver, 10), 1);
	ok(!fake_driver_take_used(&driver, RECEIVE, &id, &len));
	is_int(fake_driver_take_interrupts(&driver), 0);
	tear_down();
}

/* Class: a chain of overlapping buffers that add up to much more than RAM. */
static void test_request_is_bounded(void)
{
	int fd = memfd_create("mirror", MFD_CLOEXEC);
	struct fake_buffer buffers[16];
	uint32_t id;
	uint32_t len;

	set_up();
	boot_log_init(&boot_log, fd, UINT64_MAX);
	memset(fake_driver_bytes(&driver, FAKE_BUFFERS, 0x100000), 'x', 0x100000);
	for (unsigned int i = 0; i < 16; i++)
		buffers[i] = (struct fake_buffer){ FAKE_BUFFERS, 0x100000 };
	(void)fake_driver_add(&driver, TRANSMIT, buffers, 16, NULL, 0);
	fake_driver_kick(&driver, TRANSMIT);
	(void)fake_driver_run(&driver, 1);
	ok(fake_driver_take_used(&driver, TRANSMIT, &id, &len));
	is_int(lseek(fd, 0, SEEK_END), 64 * 1024);
	tear_down();
	(void)close(fd);
}

/* Class: one device starves the others. */
static void test_wakeup_is_bounded(void)
{
	struct fake_buffer buffer = { FAKE_BUFFERS, 40 * 1024 };
	unsigned int nr_used = 0;
	uint32_t id;
	uint32_t len;

	set_up();
	for (unsigned int i = 0; i < 6; i++)
		(void)fake_driver_add(&driver, TRANSMIT, &buffer, 1, NULL, 0);
	fake_driver_kick(&driver, TRANSMIT);
	is_int(fake_driver_run(&driver, 1), 1);
	while (fake_driver_take_used(&driver, TRANSMIT, &id, &len))
		nr_used++;
	is_int(nr_used, 2);
	(void)fake_driver_run(&driver, 10);
	while (fake_driver_take_used(&driver, TRANSMIT, &id, &len))
		nr_used++;
	is_int(nr_used, 6);
	tear_down();
}

int main(void)
{
	test_identity();
	test_output_is_logged();
	test_input_never_comes();
	test_request_is_bounded();
	test_wakeup_is_bounded();
	return tap_done();
}
