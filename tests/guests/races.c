/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the second processor changes while a device reads it. Whatever comes of that, the device
 * saw one of the values, checked it, and used what it checked.
 */
#include <linux/virtio_mmio.h>

#include "tests/guests/attack.h"
#include "tests/guests/fuse.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"
#include "tests/guests/vsock.h"
#include "vmm/boot/memory_layout.h"

#define NR_ROUNDS 4

static struct device *victim;
static uint8_t buffer[2 * PAGE_SIZE] __attribute__((aligned(4096)));

/* --- what the second processor does ----------------------------------------------------------- */

/* Each member of the first two descriptors between a sound value and one that is not. */
static void flip_descriptors(void)
{
	const struct ring *ring = device_main_ring(victim);
	static const uint32_t lengths[] = { 64, UINT32_MAX, 0, 4096 };
	static const uint16_t flags[] = { 0, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, 4, 3, 0xffff };
	const uint64_t addresses[] = { (uintptr_t)buffer, ram_end() - 32, UINT64_MAX - 15,
				       LAYOUT_VIRTIO_BASE };

	for (unsigned int i = 0; i < 64; i++) {
		volatile struct vring_desc *descriptor = &ring->descriptors[i & 1];

		descriptor->addr = addresses[i % 4];
		descriptor->len = lengths[i / 2 % 4];
		descriptor->flags = flags[i / 3 % 6];
		descriptor->next = (uint16_t)(i % 5 ? 1 : 0xfffe);
		descriptor->addr = (uintptr_t)buffer;
		descriptor->len = 64;
	}
}

static void flip_available(void)
{
	const struct ring *ring = device_main_ring(victim);
	uint16_t index = ring->available->idx;

	for (unsigned int i = 0; i < 64; i++) {
		ring->available->ring[i % ring->size] = (uint16_t)(i % 3 ? 0 : 0xffff);
		ring->available->idx = (uint16_t)(index + (i % 4 ? 1 : 0x4000));
	}
}

/* Of headers: length, operation, node, and all that is there in one kind or another. */
static void flip_buffer(void)
{
	volatile uint32_t *words = (volatile uint32_t *)buffer;

	for (unsigned int i = 0; i < 16; i++) {
		uint32_t kept = words[i];

		words[i] = UINT32_MAX;
		words[i] = 0;
		words[i] = kept ^ 0x10000;
		words[i] = kept;
	}
}

/* All registers that a driver writes, at the same time as the other processor. */
static void write_registers(void)
{
	device_write(victim, VIRTIO_MMIO_QUEUE_SEL, 0);
	device_write(victim, VIRTIO_MMIO_QUEUE_NUM, 4);
	device_write(victim, VIRTIO_MMIO_QUEUE_READY, 1);
	device_write(victim, VIRTIO_MMIO_QUEUE_DESC_LOW, UINT32_MAX);
	device_write(victim, VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	device_set_status(victim, 0);
	device_ring(victim, 0);
}

/* --- what the first does meanwhile ------------------------------------------------------------ */

static void prepare_buffer(void)
{
	struct vsock_header packet = vsock_header_to(700, 9, VSOCK_OP_REQUEST);
	struct fuse_in_header request = { .len = 64, .opcode = FUSE_GETATTR, .nodeid = 1 };

	memset(buffer, 0, sizeof(buffer));
	if (victim == &devices[DEVICE_VSOCK])
		memcpy(buffer, &packet, sizeof(packet));
	if (victim == &devices[DEVICE_FS])
		memcpy(buffer, &request, sizeof(request));
}

static void use_ring(void)
{
	const struct ring *ring = device_main_ring(victim);

	prepare_buffer();
	for (unsigned int i = 0; i < 4; i++) {
		ring_describe(ring, 0, (uintptr_t)buffer, 64, VRING_DESC_F_NEXT, 1);
		ring_describe(ring, 1, (uintptr_t)buffer + PAGE_SIZE, 4096, VRING_DESC_F_WRITE, 0);
		ring_offer(ring, 0);
		device_ring(victim, victim->main_queue);
		pause_for(random_number() % 100000);
	}
}

static void race(struct device *device, const char *name, void (*work)(void))
{
	victim = device;
	if (!second_processor_work(work)) {
		report_result(false, device->name, "a second processor");
		return;
	}
	for (unsigned int i = 0; i < NR_ROUNDS; i++) {
		if (device_has_failed(device) || i % 2 == 0)
			device_start(device);
		use_ring();
	}
	second_processor_rest();
	conclude(device, EITHER, name);
}

void race_rings(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		race(&devices[i], "descriptors change while they are read", flip_descriptors);
		race(&devices[i], "available ring changes while it is read", flip_available);
		race(&devices[i], "buffers change while they are read", flip_buffer);
		race(&devices[i], "registers from two processors", write_registers);
	}
}
