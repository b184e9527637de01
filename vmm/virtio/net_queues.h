/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_queues.h - the two queues of a network card (virtio 1.2, section 5.1.6), each in front of a
 * tap that takes and gives a frame with its header a call
 *
 * Frames pass between tap and guest memory in one copy, the kernel's. What is done at a time is
 * bounded; the rest is for the loop's next turn.
 *
 * Thread: the event loop's, with the device's lock held.
 * Trust:  the header of a frame that the guest sends is fetched once; what the tap gets is a
 *         header of ours, of what was checked. The frame behind it is the guest's until the
 *         kernel has copied it. Of what the tap gives, only the length is looked at.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/virtio/virtio_device.h"

#define NET_QUEUE_RECEIVE 0
#define NET_QUEUE_TRANSMIT 1
#define NET_NR_QUEUES 2
#define NET_QUEUE_SIZE 256

#define NET_HEADER_SIZE 12  /* bytes, struct virtio_net_hdr_v1 */
#define NET_FRAME_MIN 14    /* bytes, an Ethernet header */
#define NET_FRAME_MAX 65554 /* 64 KiB that are segmented later, Ethernet header, VLAN tag */
#define NET_FRAMES_PER_TURN 64
#define NET_BYTES_PER_TURN ((uint64_t)512 * 1024)

/* A buffer of the guest's that waits for a frame. */
struct net_buffer {
	uint64_t len;
	uint16_t head;
	uint16_t nr_segments;
};

/* The buffers that were taken and not used yet, in order; whole frames fit into them. */
struct net_receiver {
	struct net_buffer buffers[VIRTQUEUE_SIZE_MAX];
	unsigned int nr_buffers;
	struct iovec segments[VIRTQUEUE_SIZE_MAX]; /* of all buffers */
	unsigned int nr_segments;
	uint64_t room;		      /* bytes of all of these */
	bool is_starved;	      /* waits for buffers, until the doorbell rings */
	struct virtqueue_chain chain; /* the one being taken */
};

/* Take nothing of the driver's for granted: it was reset, with all buffers. */
void net_receiver_reset(struct net_receiver *receiver);

/*
 * Pass frames from @tap_fd on to the guest until there is none, or no room for the largest one, or
 * enough for one turn: then the tap stays readable. Returns 0, or a negative errno value when the
 * tap is unusable. The device may have failed afterwards.
 */
int net_receive(struct net_receiver *receiver, struct virtio_device *device, int tap_fd);

struct net_transmitter {
	struct virtqueue_chain chain; /* of the frame being sent */
	struct virtio_net_hdr_v1 header;
	struct iovec segments[VIRTQUEUE_SIZE_MAX + 1]; /* @header, the frame */
	unsigned int nr_segments;
	bool is_waiting; /* until the tap takes the frame */
	uint64_t nr_dropped;
};

/* As net_receiver_reset(). */
void net_transmitter_reset(struct net_transmitter *transmitter);

/*
 * Pass frames of the guest on to @tap_fd, or drop them when it is -1, until there is none, or the
 * tap's own queue is full (is_waiting), or it is enough for one turn: then the doorbell rings
 * again. Frames are dropped whose header says what was not negotiated or cannot be.
 *
 * A full tap is waited for, since a frame that is lost here would be sent again by the guest, at
 * its cost and the host's, and one that waits slows the guest down to what the host takes.
 *
 * Returns 0, or a negative errno value when the tap is unusable. The device may have failed
 * afterwards.
 */
int net_transmit(struct net_transmitter *transmitter, struct virtio_device *device, int tap_fd);

/* The tap is gone: the frame that waits for it is lost. */
void net_transmit_give_up(struct net_transmitter *transmitter, struct virtio_device *device);
