/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/virtio/net_queues.h"

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HEADER_SIZE, "section 5.1.6");
_Static_assert(NET_QUEUE_SIZE <= VIRTQUEUE_SIZE_MAX, "a buffer for each descriptor");

void net_receiver_reset(struct net_receiver *receiver)
{
	receiver->nr_buffers = 0;
	receiver->nr_segments = 0;
	receiver->room = 0;
	receiver->is_starved = false;
}

/* Returns false when the device had to fail. */
static bool add_buffer(struct net_receiver *receiver, struct virtio_device *device)
{
	const struct virtqueue_chain *chain = &receiver->chain;
	uint16_t size = device->queues[NET_QUEUE_RECEIVE].size;

	if (chain->writable_len < NET_HEADER_SIZE) { /* section 5.1.6.3.1 */
		virtio_device_fail(device, "receive buffer of %" PRIu64 " bytes",
				   chain->writable_len);
		return false;
	}
	/* There are no more descriptors than that: this bounds both arrays. */
	if (chain->nr_writable > size - receiver->nr_segments) {
		virtio_device_fail(device, "receive buffers share descriptors");
		return false;
	}
	memcpy(&receiver->segments[receiver->nr_segments], &chain->segments[chain->nr_readable],
	       chain->nr_writable * sizeof(chain->segments[0]));
	receiver->buffers[receiver->nr_buffers] = (struct net_buffer){
		.len = chain->writable_len,
		.head = chain->head,
		.nr_segments = (uint16_t)chain->nr_writable,
	};
	receiver->nr_buffers++;
	receiver->nr_segments += chain->nr_writable;
	receiver->room += chain->writable_len;
	return true;
}

/*
 * Take buffers until any frame fits, since a tap tells the length of a frame only by giving it
 * away, and cuts what does not fit.
 */
static bool make_room(struct net_receiver *receiver, struct virtio_device *device)
{
	while (receiver->room < NET_HEADER_SIZE + NET_FRAME_MAX)
		if (!virtio_device_pop(device, NET_QUEUE_RECEIVE, &receiver->chain) ||
		    !add_buffer(receiver, device))
			return false;
	return true;
}

/* The first @nr buffers with @nr_segments are the guest's again. */
static void remove_buffers(struct net_receiver *receiver, unsigned int nr, unsigned int nr_segments)
{
	receiver->nr_buffers -= nr;
	receiver->nr_segments -= nr_segments;
	memmove(receiver->buffers, &receiver->buffers[nr],
		receiver->nr_buffers * sizeof(receiver->buffers[0]));
	memmove(receiver->segments, &receiver->segments[nr_segments],
		receiver->nr_segments * sizeof(receiver->segments[0]));
}

/* A frame of @len bytes, with its header, lies in the first buffers: hand them over, at once. */
static void deliver(struct net_receiver *receiver, struct virtqueue *queue, uint64_t len)
{
	unsigned int nr_segments = 0;
	uint16_t nr_buffers = 0;

	while (len > 0) {
		const struct net_buffer *buffer = &receiver->buffers[nr_buffers];
		uint64_t written = min_u64(len, buffer->len);

		virtqueue_fill(queue, buffer->head, (uint32_t)written);
		len -= written;
		receiver->room -= buffer->len;
		nr_segments += buffer->nr_segments;
		nr_buffers++;
	}
	/* The one field of the header that the tap leaves to us. */
	(void)virtqueue_segments_write(receiver->segments, receiver->nr_segments,
				       offsetof(struct virtio_net_hdr_v1, num_buffers), &nr_buffers,
				       sizeof(nr_buffers));
	virtqueue_flush(queue);
	remove_buffers(receiver, nr_buffers, nr_segments);
}

/* Whether a tap that gave no frame because of @code may still give others. */
static bool is_passing(int code)
{
	/*
	 * EINVAL: a frame that this header cannot describe; EFAULT: the host had no memory for
	 * the guest's. The tap does not have that frame any more.
	 */
	return code == EAGAIN || code == EINTR || code == EINVAL || code == EFAULT;
}

int net_receive(struct net_receiver *receiver, struct virtio_device *device, int tap_fd)
{
	uint64_t nr_bytes = 0;
	int r = 0;

	receiver->is_starved = false;
	for (unsigned int i = 0; i < NET_FRAMES_PER_TURN && nr_bytes < NET_BYTES_PER_TURN; i++) {
		ssize_t len;

		if (!make_room(receiver, device)) {
			receiver->is_starved = true;
			break;
		}
		len = readv(tap_fd, receiver->segments, (int)receiver->nr_segments);
		if (len <= 0) {
			r = len == 0 ? -ENODEV : is_passing(errno) ? 0 : -errno;
			break;
		}
		if (len >= NET_HEADER_SIZE + NET_FRAME_MIN)
			deliver(receiver, &device->queues[NET_QUEUE_RECEIVE], (uint64_t)len);
		nr_bytes += (uint64_t)len;
	}
	virtio_device_notify(device, NET_QUEUE_RECEIVE);
	return r;
}
