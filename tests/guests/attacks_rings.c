/* SPDX-License-Identifier: Apache-2.0 */
/* Rings in wrong places and with wrong bytes, of every device (virtio 1.2, section 2.7). */
#include <linux/virtio_mmio.h>

#include "tests/guests/attack.h"
#include "tests/guests/runtime.h"
#include "vmm/boot/memory_layout.h"

#define ABOVE_ALL (UINT64_C(1) << 40)
#define LAST_ADDRESS UINT64_MAX
#define INDIRECT 4
#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define NR_RESETS 10

static uint8_t buffer[PAGE_SIZE] __attribute__((aligned(4096)));

/* --- where rings lie -------------------------------------------------------------------------- */

struct placement {
	const char *name;
	enum outcome outcome;
	uint32_t size; /* 0: the largest */
	uint64_t descriptors, available, used;
};

/* A ring placed like that, used once. */
static void try_placement(struct device *device, const struct placement *placement)
{
	device_negotiate(device, device->features);
	device_place(device, device->main_queue,
		     placement->size ? placement->size : device->queue_size, placement->descriptors,
		     placement->available, placement->used);
	device_set_status(device, STATUS_DRIVER_OK);
	device_ring(device, device->main_queue);
	conclude(device, placement->outcome, placement->name);
}

static void attack_placements(struct device *device)
{
	const struct ring *ring = device_main_ring(device);
	const uint64_t d = (uintptr_t)ring->descriptors, a = (uintptr_t)ring->available,
		       u = (uintptr_t)ring->used, end = ram_end(), apic = LAYOUT_LAPIC,
		       device_page = LAYOUT_VIRTIO_BASE;
	const struct placement placements[] = {
		{ "descriptors above RAM", FAILS, 0, end, a, u },
		{ "descriptors across the end of RAM", FAILS, 0, end - 16, a, u },
		{ "available ring across the end of RAM", FAILS, 0, d, end - 8, u },
		{ "used ring across the end of RAM", FAILS, 0, d, a, end - 8 },
		{ "descriptors that wrap", FAILS, 0, LAST_ADDRESS - 15, a, u },
		{ "available ring that wraps", FAILS, 0, d, LAST_ADDRESS - 1, u },
		{ "used ring that wraps", FAILS, 0, d, a, LAST_ADDRESS - 3 },
		{ "descriptors above 2^40", FAILS, 0, ABOVE_ALL, a, u },
		{ "used ring above 2^40", FAILS, 0, d, a, ABOVE_ALL },
		{ "available ring above 2^63", FAILS, 0, d, UINT64_C(1) << 63, u },
		{ "descriptors in device memory", FAILS, 0, device_page, a, u },
		{ "available ring in device memory", FAILS, 0, d, device_page, u },
		{ "used ring in device memory", FAILS, 0, d, a, device_page },
		{ "used ring in the interrupt controller", FAILS, 0, d, a, apic },
		{ "descriptors unaligned", FAILS, 0, d + 8, a, u },
		{ "available ring unaligned", FAILS, 0, d, a + 1, u },
		{ "used ring unaligned", FAILS, 0, d, a, u + 2 },
		{ "size not a power of two", FAILS, 3, d, a, u },
		{ "size above the maximum", FAILS, device->queue_size * 2u, d, a, u },
		{ "size 2^16", FAILS, 65536, d, a, u },
		{ "size 2^32 - 1", FAILS, UINT32_MAX, d, a, u },
		{ "size 1", GOES_ON, 1, d, a, u },
		{ "rings at address 0", EITHER, 0, 0, 0, 0 },
		{ "used ring over the available ring", EITHER, 0, d, a, a },
		{ "used ring over the descriptors", EITHER, 0, d, a, d },
		{ "all three in one place", EITHER, 0, d, d, d },
		{ "flush with the end of RAM", GOES_ON, 1, end - 48, end - 32, end - 16 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(placements); i++) {
		memset((void *)d, 0, PAGE_SIZE);
		memset((void *)a, 0, PAGE_SIZE);
		memset((void *)u, 0, PAGE_SIZE);
		try_placement(device, &placements[i]);
	}
}

static void size_zero(struct device *device)
{
	device_negotiate(device, device->features);
	device_place(device, device->main_queue, 0, 0, 0, 0);
	device_set_status(device, STATUS_DRIVER_OK);
}

/* All of it is ignored: a request goes through the old rings. If not, fail. */
static void move_live(struct device *device)
{
	device_place(device, device->main_queue, 1, ABOVE_ALL, ABOVE_ALL, ABOVE_ALL);
	device_write(device, VIRTIO_MMIO_QUEUE_READY, 0);
	device_write(device, VIRTIO_MMIO_QUEUE_SEL, device->nr_queues);
	device_write(device, VIRTIO_MMIO_QUEUE_NUM, UINT32_MAX);
	device_write(device, VIRTIO_MMIO_QUEUE_READY, 1);
	if (!device_still_answers(device))
		device_ring(device, UINT32_MAX);
}

/* --- what is in them -------------------------------------------------------------------------- */

/* Offer a chain of one descriptor. */
static void offer_one(struct device *device, uint64_t address, uint32_t len, uint16_t flags,
		      uint16_t next)
{
	ring_describe(device_main_ring(device), 0, address, len, flags, next);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, device->main_queue);
}

