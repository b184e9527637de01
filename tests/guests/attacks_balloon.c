/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of memory that is not free, or far too much of it (virtio 1.2, section 5.5.6.7). */
#include <linux/virtio_mmio.h>

#include "tests/guests/attack.h"
#include "tests/guests/runtime.h"

#define INFLATE 0
#define DEFLATE 1
#define ABOVE_PAYLOAD (32 * MIB)
#define PAYLOAD_PAGE 0x1000u /* where its code is, as the balloon counts pages */
#define NR_RESETS 10
#define NR_REPORTS 50

/* One report of @nr times the same range, which is not waited for. */
static void report_range(struct device *device, uint64_t begin, uint64_t len, unsigned int nr)
{
	const struct ring *ring = device_main_ring(device);

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int flags = VRING_DESC_F_WRITE | (i + 1 < nr ? VRING_DESC_F_NEXT : 0);

		ring_describe(ring, i, begin, (uint32_t)len, (uint16_t)flags, (uint16_t)(i + 1));
	}
	ring_offer(ring, 0);
	device_ring(device, device->main_queue);
}

static void all_above_payload(struct device *device)
{
	/* At its end are the tasks. */
	report_range(device, ABOVE_PAYLOAD, ram_end() - MIB - ABOVE_PAYLOAD, device->queue_size);
}

static void again_and_again(struct device *device)
{
	uint32_t written;

	for (unsigned int i = 0; i < NR_REPORTS; i++) {
		memset((void *)(uintptr_t)ABOVE_PAYLOAD, 1, MIB);
		report_range(device, ABOVE_PAYLOAD, MIB, 2);
		if (!ring_await(device_main_ring(device), &written))
			return;
	}
}

static void rings_of(struct device *device, const struct device *victim)
{
	const struct ring *ring = &victim->rings[victim->main_queue];

	report_range(device, (uintptr_t)ring->available, PAGE_SIZE, 1);
	report_range(device, (uintptr_t)ring->used, PAGE_SIZE, 1);
	report_range(device, (uintptr_t)ring->descriptors, PAGE_SIZE, 1);
}

static void own_rings(struct device *device)
{
	rings_of(device, device);
}

static void rings_of_another(struct device *device)
{
	device_start(&devices[DEVICE_FS]);
	rings_of(device, &devices[DEVICE_FS]);
}

static void resets_in_reports(struct device *device)
{
	for (unsigned int i = 0; i < NR_RESETS; i++) {
		device_start(device);
		all_above_payload(device);
		pause_for(random_number() % 100000);
	}
}

/* The balloon's size is 0: neither takes the payload's pages away. */
static void number_pages(struct device *device, unsigned int queue)
{
	static uint32_t numbers[64];
	uint32_t written;

	for (uint32_t i = 0; i < ARRAY_SIZE(numbers); i++)
		numbers[i] = i < 32 ? PAYLOAD_PAGE + i : UINT32_MAX - i;
	device_negotiate(device, device->features);
	device_place_properly(device, queue);
	device_set_status(device, STATUS_DRIVER_OK);
	(void)device_request(device, queue, numbers, sizeof(numbers), NULL, 0, &written);
}

static void pages_into_balloon(struct device *device)
{
	number_pages(device, INFLATE);
}

static void pages_out_of_balloon(struct device *device)
{
	number_pages(device, DEFLATE);
}

void report_all_memory(void)
{
	device_start(&devices[DEVICE_BALLOON]);
	report_range(&devices[DEVICE_BALLOON], 0, ram_end(), 1);
	pause_for(PATIENCE);
}

void attack_balloon(void)
{
	static const struct attack attacks[] = {
		{ "all memory above the payload, 32 times", EITHER, all_above_payload },
		{ "memory in use, again and again", GOES_ON, again_and_again },
		{ "its own rings", EITHER, own_rings },
		{ "the rings of another device", GOES_ON, rings_of_another },
		{ "resets in the middle of reports", EITHER, resets_in_reports },
		{ "the payload's pages into the balloon", GOES_ON, pages_into_balloon },
		{ "the payload's pages out of the balloon", GOES_ON, pages_out_of_balloon },
	};

	attack_device(&devices[DEVICE_BALLOON], attacks, ARRAY_SIZE(attacks));
}
