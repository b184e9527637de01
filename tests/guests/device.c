/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/device.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "tests/guests/fuse.h"
#include "tests/guests/runtime.h"
#include "tests/guests/vsock.h"
#include "vmm/boot/memory_layout.h"

#define RANDOM_BYTES 64
#define CARD_WAITS 10000u
#define VERSION_1 (UINT64_C(1) << 32)
#define NET_FEATURES UINT64_C(0x8382) /* frames as a tap has them (virtio 1.2, section 5.1.3) */
#define NET_FRAME_SIZE (12 + 60)
#define BALLOON_FEATURES UINT64_C(0x20) /* free page reporting */
#define BALLOON_MARK 0x5a

struct ring_memory {
	uint8_t descriptors[PAGE_SIZE];
	uint8_t available[PAGE_SIZE];
	uint8_t used[PAGE_SIZE];
} __attribute__((aligned(4096)));

static struct ring_memory memories[NR_DEVICES][DEVICE_MAX_QUEUES];

struct device devices[NR_DEVICES] = {
	[DEVICE_FS] = { .name = "fs",
			.place = 0,
			.nr_queues = 2,
			.main_queue = 1,
			.queue_size = 256 },
	[DEVICE_VSOCK] = { .name = "vsock",
			   .place = 1,
			   .nr_queues = 3,
			   .main_queue = 1,
			   .queue_size = 128 },
	[DEVICE_CONSOLE] = { .name = "console",
			     .place = 2,
			     .nr_queues = 2,
			     .main_queue = 1,
			     .queue_size = 64 },
	[DEVICE_RNG] = { .name = "rng",
			 .place = 3,
			 .nr_queues = 1,
			 .main_queue = 0,
			 .queue_size = 8 },
	[DEVICE_NET] = { .name = "net0",
			 .place = 4,
			 .nr_queues = 2,
			 .main_queue = 1,
			 .queue_size = 256,
			 .features = NET_FEATURES },
	[DEVICE_BALLOON] = { .name = "balloon",
			     .place = 8,
			     .nr_queues = 3,
			     .main_queue = 2,
			     .queue_size = 32,
			     .features = BALLOON_FEATURES },
};

void devices_init(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		devices[i].base = LAYOUT_VIRTIO_BASE + devices[i].place * LAYOUT_VIRTIO_STRIDE;
		devices[i].features |= VERSION_1;
		for (unsigned int j = 0; j < devices[i].nr_queues; j++)
			devices[i].rings[j] = (struct ring){
				.size = devices[i].queue_size,
				.descriptors = (void *)memories[i][j].descriptors,
				.available = (void *)memories[i][j].available,
				.used = (void *)memories[i][j].used,
			};
	}
}

uint32_t device_read(const struct device *device, uint32_t reg)
{
	return *(volatile uint32_t *)(device->base + reg);
}

void device_write(const struct device *device, uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(device->base + reg) = value;
}

bool device_has_failed(const struct device *device)
{
	return device_read(device, VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET;
}

bool device_fails(const struct device *device)
{
	uint64_t start = read_tsc();

	while (!device_has_failed(device)) {
		if (read_tsc() - start > PATIENCE)
			return false;
		pause_for(PATIENCE / 100000);
	}
	return true;
}

void device_set_status(const struct device *device, uint32_t status)
{
	device_write(device, VIRTIO_MMIO_STATUS, status);
}

void device_negotiate(struct device *device, uint64_t features)
{
	device_set_status(device, 0);
	device_set_status(device, 1);
	device_set_status(device, STATUS_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t word = (uint32_t)(features >> 32 * i);

		if (!word) /* as after a reset */
			continue;
		device_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		device_write(device, VIRTIO_MMIO_DRIVER_FEATURES, word);
	}
	device_set_status(device, STATUS_FEATURES_OK);
	for (unsigned int i = 0; i < device->nr_queues; i++)
		device->rings[i].seen = 0;
}

static void write_address(const struct device *device, uint32_t reg, uint64_t address)
{
	device_write(device, reg, (uint32_t)address);
	if (address >> 32) /* as after a reset */
		device_write(device, reg + 4, (uint32_t)(address >> 32));
}

void device_place(const struct device *device, unsigned int index, uint32_t size,
		  uint64_t descriptors, uint64_t available, uint64_t used)
{
	device_write(device, VIRTIO_MMIO_QUEUE_SEL, index);
	device_write(device, VIRTIO_MMIO_QUEUE_NUM, size);
	write_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, descriptors);
	write_address(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, available);
	write_address(device, VIRTIO_MMIO_QUEUE_USED_LOW, used);
	device_write(device, VIRTIO_MMIO_QUEUE_READY, 1);
}

void device_place_properly(struct device *device, unsigned int index)
{
	const struct ring *ring = &device->rings[index];

	memset((void *)(uintptr_t)ring->descriptors, 0, sizeof(struct ring_memory));
	device_place(device, index, ring->size, (uintptr_t)ring->descriptors,
		     (uintptr_t)ring->available, (uintptr_t)ring->used);
}