static void loop_of_one(struct device *device)
{
	offer_one(device, (uintptr_t)buffer, 16, NEXT, 0);
}

static void loop_of_two(struct device *device)
{
	ring_describe(device_main_ring(device), 1, (uintptr_t)buffer, 16, NEXT, 0);
	offer_one(device, (uintptr_t)buffer, 16, NEXT, 1);
}

/* As long as the table, and then back into its middle. */
static void loop_of_all(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	for (unsigned int i = 0; i < ring->size; i++)
		ring_describe(ring, i, (uintptr_t)buffer, 1, NEXT,
			      (uint16_t)(i + 1 < ring->size ? i + 1 : ring->size / 2));
	ring_offer(ring, 0);
	device_ring(device, device->main_queue);
}

static void next_outside(struct device *device)
{
	offer_one(device, (uintptr_t)buffer, 16, NEXT, device->queue_size);
}

static void next_far_outside(struct device *device)
{
	offer_one(device, (uintptr_t)buffer, 16, NEXT, UINT16_MAX);
}

static void head_outside(struct device *device)
{
	ring_offer(device_main_ring(device), device->queue_size);
	device_ring(device, device->main_queue);
}

static void indirect(struct device *device)
{
	ring_describe(device_main_ring(device), 1, (uintptr_t)buffer, 16, 0, 0);
	offer_one(device, (uintptr_t)device_main_ring(device)->descriptors + 16, 16, INDIRECT, 0);
}

static void length_zero(struct device *device)
{
	offer_one(device, (uintptr_t)buffer, 0, 0, 0);
}

static void length_huge(struct device *device)
{
	offer_one(device, (uintptr_t)buffer, UINT32_MAX, WRITE, 0);
}

static void length_to_behind_ram(struct device *device)
{
	offer_one(device, ram_end() - 64, 65, 0, 0);
}

static void address_wraps(struct device *device)
{
	offer_one(device, LAST_ADDRESS - 15, 32, WRITE, 0);
}

static void address_in_device_memory(struct device *device)
{
	offer_one(device, LAYOUT_VIRTIO_BASE, 64, WRITE, 0);
}

static void address_in_apic(struct device *device)
{
	offer_one(device, LAYOUT_LAPIC, 64, WRITE, 0);
}

static void address_above_all(struct device *device)
{
	offer_one(device, ABOVE_ALL, 64, 0, 0);
}

static void readable_after_writable(struct device *device)
{
	ring_describe(device_main_ring(device), 1, (uintptr_t)buffer, 64, 0, 0);
	offer_one(device, (uintptr_t)buffer, 64, WRITE | NEXT, 1);
}

static void jump(struct device *device, unsigned int distance)
{
	volatile struct vring_avail *available = device_main_ring(device)->available;

	available->idx = (uint16_t)(available->idx + distance);
	device_ring(device, device->main_queue);
}

static void index_beyond_size(struct device *device)
{
	jump(device, device->queue_size + 1u);
}

