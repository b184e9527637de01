/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved device: the input is its state. Whatever that is, a device either refuses it or is one
 * that comes to rest, does not leave guest memory, and serves a driver that resets it.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/device_target.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/device_state.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_packet.h"

#define MAX_EVENTS_TO_REST 10000
#define RINGS_SIZE 0x20000u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_connect(void *service, struct vsock_connection *connection, uint32_t port)
{
	(void)service;
	(void)connection;
	return port % 2;
}

static void on_event(void *context)
{
	(void)context;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return device_target_init();
}

/* What is behind the device's state becomes the low memory, where its rings may be. */
static void fill_memory(struct fake_driver *driver, const struct byte_reader *rest)
{
	size_t len = min_u64(rest->left, RINGS_SIZE);

	if (len)
		memcpy(fake_driver_bytes(driver, 0, RINGS_SIZE), rest->data, len);
}

static void check_device(struct fake_driver *driver)
{
	BUG_ON(fake_driver_run(driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	fake_driver_reset(driver);
	BUG_ON(!fake_driver_start(driver));
	BUG_ON(fake_driver_run(driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vsock_service service = { on_connect, on_event, on_event, on_event };
	static struct fake_driver driver;
	struct byte_reader reader = { .data = data, .left = size };
	struct vsock_header request;
	struct vsock *vsock;
	static struct error err;

	fake_driver_init(&driver);
	BUG_ON(vsock_new(&vsock, &service, NULL, &driver.memory, &driver.loop, driver.transport,
			 &err) < 0);
	driver.device = vsock_device(vsock);
	for (unsigned int i = 0; i < VSOCK_NR_QUEUES; i++)
		driver.queues[i].size = 16;
	(void)byte_reader_get(&reader, &request, sizeof(request));
	if (!vsock_expect(vsock, &request)) {
		/* The rings are read while the device is restored, as in a machine. */
		if (size > sizeof(request))
			fill_memory(&driver, &reader);
		if (!device_state_restore(driver.device, &reader, &err))
			check_device(&driver);
	}
	vsock_free(vsock);
	fake_driver_fini(&driver);
	return 0;
}
