/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "vmm/base/log.h"
#include "vmm/virtio/net_queues.h"

#define CHECKSUM_SIZE 2
/*
 * What is left of the smallest segment that a Linux host agrees to (48 bytes) behind all options
 * (40). Smaller ones are only work: a frame of 64 KiB would become as many.
 */
#define SEGMENT_MIN 8

static bool has_feature(const struct virtio_device *device, unsigned int bit)
{
	return device->driver_features >> bit & 1;
}

/* What a header says of a frame, of which it is to be cut into @gso_size bytes each. */
static bool may_be_cut(const struct virtio_device *device, const struct virtio_net_hdr_v1 *header,
		       uint64_t len)
{
	unsigned int type = header->gso_type & ~(unsigned int)VIRTIO_NET_HDR_GSO_ECN;

	if (type != header->gso_type && !has_feature(device, VIRTIO_NET_F_HOST_ECN))
		return false;
	if (!(type == VIRTIO_NET_HDR_GSO_TCPV4 && has_feature(device, VIRTIO_NET_F_HOST_TSO4)) &&
	    !(type == VIRTIO_NET_HDR_GSO_TCPV6 && has_feature(device, VIRTIO_NET_F_HOST_TSO6)))
		return false;
	/* Each segment has a checksum of its own (section 5.1.6.2.1). */
	return header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && header->gso_size >= SEGMENT_MIN &&
	       header->hdr_len <= len;
}

/*
 * The header that the tap gets for a frame of @len bytes of which the driver says @header. Returns
 * false when that was not negotiated or cannot be.
 */
static bool make_header(const struct virtio_device *device, const struct virtio_net_hdr_v1 *header,
			uint64_t len, struct virtio_net_hdr_v1 *ret_header)
{
	*ret_header = (struct virtio_net_hdr_v1){ 0 };
	if (len < NET_FRAME_MIN || len > NET_FRAME_MAX)
		return false;
	/* Other flags are to be ignored (section 5.1.6.2.2). */
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		uint64_t end = (uint64_t)header->csum_start + header->csum_offset + CHECKSUM_SIZE;

		if (!has_feature(device, VIRTIO_NET_F_CSUM) || header->csum_start < NET_FRAME_MIN ||
		    end > len)
			return false;
		ret_header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		ret_header->csum_start = header->csum_start;
		ret_header->csum_offset = header->csum_offset;
	}
	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		if (!may_be_cut(device, header, len))
			return false;
		ret_header->gso_type = header->gso_type;
		ret_header->gso_size = header->gso_size;
		ret_header->hdr_len = header->hdr_len; /* a hint, of how much is headers */
	}
	return true;
}

/* Our header, then what the chain has behind the driver's. */
static void place_segments(struct net_transmitter *transmitter)
{
	const struct virtqueue_chain *chain = &transmitter->chain;
	size_t to_skip = NET_HEADER_SIZE;

	transmitter->segments[0] = (struct iovec){ &transmitter->header, NET_HEADER_SIZE };
	transmitter->nr_segments = 1;
	for (unsigned int i = 0; i < chain->nr_readable; i++) {
		struct iovec segment = chain->segments[i];

		if (segment.iov_len <= to_skip) {
			to_skip -= segment.iov_len;
			continue;
		}
		segment.iov_base = (uint8_t *)segment.iov_base + to_skip;
		segment.iov_len -= to_skip;
		to_skip = 0;
		transmitter->segments[transmitter->nr_segments++] = segment;
	}
}

void net_transmitter_reset(struct net_transmitter *transmitter)
{
	transmitter->is_waiting = false;
}

static void give_back(struct net_transmitter *transmitter, struct virtio_device *device)
{
	virtqueue_push(&device->queues[NET_QUEUE_TRANSMIT], transmitter->chain.head, 0);
	transmitter->is_waiting = false;
}

/* Returns 1 when the frame is gone, 0 when it has to wait, or what net_transmit() returns. */
static int send_frame(struct net_transmitter *transmitter, struct virtio_device *device, int tap_fd)
{
	ssize_t r = writev(tap_fd, transmitter->segments, (int)transmitter->nr_segments);
	int code = r < 0 ? errno : 0;

	if (code == EAGAIN || code == EINTR) {
		transmitter->is_waiting = true;
		return 0;
	}
	/* Others mean this frame alone; so does EIO, from an interface that is down. */
	give_back(transmitter, device);
	return code == EBADFD ? -code : 1;
}

static void drop(struct net_transmitter *transmitter, struct virtio_device *device,
		 const struct virtio_net_hdr_v1 *header, uint64_t len)
{
	if (transmitter->nr_dropped++ == 0)
		log_warning(
			"guest fault, virtio %s device: frames are dropped, the first of %" PRIu64
			" bytes, flags %#x, segmentation %#x into %u",
			device->name, len, header->flags, header->gso_type, header->gso_size);
	give_back(transmitter, device);
}

/* The frame in transmitter->chain. Returns as send_frame(). */
static int handle_frame(struct net_transmitter *transmitter, struct virtio_device *device,
			int tap_fd)
{
	const struct virtqueue_chain *chain = &transmitter->chain;
	struct virtio_net_hdr_v1 header;
	uint64_t len;

	if (chain->readable_len < sizeof(header)) {
		virtio_device_fail(device, "frame of %" PRIu64 " bytes with its header",
				   chain->readable_len);
		return 0;
	}
	len = chain->readable_len - sizeof(header);
	if (tap_fd < 0) {
		give_back(transmitter, device);
		return 1;
	}
	(void)virtqueue_chain_read(chain, 0, &header, sizeof(header));
	if (!make_header(device, &header, len, &transmitter->header)) {
		drop(transmitter, device, &header, len);
		return 1;
	}
	place_segments(transmitter);
	return send_frame(transmitter, device, tap_fd);
}

int net_transmit(struct net_transmitter *transmitter, struct virtio_device *device, int tap_fd)
{
	unsigned int nr_frames = 0;
	uint64_t nr_bytes = 0;
	int r = transmitter->is_waiting ? send_frame(transmitter, device, tap_fd) : 1;

	while (r > 0 && nr_frames < NET_FRAMES_PER_TURN && nr_bytes < NET_BYTES_PER_TURN &&
	       virtio_device_pop(device, NET_QUEUE_TRANSMIT, &transmitter->chain)) {
		nr_frames++;
		nr_bytes += transmitter->chain.readable_len;
		r = handle_frame(transmitter, device, tap_fd);
	}
	virtio_device_notify(device, NET_QUEUE_TRANSMIT);
	if (nr_frames == NET_FRAMES_PER_TURN || nr_bytes >= NET_BYTES_PER_TURN)
		virtio_device_ring(device, NET_QUEUE_TRANSMIT);
	return r < 0 ? r : 0;
}

void net_transmit_give_up(struct net_transmitter *transmitter, struct virtio_device *device)
{
	if (!transmitter->is_waiting)
		return;
	give_back(transmitter, device);
	virtio_device_notify(device, NET_QUEUE_TRANSMIT);
}
