/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The status register is the device's state. Each row says what the driver may write next and
 * what holds afterwards; everything else is a violation.
 *
 *   status                           driver may add  queues            driver features
 *   0 (reset)                        ACKNOWLEDGE     forgotten         none
 *   ACKNOWLEDGE                      DRIVER          -                 -
 *   ACKNOWLEDGE DRIVER               FEATURES_OK     -                 being written
 *   ACKNOWLEDGE DRIVER FEATURES_OK   DRIVER_OK       being configured  fixed
 *   the same with DRIVER_OK          -               active            fixed
 *
 * From every state the driver may write 0 and add FAILED. DEVICE_NEEDS_RESET is ours to set;
 * with either of these two nothing is served before a reset.
 */
#include "vmm/virtio/virtio_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/virtio/virtio_mmio.h"

#define VIRTIO_DEVICE_MAX_FAULT_LINES 8

#define FEATURE(bit) (UINT64_C(1) << (bit))

enum {
	STATUS_RESET = 0,
	STATUS_ACKNOWLEDGED = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	STATUS_DRIVER = STATUS_ACKNOWLEDGED | VIRTIO_CONFIG_S_DRIVER,
	STATUS_FEATURES_OK = STATUS_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK,
	STATUS_DRIVER_OK = STATUS_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK,
};

static void raise_interrupt(const struct virtio_device *device)
{
	device->transport.pulse(device->transport.context);
}

/* To be told once the driver is there. */
static void announce_config(struct virtio_device *device)
{
	device->has_new_config |= device->status & VIRTIO_CONFIG_S_DRIVER_OK;
	virtio_mmio_show(device);
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		raise_interrupt(device);
}

bool virtio_device_is_live(const struct virtio_device *device)
{
	return device->status == STATUS_DRIVER_OK;
}

/* An event_fn. The eventfd keeps its count: each ring is an event of its own (EPOLLET). */
static void on_doorbell(void *context, uint32_t events)
{
	struct virtio_doorbell *doorbell = context;
	struct virtio_device *device = doorbell->device;

	(void)events;
	pthread_mutex_lock(&device->lock);
	if (virtio_device_is_live(device) && device->queues[doorbell->index].is_active)
		device->ops->on_queue(device, doorbell->index);
	pthread_mutex_unlock(&device->lock);
}

static int add_doorbell(struct virtio_device *device, unsigned int index, struct event_loop *loop,
			struct error *err)
{
	struct virtio_doorbell *doorbell = &device->doorbells[index];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return error_set(err, errno, "create a doorbell");
	device->doorbell_fds[index] = fd;
	doorbell->device = device;
	doorbell->index = index;
	return event_loop_add(loop, &doorbell->source, fd, EPOLLIN | EPOLLET, on_doorbell, doorbell,
			      err);
}

int virtio_device_init(struct virtio_device *device, const struct guest_memory *memory,
		       struct event_loop *loop, struct virtio_transport transport,
		       struct error *err)
{
	BUG_ON(device->nr_queues > VIRTIO_DEVICE_MAX_QUEUES);
	BUG_ON(device->queue_size_max > VIRTQUEUE_SIZE_MAX ||
	       !is_power_of_two(device->queue_size_max));
	BUG_ON(device->config_size > VIRTIO_MMIO_SIZE - VIRTIO_MMIO_CONFIG);
	device->device_features |= FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX);
	device->memory = memory;
	device->transport = transport;
	virtio_mmio_show(device);
	pthread_mutex_init(&device->lock, NULL);
	for (unsigned int i = 0; i < VIRTIO_DEVICE_MAX_QUEUES; i++) {
		device->doorbell_fds[i] = -1;
		device->doorbells[i].source.fd = -1;
	}
	for (unsigned int i = 0; i < device->nr_queues; i++) {
		int r = add_doorbell(device, i, loop, err);

		if (r < 0) {
			virtio_device_fini(device, loop);
			return error_prefix(err, "virtio %s device", device->name);
		}
	}
	return 0;
}

void virtio_device_fini(struct virtio_device *device, struct event_loop *loop)
{
	for (unsigned int i = 0; i < device->nr_queues; i++) {
		event_loop_remove(loop, &device->doorbells[i].source);
		fd_close(&device->doorbell_fds[i]);
	}
	pthread_mutex_destroy(&device->lock);
}

