/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"

#define CHAIN_LEN_MAX (UINT64_C(1) << 32) /* section 2.7.5.2 */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are little-endian, as the host");
_Static_assert(sizeof(struct vring_desc) == 16, "section 2.7.5");
_Static_assert(offsetof(struct vring_avail, ring) == 4, "section 2.7.6");
_Static_assert(offsetof(struct vring_used, ring) == 4, "section 2.7.8");
_Static_assert(sizeof(struct vring_used_elem) == 8, "section 2.7.8");

static uint64_t descriptor_area_size(uint16_t size)
{
	return sizeof(struct vring_desc) * (uint64_t)size;
}

/* Both rings end in the 16-bit event index of the other side, present or not. */
static uint64_t driver_area_size(uint16_t size)
{
	return sizeof(struct vring_avail) + sizeof(uint16_t) * ((uint64_t)size + 1);
}

static uint64_t device_area_size(uint16_t size)
{
	return sizeof(struct vring_used) + sizeof(struct vring_used_elem) * (uint64_t)size +
	       sizeof(uint16_t);
}

/* The whole area, aligned as section 2.7 asks, or NULL. */
static void *find_area(const struct guest_memory *memory, gpa_t gpa, uint64_t size,
		       uint64_t alignment)
{
	if (gpa.raw % alignment)
		return NULL;
	return guest_memory_range(memory, gpa, size);
}

int virtqueue_activate(struct virtqueue *queue, const struct guest_memory *memory,
		       bool has_event_index)
{
	uint16_t size = queue->size;
	const void *descriptors;
	void *available;
	void *used;

	if (!is_power_of_two(size) || size > VIRTQUEUE_SIZE_MAX)
		return -EPROTO;
	descriptors = find_area(memory, queue->descriptor_area, descriptor_area_size(size), 16);
	available = find_area(memory, queue->driver_area, driver_area_size(size), 2);
	used = find_area(memory, queue->device_area, device_area_size(size), 4);
	if (!descriptors || !available || !used)
		return -EPROTO;
	queue->memory = memory;
	queue->descriptors = descriptors;
	queue->available = available;
	queue->used = used;
	queue->next_available = 0;
	queue->next_used = 0;
	queue->signalled_used = 0;
	queue->has_event_index = has_event_index;
	memset(queue->in_flight, 0, sizeof(queue->in_flight));
	queue->is_active = true;
	return 0;
}

void virtqueue_reset(struct virtqueue *queue)
{
	*queue = (struct virtqueue){ 0 };
}

void virtqueue_stop(struct virtqueue *queue)
{
	queue->is_active = false;
}

static uint16_t ring_slot(const struct virtqueue *queue, uint16_t index)
{
	return index & (uint16_t)(queue->size - 1);
}

static bool is_in_flight(const struct virtqueue *queue, uint16_t head)
{
	return queue->in_flight[head / 64] >> (head % 64) & 1;
}

/* How many requests wait, or -EPROTO. */
static int count_available(const struct virtqueue *queue)
{
	const struct vring_avail *available = queue->available;
	/*
	 * Acquire: pairs with the driver's release of avail.idx, so that ring entries and
	 * descriptors fetched after this are at least as new as the index that announced them.
	 */
	uint16_t index = __atomic_load_n(&available->idx, __ATOMIC_ACQUIRE);
	uint16_t nr_pending = (uint16_t)(index - queue->next_available);

	return nr_pending > queue->size ? -EPROTO : nr_pending;
}

/* Two loads that the compiler can neither repeat nor split: the driver may write meanwhile. */
static struct vring_desc fetch_descriptor(const struct virtqueue *queue, uint16_t index)
{
	const uint64_t *words = queue->descriptors;
	uint64_t low = __atomic_load_n(&words[2 * (size_t)index], __ATOMIC_RELAXED);
	uint64_t high = __atomic_load_n(&words[2 * (size_t)index + 1], __ATOMIC_RELAXED);

	return (struct vring_desc){
		.addr = low,
		.len = (uint32_t)high,
		.flags = (uint16_t)(high >> 32),
		.next = (uint16_t)(high >> 48),
	};
}

/* Check a fetched descriptor and append it to @chain, whose segments have room for it. */
static int append_segment(const struct virtqueue *queue, const struct vring_desc *descriptor,
			  struct virtqueue_chain *chain)
{
	bool is_writable = descriptor->flags & VRING_DESC_F_WRITE;
	gpa_t gpa = { descriptor->addr };
	void *host = guest_memory_range(queue->memory, gpa, descriptor->len);

	if (!host || !descriptor->len || descriptor->flags & VRING_DESC_F_INDIRECT)
		return -EPROTO;
	if (!is_writable && chain->nr_writable)
		return -EPROTO; /* section 2.7.4.2 */
	if (descriptor->len > CHAIN_LEN_MAX - chain->readable_len - chain->writable_len)
		return -EPROTO;
	chain->segments[chain->nr_readable + chain->nr_writable] =
		(struct iovec){ .iov_base = host, .iov_len = descriptor->len };
	if (is_writable) {
		chain->nr_writable++;
		chain->writable_len += descriptor->len;
	} else {
		chain->nr_readable++;
		chain->readable_len += descriptor->len;
	}
	return 0;
}