void device_start(struct device *device)
{
	device_negotiate(device, device->features);
	device_place_properly(device, device->main_queue);
	if (device == &devices[DEVICE_VSOCK])
		device_place_properly(device, VSOCK_QUEUE_RX);
	device_set_status(device, STATUS_DRIVER_OK);
}

struct ring *device_main_ring(struct device *device)
{
	return &device->rings[device->main_queue];
}

void ring_describe(const struct ring *ring, unsigned int index, uint64_t address, uint32_t len,
		   uint16_t flags, uint16_t next)
{
	volatile struct vring_desc *descriptor = &ring->descriptors[index];

	descriptor->addr = address;
	descriptor->len = len;
	descriptor->flags = flags;
	descriptor->next = next;
}

void ring_offer(const struct ring *ring, uint16_t head)
{
	uint16_t index = ring->available->idx;

	ring->available->ring[index & (ring->size - 1)] = head;
	/* Stores are seen in order on this architecture; the compiler keeps that of volatiles. */
	ring->available->idx = (uint16_t)(index + 1);
}

void device_ring(const struct device *device, unsigned int queue)
{
	device_write(device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool ring_await(struct ring *ring, uint32_t *ret_written)
{
	uint64_t start = read_tsc();

	while (ring->used->idx == ring->seen) {
		if (read_tsc() - start > PATIENCE)
			return false;
		relax();
	}
	*ret_written = ring->used->ring[ring->seen & (ring->size - 1)].len;
	ring->seen++;
	return true;
}

bool device_request(struct device *device, unsigned int queue, const void *out, uint32_t out_len,
		    void *in, uint32_t in_len, uint32_t *ret_written)
{
	struct ring *ring = &device->rings[queue];
	bool has_both = out_len && in_len;

	if (out_len)
		ring_describe(ring, 0, (uintptr_t)out, out_len, has_both ? VRING_DESC_F_NEXT : 0,
			      1);
	if (in_len)
		ring_describe(ring, has_both, (uintptr_t)in, in_len, VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	device_ring(device, queue);
	return ring_await(ring, ret_written);
}

static bool rng_answers(struct device *device)
{
	static uint8_t bytes[RANDOM_BYTES];
	uint8_t any = 0;
	uint32_t written;

	memset(bytes, 0, sizeof(bytes));
	if (!device_request(device, 0, NULL, 0, bytes, sizeof(bytes), &written))
		return false;
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		any |= bytes[i];
	return written == sizeof(bytes) && any;
}

static bool console_answers(struct device *device)
{
	uint32_t written;

	return device_request(device, device->main_queue, "\n", 1, NULL, 0, &written) &&
	       written == 0;
}

bool device_await_card(void)
{
	for (unsigned int i = 0; i < CARD_WAITS; i++) {
		if (device_read(&devices[DEVICE_NET], VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_NET)
			return true;
		pause_for(PATIENCE / CARD_WAITS);
	}
	return false;
}

/* From a slot without a card this is lost; from one with a card the host's filter denies it. */
static bool net_answers(struct device *device)
{
	static const uint8_t frame[NET_FRAME_SIZE];
	uint32_t written;

	return device_read(device, VIRTIO_MMIO_DEVICE_ID) <= VIRTIO_ID_NET &&
	       device_request(device, device->main_queue, frame, sizeof(frame), NULL, 0,
			      &written) &&
	       written == 0;
}

/* What is reported is empty afterwards, what lies beside it is not. */
static bool balloon_answers(struct device *device)
{
	static uint8_t pages[3][PAGE_SIZE] __attribute__((aligned(4096)));
	uint32_t written;

	memset(pages, BALLOON_MARK, sizeof(pages));
	if (!device_request(device, device->main_queue, NULL, 0, pages[1], sizeof(pages[1]),
			    &written))
		return false;
	/* The device wrote there, not the compiler's program. */
	__asm__ volatile("" : : : "memory");
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		if (pages[0][i] != BALLOON_MARK || pages[1][i] || pages[2][i] != BALLOON_MARK)
			return false;
	return written == 0;
}

static bool answers(struct device *device)
{
	switch ((enum device_index)(device - devices)) {
	case DEVICE_FS:
		return fuse_begin() && fuse_answers();
	case DEVICE_VSOCK:
		return vsock_answers();
	case DEVICE_CONSOLE:
		return console_answers(device);
	case DEVICE_RNG:
		return rng_answers(device);
	case DEVICE_NET:
		return net_answers(device);
	case DEVICE_BALLOON:
		return balloon_answers(device);
	case NR_DEVICES:
	default:
		return false;
	}
}

bool device_answers(struct device *device)
{
	device_start(device);
	return answers(device);
}

bool device_still_answers(struct device *device)
{
	bool is_live = device_read(device, VIRTIO_MMIO_STATUS) == STATUS_DRIVER_OK;

	return is_live ? answers(device) : device_answers(device);
}