static void reset(struct virtio_device *device)
{
	device->status = STATUS_RESET;
	device->driver_features = 0;
	device->has_new_config = false;
	device->device_features_select = 0;
	device->driver_features_select = 0;
	device->queue_select = 0;
	for (unsigned int i = 0; i < device->nr_queues; i++)
		virtqueue_reset(&device->queues[i]);
	if (device->ops->on_reset)
		device->ops->on_reset(device);
}

static bool are_features_acceptable(const struct virtio_device *device)
{
	uint64_t required = device->required_features | FEATURE(VIRTIO_F_VERSION_1);

	return (device->driver_features & required) == required &&
	       !(device->driver_features & ~device->device_features);
}

static void activate(struct virtio_device *device)
{
	bool has_event_index = device->driver_features & FEATURE(VIRTIO_RING_F_EVENT_IDX);

	for (unsigned int i = 0; i < device->nr_queues; i++) {
		struct virtqueue *queue = &device->queues[i];

		if (!queue->is_ready) /* the driver need not use them all */
			continue;
		if (virtqueue_activate(queue, device->memory, has_event_index) < 0) {
			virtio_device_fail(device, "queue %u: size or addresses are impossible", i);
			return;
		}
		virtqueue_set_notify(queue, true);
	}
	if (device->ops->on_activate)
		device->ops->on_activate(device);
}

void virtio_device_set_status(struct virtio_device *device, uint32_t status)
{
	static const struct {
		uint32_t from;
		uint32_t to;
	} transitions[] = {
		{ STATUS_RESET, STATUS_ACKNOWLEDGED },
		{ STATUS_ACKNOWLEDGED, STATUS_DRIVER },
		{ STATUS_DRIVER, STATUS_FEATURES_OK },
		{ STATUS_FEATURES_OK, STATUS_DRIVER_OK },
	};
	bool is_valid = false;

	if (status == STATUS_RESET) {
		reset(device);
		return;
	}
	if (status == device->status)
		return;
	if (status == (device->status | VIRTIO_CONFIG_S_FAILED)) {
		device->status = status;
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(transitions); i++)
		is_valid |= transitions[i].from == device->status && transitions[i].to == status;
	if (!is_valid) {
		virtio_device_fail(device, "status %#x after %#x", status, device->status);
		return;
	}
	/* The driver reads the status back to learn that its features were refused (3.1.1). */
	if (status == STATUS_FEATURES_OK && !are_features_acceptable(device))
		return;
	device->status = status;
	if (status == STATUS_DRIVER_OK)
		activate(device);
}

void virtio_device_ring(struct virtio_device *device, unsigned int index)
{
	/* The only failure is a full counter: centuries of doorbells. */
	(void)eventfd_write(device->doorbell_fds[index], 1);
}

bool virtio_device_pop(struct virtio_device *device, unsigned int index,
		       struct virtqueue_chain *chain)
{
	struct virtqueue *queue = &device->queues[index];
	int r = virtqueue_pop(queue, chain);

	if (r == 0) {
		virtqueue_set_notify(queue, true);
		r = virtqueue_pop(queue, chain);
	}
	if (r < 0)
		virtio_device_fail(device, "queue %u: the driver broke the ring protocol", index);
	return r > 0;
}

void virtio_device_notify(struct virtio_device *device, unsigned int queue_index)
{
	if (virtqueue_needs_interrupt(&device->queues[queue_index]))
		raise_interrupt(device);
}

void virtio_device_config_changed(struct virtio_device *device)
{
	device->config_generation++;
	announce_config(device);
}

void virtio_device_fail(struct virtio_device *device, const char *format, ...)
{
	char text[160];
	va_list args;

	if (device->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	for (unsigned int i = 0; i < device->nr_queues; i++)
		virtqueue_stop(&device->queues[i]);
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	announce_config(device);
	if (device->nr_faults >= VIRTIO_DEVICE_MAX_FAULT_LINES)
		return;
	device->nr_faults++;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warning("guest fault, virtio %s device stopped: %s", device->name, text);
}