static void index_half_way(struct device *device)
{
	jump(device, 0x8000);
}

static void index_back(struct device *device)
{
	jump(device, UINT16_MAX);
}

/* All entries name one chain: it is in use after the first, or served again and again. */
static void one_chain_often(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	ring_describe(ring, 0, (uintptr_t)buffer, sizeof(buffer), WRITE, 0);
	for (unsigned int i = 0; i < ring->size; i++)
		ring_offer(ring, 0);
	device_ring(device, device->main_queue);
}

/* As much memory as can be named with one chain: all of RAM, in each descriptor. */
static void chain_of_all_ram(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	for (unsigned int i = 0; i < ring->size; i++)
		ring_describe(ring, i, 0, (uint32_t)ram_end(), i + 1 < ring->size ? NEXT : 0,
			      (uint16_t)(i + 1));
	ring_offer(ring, 0);
	device_ring(device, device->main_queue);
}

/* --- doorbells and resets --------------------------------------------------------------------- */

static void absent_queue(struct device *device)
{
	device_ring(device, device->nr_queues);
}

static void absent_value(struct device *device)
{
	device_ring(device, UINT32_MAX);
}

static void doorbell_of_other_widths(struct device *device)
{
	uintptr_t address = device->base + VIRTIO_MMIO_QUEUE_NOTIFY;

	*(volatile uint8_t *)address = 0xff;
	*(volatile uint16_t *)address = 0xffff;
	*(volatile uint64_t *)address = UINT64_MAX;
	*(volatile uint64_t *)(address - 4) = UINT64_MAX;
	*(volatile uint32_t *)(address + 2) = UINT32_MAX;
}

static void reset_in_the_middle(struct device *device)
{
	for (unsigned int i = 0; i < NR_RESETS; i++) {
		device_start(device);
		one_chain_often(device);
		pause_for(random_number() % 100000);
	}
}

static void early_doorbell(struct device *device)
{
	device_negotiate(device, device->features);
	for (unsigned int i = 0; i < device->nr_queues; i++) {
		device_place_properly(device, i);
		device_ring(device, i);
	}
}

static const struct attack attacks[] = {
	{ "size 0", FAILS, size_zero },
	{ "rings moved while in use", GOES_ON, move_live },
	{ "descriptor that follows itself", FAILS, loop_of_one },
	{ "two descriptors that follow each other", FAILS, loop_of_two },
	{ "chain longer than the queue", FAILS, loop_of_all },
	{ "next just outside the table", FAILS, next_outside },
	{ "next 65535", FAILS, next_far_outside },
	{ "head outside the table", FAILS, head_outside },
	{ "indirect table, which is not offered", FAILS, indirect },
	{ "length 0", FAILS, length_zero },
	{ "length 2^32 - 1", FAILS, length_huge },
	{ "buffer across the end of RAM", FAILS, length_to_behind_ram },
	{ "buffer that wraps", FAILS, address_wraps },
	{ "buffer in device memory", FAILS, address_in_device_memory },
	{ "buffer in the interrupt controller", FAILS, address_in_apic },
	{ "buffer above 2^40", FAILS, address_above_all },
	{ "readable after writable", FAILS, readable_after_writable },
	{ "available index beyond the size", FAILS, index_beyond_size },
	{ "available index 2^15 ahead", FAILS, index_half_way },
	{ "available index back by one", FAILS, index_back },
	{ "one chain in every entry", EITHER, one_chain_often },
	{ "all of RAM in every descriptor", EITHER, chain_of_all_ram },
	{ "doorbell of an absent queue", FAILS, absent_queue },
	{ "doorbell with an absent value", FAILS, absent_value },
	{ "doorbell of other widths", GOES_ON, doorbell_of_other_widths },
	{ "resets in the middle of requests", EITHER, reset_in_the_middle },
	{ "doorbell before DRIVER_OK", GOES_ON, early_doorbell },
};

void attack_rings(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++)
		attack_device(&devices[i], attacks, ARRAY_SIZE(attacks));
	/* What is done with these does not depend on the device. */
	attack_placements(&devices[DEVICE_FS]);
	attack_placements(&devices[DEVICE_RNG]);
}
