/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/virtio_mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x6b6c7562 /* "bulk" */

static bool has_selected_queue(const struct virtio_device *device)
{
	return device->queue_select < device->nr_queues;
}

/*
 * The causes of an interrupt: a buffer was used, or the configuration is another. The former stays
 * said while there is a driver: what it finds in the rings tells it more, and costs no exit.
 */
static uint32_t interrupt_status(const struct virtio_device *device)
{
	uint32_t status = device->has_new_config ? VIRTIO_MMIO_INT_CONFIG : 0;

	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		status |= VIRTIO_MMIO_INT_VRING;
	return status;
}

static void show(const struct virtio_device *device, uint64_t offset, uint32_t value)
{
	uint32_t *registers = device->transport.registers;

	__atomic_store_n(&registers[offset / sizeof(*registers)], value, __ATOMIC_RELEASE);
}

static void show_selected(const struct virtio_device *device)
{
	uint32_t select = device->device_features_select;
	uint64_t features = select < 2 ? device->device_features >> (32 * select) : 0;
	bool has_queue = has_selected_queue(device);

	show(device, VIRTIO_MMIO_DEVICE_FEATURES, (uint32_t)features);
	show(device, VIRTIO_MMIO_QUEUE_NUM_MAX, has_queue ? device->queue_size_max : 0);
	show(device, VIRTIO_MMIO_QUEUE_READY,
	     has_queue && device->queues[device->queue_select].is_ready);
}

void virtio_mmio_show(const struct virtio_device *device)
{
	show(device, VIRTIO_MMIO_MAGIC_VALUE, MAGIC);
	show(device, VIRTIO_MMIO_VERSION, VERSION);
	show(device, VIRTIO_MMIO_DEVICE_ID, device->device_id);
	show(device, VIRTIO_MMIO_VENDOR_ID, VENDOR);
	show_selected(device);
	/* No shared memory regions (section 4.2.2). */
	show(device, VIRTIO_MMIO_SHM_LEN_LOW, UINT32_MAX);
	show(device, VIRTIO_MMIO_SHM_LEN_HIGH, UINT32_MAX);
	show(device, VIRTIO_MMIO_SHM_BASE_LOW, UINT32_MAX);
	show(device, VIRTIO_MMIO_SHM_BASE_HIGH, UINT32_MAX);
	/* Of these bytes the driver may see a half; it is told to look again afterwards. */
	if (device->config_size)
		memcpy(device->transport.registers + VIRTIO_MMIO_CONFIG / sizeof(uint32_t),
		       device->config, device->config_size);
	show(device, VIRTIO_MMIO_CONFIG_GENERATION, device->config_generation);
	show(device, VIRTIO_MMIO_INTERRUPT_STATUS, interrupt_status(device));
	show(device, VIRTIO_MMIO_STATUS, device->status);
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
	struct virtqueue *queue;

	if (!has_selected_queue(device) ||
	    device->status != (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			       VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	queue = &device->queues[device->queue_select];
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
		device->has_new_config &= !(value & VIRTIO_MMIO_INT_CONFIG);
		return;
	case VIRTIO_MMIO_STATUS:
		virtio_device_set_status(device, value);
		return;
	default:
		write_queue_register(device, offset, value);
		return;
	}
}

void virtio_mmio_access(void *context, uint64_t offset, uint8_t *data, uint32_t len, bool is_write)
{
	struct virtio_device *device = context;
	uint32_t value;

	/* Registers are 32 bits wide and written no other way (section 4.2.2.2). */
	if (!is_write || offset >= VIRTIO_MMIO_CONFIG || len != sizeof(value) ||
	    offset % sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	pthread_mutex_lock(&device->lock);
	write_register(device, offset, value);
	virtio_mmio_show(device);
	pthread_mutex_unlock(&device->lock);
}