static int walk_chain(const struct virtqueue *queue, uint16_t head, struct virtqueue_chain *chain)
{
	uint16_t index = head;

	chain->head = head;
	chain->nr_readable = 0;
	chain->nr_writable = 0;
	chain->readable_len = 0;
	chain->writable_len = 0;
	/* A chain without a loop has at most as many descriptors as the table. */
	for (unsigned int nr_hops = 0; nr_hops < queue->size; nr_hops++) {
		struct vring_desc descriptor;
		int r;

		if (index >= queue->size)
			return -EPROTO;
		descriptor = fetch_descriptor(queue, index);
		r = append_segment(queue, &descriptor, chain);
		if (r < 0)
			return r;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
	return -EPROTO;
}

int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	const struct vring_avail *available = queue->available;
	uint16_t head;
	int r;

	if (!queue->is_active)
		return 0;
	r = count_available(queue);
	if (r <= 0)
		return r;
	head = __atomic_load_n(&available->ring[ring_slot(queue, queue->next_available)],
			       __ATOMIC_RELAXED);
	if (head >= queue->size || is_in_flight(queue, head))
		return -EPROTO;
	r = walk_chain(queue, head, chain);
	if (r < 0)
		return r;
	queue->in_flight[head / 64] |= UINT64_C(1) << (head % 64);
	queue->next_available++;
	return 1;
}

int virtqueue_is_empty(const struct virtqueue *queue)
{
	int r = queue->is_active ? count_available(queue) : 0;

	return r < 0 ? r : r == 0;
}

void virtqueue_fill(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	struct vring_used *used = queue->used;
	struct vring_used_elem *element;

	if (!queue->is_active)
		return;
	BUG_ON(head >= queue->size || !is_in_flight(queue, head));
	queue->in_flight[head / 64] &= ~(UINT64_C(1) << (head % 64));
	element = &used->ring[ring_slot(queue, queue->next_used)];
	__atomic_store_n(&element->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&element->len, written, __ATOMIC_RELAXED);
	queue->next_used++;
}

void virtqueue_flush(struct virtqueue *queue)
{
	struct vring_used *used = queue->used;

	if (!queue->is_active)
		return;
	/*
	 * Release: pairs with the driver's acquire of used.idx, so that it sees the elements and
	 * the bytes we wrote into its buffers.
	 */
	__atomic_store_n(&used->idx, queue->next_used, __ATOMIC_RELEASE);
}

void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	virtqueue_fill(queue, head, written);
	virtqueue_flush(queue);
}

bool virtqueue_needs_interrupt(struct virtqueue *queue)
{
	const struct vring_avail *available = queue->available;
	uint16_t nr_pushed = (uint16_t)(queue->next_used - queue->signalled_used);
	uint16_t event;

	if (!queue->is_active || nr_pushed == 0)
		return false;
	queue->signalled_used = queue->next_used;
	/*
	 * Full fence between our store of used.idx and the load of the driver's wish. It pairs
	 * with the driver's between its store of that wish and its last look at used.idx: one of
	 * the two sides sees what the other wrote, so no wake-up is lost.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->has_event_index)
		return !(__atomic_load_n(&available->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	/* Was the entry at the driver's used_event, which follows the ring, among those pushed? */
	event = __atomic_load_n(&available->ring[queue->size], __ATOMIC_RELAXED);
	return (uint16_t)(queue->next_used - 1 - event) < nr_pushed;
}

void virtqueue_set_notify(struct virtqueue *queue, bool enable)
{
	struct vring_used *used = queue->used;
	uint16_t *avail_event;

	if (!queue->is_active)
		return;
	if (!queue->has_event_index) {
		__atomic_store_n(&used->flags, enable ? 0 : VRING_USED_F_NO_NOTIFY,
				 __ATOMIC_RELAXED);
	} else if (enable) {
		/* An old avail_event asks for nothing, so there is no other branch. */
		avail_event = (void *)&used->ring[queue->size];
		__atomic_store_n(avail_event, queue->next_available, __ATOMIC_RELAXED);
	}
	/*
	 * Full fence between this store and the caller's next look at avail.idx; pairs with the
	 * driver's between its store of avail.idx and its load of what we just wrote.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Copy between @data and @nr segments, from byte @offset of these on. Returns the bytes copied. */
static size_t copy_segments(const struct iovec *segments, unsigned int nr, uint64_t offset,
			    void *data, const void *source, size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < nr && done < len; i++) {
		size_t size = segments[i].iov_len;
		size_t part;
		uint8_t *guest;

		if (offset >= size) {
			offset -= size;
			continue;
		}
		guest = (uint8_t *)segments[i].iov_base + offset;
		part = min_u64(size - offset, len - done);
		if (source)
			memcpy(guest, (const uint8_t *)source + done, part);
		else
			/* Exactly one of @data and @source is there. */
			/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			memcpy((uint8_t *)data + done, guest, part);
		done += part;
		offset = 0;
	}
	/* Even when inlined a copy is final: the compiler must not load from the guest again. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return done;
}

size_t virtqueue_chain_read(const struct virtqueue_chain *chain, uint64_t offset, void *data,
			    size_t len)
{
	return copy_segments(chain->segments, chain->nr_readable, offset, data, NULL, len);
}

size_t virtqueue_segments_write(const struct iovec *segments, unsigned int nr, uint64_t offset,
				const void *data, size_t len)
{
	return copy_segments(segments, nr, offset, NULL, data, len);
}

size_t virtqueue_chain_write(const struct virtqueue_chain *chain, uint64_t offset, const void *data,
			     size_t len)
{
	return virtqueue_segments_write(chain->segments + chain->nr_readable, chain->nr_writable,
					offset, data, len);
}
