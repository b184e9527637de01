/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue.h - device side of one split virtqueue (virtio 1.2, section 2.7)
 *
 * Thread: every function is called with the lock of the device held that owns the queue.
 * Trust:  ring indices, descriptors and buffers are the guest's; each value is fetched once,
 *         checked, and then used from our copy. Nothing is read back from the used ring.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/memory/guest_memory.h"

#define VIRTQUEUE_SIZE_MAX 256

/*
 * One request the driver made available: the device reads the first @nr_readable segments and
 * writes the @nr_writable that follow. The segments point into guest memory: they are safe to
 * read and write, but their content may change while one looks.
 */
struct virtqueue_chain {
	uint16_t head;
	unsigned int nr_readable;
	unsigned int nr_writable;
	uint64_t readable_len; /* bytes in all readable segments */
	uint64_t writable_len; /* bytes in all writable segments */
	struct iovec segments[VIRTQUEUE_SIZE_MAX];
};

struct virtqueue {
	/* What the driver writes through registers before the queue is activated. */
	uint16_t size; /* [lock] */
	gpa_t descriptor_area;
	gpa_t driver_area;
	gpa_t device_area;
	bool is_ready;

	/* Valid while active. */
	bool is_active;
	const struct guest_memory *memory;
	const void *descriptors;
	void *available;
	void *used;
	uint16_t next_available; /* ours, authoritative */
	uint16_t next_used;
	uint16_t signalled_used; /* value of next_used at the last interrupt decision */
	bool has_event_index;	 /* VIRTIO_F_EVENT_IDX was negotiated */
};

/*
 * Check size, alignment and range of all three areas, whole, and start serving the queue.
 *
 * Returns 0 or -EPROTO, then the device must fail (section 2.1.2).
 */
int virtqueue_activate(struct virtqueue *queue, const struct guest_memory *memory,
		       bool has_event_index);

/* Forget everything the driver said. Accepts a zeroed struct. */
void virtqueue_reset(struct virtqueue *queue);

/*
 * Take the next request the driver made available.
 *
 * Returns 1 and fills @chain, 0 if there is none, or -EPROTO if the driver broke the ring
 * protocol; the device must then fail (section 2.1.2) and must not call this again before a
 * reset. Indirect descriptors are not offered and count as a violation.
 */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain);

/* Like virtqueue_pop(), but the request stays available: only tells whether there is one. */
int virtqueue_is_empty(struct virtqueue *queue);

/* Give the chain with @head back; the device wrote @written bytes into it. */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* True when the driver wants an interrupt for what was pushed since the last call. */
bool virtqueue_needs_interrupt(struct virtqueue *queue);

/*
 * Ask the driver for doorbells (@enable), or tell it that none are needed while the device is
 * busy polling. After enabling, the caller looks at the queue once more (section 2.7.10).
 */
void virtqueue_set_notify(struct virtqueue *queue, bool enable);

/* Copy up to @len bytes out of the readable segments, from byte @offset on. Returns the count. */
size_t virtqueue_chain_read(const struct virtqueue_chain *chain, uint64_t offset, void *data,
			    size_t len);

/* Copy up to @len bytes into the writable segments, from byte @offset on. Returns the count. */
size_t virtqueue_chain_write(const struct virtqueue_chain *chain, uint64_t offset,
			     const void *data, size_t len);
