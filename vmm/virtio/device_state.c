/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/device_state.h"

#include <errno.h>
#include <linux/virtio_config.h>

#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtio_mmio.h"

static const uint32_t steps[] = {
	VIRTIO_CONFIG_S_ACKNOWLEDGE,
	VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
	VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK,
	VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
		VIRTIO_CONFIG_S_DRIVER_OK,
};

static bool is_step(uint32_t status)
{
	bool is_one = status == 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++)
		is_one |= steps[i] == status;
	return is_one;
}

static bool has_requests(const struct virtqueue *queue)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(queue->in_flight); i++)
		if (queue->in_flight[i])
			return true;
	return false;
}

static void put_queue(const struct virtqueue *queue, struct byte_writer *writer)
{
	byte_writer_put_u32(writer, queue->size);
	byte_writer_put_u32(writer, queue->is_ready);
	byte_writer_put_u64(writer, queue->descriptor_area.raw);
	byte_writer_put_u64(writer, queue->driver_area.raw);
	byte_writer_put_u64(writer, queue->device_area.raw);
	byte_writer_put_u32(writer, queue->next_available);
	byte_writer_put_u32(writer, queue->next_used);
	byte_writer_put_u32(writer, queue->signalled_used);
}

static int save(const struct virtio_device *device, struct byte_writer *writer, struct error *err)
{
	if (!is_step(device->status))
		return error_invalid(err, "device %s: status %#x", device->name, device->status);
	for (unsigned int i = 0; i < device->nr_queues; i++)
		if (has_requests(&device->queues[i]))
			return error_set(err, EAGAIN, "device %s, queue %u", device->name, i);
	byte_writer_put_u32(writer, device->status);
	byte_writer_put_u64(writer, device->driver_features);
	byte_writer_put_u32(writer, device->has_new_config);
	byte_writer_put_u32(writer, device->config_generation);
	byte_writer_put_u32(writer, device->device_features_select);
	byte_writer_put_u32(writer, device->driver_features_select);
	byte_writer_put_u32(writer, device->queue_select);
	byte_writer_put_u32(writer, device->nr_queues);
	for (unsigned int i = 0; i < device->nr_queues; i++)
		put_queue(&device->queues[i], writer);
	return 0;
}

int device_state_save(struct virtio_device *device, struct byte_writer *writer, struct error *err)
{
	int r;

	pthread_mutex_lock(&device->lock);
	r = save(device, writer, err);
	pthread_mutex_unlock(&device->lock);
	return r;
}

/* Where a queue is, beside what the driver said of it. */
struct position {
	uint16_t next_available, next_used, signalled_used;
};

static int get_u16(struct byte_reader *reader, uint16_t *ret)
{
	uint32_t value = byte_reader_get_u32(reader);

	*ret = (uint16_t)value;
	return value > UINT16_MAX ? -EINVAL : 0;
}

static int get_queue(const struct virtio_device *device, struct virtqueue *queue,
		     struct position *position, struct byte_reader *reader)
{
	uint32_t is_ready;

	if (get_u16(reader, &queue->size) < 0 || queue->size > device->queue_size_max)
		return -EINVAL;
	is_ready = byte_reader_get_u32(reader);
	queue->is_ready = is_ready;
	queue->descriptor_area.raw = byte_reader_get_u64(reader);
	queue->driver_area.raw = byte_reader_get_u64(reader);
	queue->device_area.raw = byte_reader_get_u64(reader);
	if (is_ready > 1 || get_u16(reader, &position->next_available) < 0 ||
	    get_u16(reader, &position->next_used) < 0 ||
	    get_u16(reader, &position->signalled_used) < 0)
		return -EINVAL;
	/* Each request is used at most once; nothing was under way. */
	return position->next_available == position->next_used ? 0 : -EINVAL;
}

static void set_position(struct virtqueue *queue, const struct position *position)
{
	if (!queue->is_active)
		return;
	queue->next_available = position->next_available;
	queue->next_used = position->next_used;
	queue->signalled_used = position->signalled_used;
	virtqueue_set_notify(queue, true);
}

static int restore(struct virtio_device *device, struct byte_reader *reader)
{
	uint32_t status = byte_reader_get_u32(reader);
	uint64_t features = byte_reader_get_u64(reader);
	struct position positions[VIRTIO_DEVICE_MAX_QUEUES] = { 0 };

	device->has_new_config = byte_reader_get_u32(reader);
	device->config_generation = byte_reader_get_u32(reader);
	device->device_features_select = byte_reader_get_u32(reader);
	device->driver_features_select = byte_reader_get_u32(reader);
	device->queue_select = byte_reader_get_u32(reader);
	if (!is_step(status) || byte_reader_get_u32(reader) != device->nr_queues)
		return -EINVAL;
	for (unsigned int i = 0; i < device->nr_queues; i++)
		if (get_queue(device, &device->queues[i], &positions[i], reader) < 0)
			return -EINVAL;
	if (reader->has_failed)
		return -EINVAL;
	for (unsigned int i = 0; i < ARRAY_SIZE(steps) && device->status != status; i++) {
		device->driver_features = features;
		virtio_device_set_status(device, steps[i]);
		if (device->status != steps[i])
			return -EINVAL;
	}
	for (unsigned int i = 0; i < device->nr_queues; i++) {
		set_position(&device->queues[i], &positions[i]);
		if (device->queues[i].is_active)
			virtio_device_ring(device, i);
	}
	virtio_mmio_show(device);
	return 0;
}

int device_state_restore(struct virtio_device *device, struct byte_reader *reader,
			 struct error *err)
{
	int r;

	pthread_mutex_lock(&device->lock);
	r = restore(device, reader);
	pthread_mutex_unlock(&device->lock);
	return r ? error_invalid(err, "device %s: its saved state is impossible", device->name) : 0;
}
