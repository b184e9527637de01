/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/virtio_mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "vmm/base/checked_math.h"

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x6b6c7562 /* "bulk" */

_Static_assert(VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET == VIRTIO_MMIO_QUEUE_NOTIFY, "section 4.2.2");

static struct virtqueue *selected_queue(struct virtio_device *device)
{
	return device->queue_select < device->nr_queues ? &device->queues[device->queue_select]
							: NULL;
}

static uint32_t read_register(struct virtio_device *device, uint64_t offset)
{
	const struct virtqueue *queue = selected_queue(device);
	uint32_t select = device->device_features_select;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return device->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return select < 2 ? (uint32_t)(device->device_features >> (32 * select)) : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? device->queue_size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && queue->is_ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return device->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return device->status;
	case VIRTIO_MMIO_SHM_LEN_LOW: /* no shared memory regions (section 4.2.2) */
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return device->config_generation;
	default:
		return 0;
	}
}

static void write_driver_features(struct virtio_device *device, uint32_t value)
{
	uint32_t select = device->driver_features_select;
	unsigned int shift;

	if (device->status != (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER))
		return;
	if (select >= 2) {
		if (value)
			virtio_device_fail(device, "features %#x in word %u", value, select);
		return;
	}
	shift = 32 * select;
	device->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	device->driver_features |= (uint64_t)value << shift;
}

static void set_low(gpa_t *gpa, uint32_t value)
{
	gpa->raw = (gpa->raw & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(gpa_t *gpa, uint32_t value)
{
	gpa->raw = (gpa->raw & UINT32_MAX) | (uint64_t)value << 32;
}

/* The registers of the selected queue, which has not been handed over to the device yet. */
static void configure_queue(struct virtio_device *device, struct virtqueue *queue, uint64_t offset,
			    uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		if (value <= device->queue_size_max)
			queue->size = (uint16_t)value;
		else
			virtio_device_fail(device, "queue %u: size %u", device->queue_select,
					   value);
		return;
	case VIRTIO_MMIO_QUEUE_READY:
		queue->is_ready = value & 1;
		return;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&queue->descriptor_area, value);
		return;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&queue->descriptor_area, value);
		return;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&queue->driver_area, value);
		return;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&queue->driver_area, value);
		return;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&queue->device_area, value);
		return;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&queue->device_area, value);
		return;
	default:
		return;
	}
}

/*
 * Queues change between FEATURES_OK and DRIVER_OK only, and one that is ready only by being made
 * unready: once active, what was checked stays as it was. Writes at other times are ignored.
 */
static void write_queue_register(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	struct virtqueue *queue = selected_queue(device);

	if (!queue || device->status != (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
					 VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (!queue->is_ready || offset == VIRTIO_MMIO_QUEUE_READY)
		configure_queue(device, queue, offset, value);
}

static void write_register(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		device->device_features_select = value;
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(device, value);
		return;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		device->driver_features_select = value;
		return;
	case VIRTIO_MMIO_QUEUE_SEL:
		device->queue_select = value;
		return;
	case VIRTIO_MMIO_QUEUE_NOTIFY: /* where no ioeventfd took the write */
		if (value < device->nr_queues)
			virtio_device_ring(device, value);
		else
			virtio_device_fail(device, "doorbell of queue %u", value);
		return;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		device->interrupt_status &= ~value;
		return;
	case VIRTIO_MMIO_STATUS:
		virtio_device_set_status(device, value);
		return;
	default:
		write_queue_register(device, offset, value);
		return;
	}
}

/* Config space has any width; it is read-only, and what is not inside it whole reads as 0. */
static void access_config(const struct virtio_device *device, uint64_t offset, uint8_t *data,
			  uint32_t len, bool is_write)
{
	if (!is_write && range_fits(offset, len, device->config_size))
		memcpy(data, device->config + offset, len);
}

void virtio_mmio_access(void *context, uint64_t offset, uint8_t *data, uint32_t len, bool is_write)
{
	struct virtio_device *device = context;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		pthread_mutex_lock(&device->lock);
		access_config(device, offset - VIRTIO_MMIO_CONFIG, data, len, is_write);
		pthread_mutex_unlock(&device->lock);
		return;
	}
	/* Registers are 32 bits wide and accessed no other way (section 4.2.2.2). */
	if (len != sizeof(value) || offset % sizeof(value))
		return;
	pthread_mutex_lock(&device->lock);
	if (is_write) {
		memcpy(&value, data, sizeof(value));
		write_register(device, offset, value);
	} else {
		value = read_register(device, offset);
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&device->lock);
}
