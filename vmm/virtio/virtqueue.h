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
	/* Heads popped and not yet pushed, a bit each. */
	uint64_t in_flight[VIRTQUEUE_SIZE_MAX / 64];
};

/*
 * Check size, alignment and range of all three areas, whole, and start serving the queue from
 * index 0 with nothing in flight.
 *
 * Returns 0 or -EPROTO, then the device must fail (section 2.1.2).
 */
int virtqueue_activate(struct virtqueue *queue, const struct guest_memory *memory,
		       bool has_event_index);

/* Forget everything the driver said. Accepts a zeroed struct. */
void virtqueue_reset(struct virtqueue *queue);

/* Serve the queue no more: nothing is popped, and what is pushed gets lost, until a reset. */
void virtqueue_stop(struct virtqueue *queue);

/*
 * Take the next request the driver made available.
 *
 * Returns 1 and fills @chain, 0 if there is none or the queue is not active, or -EPROTO if the
 * driver broke the ring protocol; the device must then fail (section 2.1.2) and must not call
 * this again before a reset. Violations are an available index further ahead than the queue is
 * long, a descriptor index outside the table, a chain with a loop, with an empty or indirect
 * descriptor (which are not offered), with a readable descriptor after a writable one, of more
 * than 2^32 bytes or with a byte outside RAM, and a head that is still in flight.
 */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain);

/*
 * Tell whether virtqueue_pop() would find a request, without looking at it.
 *
 * Returns 1 if there is none or the queue is not active, 0 if there is one, or -EPROTO like
 * virtqueue_pop().
 */
int virtqueue_is_empty(const struct virtqueue *queue);

/*
 * Give the chain with @head, which was popped and not yet pushed, back to the driver; the device
 * wrote @written bytes into its writable segments. Does nothing while the queue is not active.
 */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/*
 * The same in two steps, for chains that the driver must find all at once: each is filled in, then
 * all are made visible.
 */
void virtqueue_fill(struct virtqueue *queue, uint16_t head, uint32_t written);
void virtqueue_flush(struct virtqueue *queue);

/*
 * True when the driver wants an interrupt for what was pushed since the last call; false when
 * nothing was, or the queue is not active (section 2.7.7).
 */
bool virtqueue_needs_interrupt(struct virtqueue *queue);

/*
 * Ask the driver for a doorbell with the next request (@enable), or tell it that none is needed
 * while the device is busy polling. After enabling, the caller looks at the queue once more: a
 * request may have come before the driver could know (section 2.7.10). Does nothing while the
 * queue is not active.
 */
void virtqueue_set_notify(struct virtqueue *queue, bool enable);

/* Copy up to @len bytes out of the readable segments, from byte @offset on. Returns the count. */
size_t virtqueue_chain_read(const struct virtqueue_chain *chain, uint64_t offset, void *data,
			    size_t len);

/* Copy up to @len bytes into the writable segments, from byte @offset on. Returns the count. */
size_t virtqueue_chain_write(const struct virtqueue_chain *chain, uint64_t offset, const void *data,
			     size_t len);

/* The same into @nr writable segments of one chain or of several, one after another. */
size_t virtqueue_segments_write(const struct iovec *segments, unsigned int nr, uint64_t offset,
				const void *data, size_t len);
