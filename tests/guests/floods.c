/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More than anybody wants: bytes for the console and the log, requests for random bytes, faults,
 * interrupts. The test measures from outside what it costs the monitor.
 */
#include <linux/virtio_mmio.h>

#include "tests/guests/attack.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"
#include "vmm/boot/memory_layout.h"

#define CONSOLE_BYTES (24 * MIB) /* more than the mirror of the console takes */
#define PORT_BYTES (4 * 1024u)
#define CHUNK (64 * 1024u)
#define NR_FAULTS 20
#define NR_DOORBELLS 500
#define NR_RNG 20

static uint8_t bytes[CHUNK] __attribute__((aligned(4096)));

static void fill_console(struct device *device)
{
	uint32_t written;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 96 == 95 ? '\n' : 33 + i % 90);
	for (uint64_t sent = 0; sent < CONSOLE_BYTES; sent += sizeof(bytes))
		if (!device_request(device, device->main_queue, bytes, sizeof(bytes), NULL, 0,
				    &written))
			return;
}

/* Control characters that a terminal would obey, and every other byte. */
static void fill_console_with_anything(struct device *device)
{
	uint32_t written;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	(void)device_request(device, device->main_queue, bytes, sizeof(bytes), NULL, 0, &written);
}

static void fill_port(struct device *device)
{
	(void)device;
	for (uint32_t sent = 0; sent < PORT_BYTES; sent += PAGE_SIZE)
		out_string(LAYOUT_EARLY_CONSOLE_PORT, bytes, PAGE_SIZE);
}

/* All buffers at once, each larger than one answer. */
static void random_bytes(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	interrupts_enable();
	for (unsigned int i = 0; i < ring->size; i++)
		ring_describe(ring, i, 32 * MIB, 16 * MIB, VRING_DESC_F_WRITE, 0);
	for (unsigned int i = 0; i < NR_RNG; i++) {
		uint32_t written;

		ring_offer(ring, (uint16_t)(i % ring->size));
		device_ring(device, device->main_queue);
		if (!ring_await(device_main_ring(device), &written))
			break;
	}
	interrupts_disable();
}

/* Each is worth a line in the log, but not so many lines. */
static void faults(struct device *device)
{
	for (unsigned int i = 0; i < NR_FAULTS; i++) {
		device_ring(device, UINT32_MAX - i);
		device_set_status(device, 0);
	}
}

static void doorbells(struct device *device)
{
	for (unsigned int i = 0; i < NR_DOORBELLS; i++)
		device_ring(device, i % device->nr_queues);
}

void flood(void)
{
	static const struct attack on_all[] = {
		{ "fault upon fault", EITHER, faults },
		{ "doorbell storm", GOES_ON, doorbells },
	};
	static const struct attack on_console[] = {
		{ "every byte there is", GOES_ON, fill_console_with_anything },
		{ "4 KiB through the port", GOES_ON, fill_port },
	};
	static const struct attack on_rng[] = { { "large requests", GOES_ON, random_bytes } };

	attack_device(&devices[DEVICE_RNG], on_rng, ARRAY_SIZE(on_rng));
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		attack_device(&devices[i], on_all, ARRAY_SIZE(on_all));
	attack_device(&devices[DEVICE_CONSOLE], on_console, ARRAY_SIZE(on_console));
}

void flood_console(void)
{
	static const struct attack attack = { "24 MiB of output", GOES_ON, fill_console };

	attack_device(&devices[DEVICE_CONSOLE], &attack, 1);
}

/* --- for the test to watch ------------------------------------------------------------------- */

static void ring_all(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		for (unsigned int j = 0; j < devices[i].nr_queues; j++)
			device_ring(&devices[i], j);
}

/* Doorbells of all devices, from both processors, until the machine is ended. */
void storm(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		device_start(&devices[i]);
	if (!second_processor_work(ring_all))
		report_result(false, "storm", "a second processor");
	report("storm\n");
	for (;;)
		ring_all();
}
