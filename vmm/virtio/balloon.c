/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>

#include "vmm/base/checked_math.h"

#define BALLOON_QUEUE_REPORTS 2
#define BALLOON_QUEUE_SIZE 32 /* Linux reports that many ranges at a time, and needs the room */
#define BALLOON_RANGES_PER_WAKEUP 32
#define BALLOON_BYTES_PER_WAKEUP (UINT64_C(16) << 20)

/* num_pages and actual: the balloon is empty, and shall be. */
static const uint8_t balloon_config[offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)];

/* Give back at most @limit bytes of the next range. Returns how many; with the last it is over. */
static uint64_t give_back(struct balloon_request *request, uint64_t limit)
{
	struct iovec *range = &request->chain.segments[request->chain.nr_readable + request->next];
	uint64_t len;

	guest_memory_trim_to_pages(range);
	len = min_u64(range->iov_len, limit);
	guest_memory_give_back(range->iov_base, len);
	range->iov_base = (uint8_t *)range->iov_base + len;
	range->iov_len -= len;
	if (range->iov_len == 0)
		request->next++;
	return len;
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	struct balloon_request *request = &((struct balloon *)device)->requests[index];
	uint64_t budget = BALLOON_BYTES_PER_WAKEUP;
	unsigned int nr;

	for (nr = 0; nr < BALLOON_RANGES_PER_WAKEUP && budget > 0; nr++) {
		if (!request->is_begun) {
			if (!virtio_device_pop(device, index, &request->chain))
				break;
			request->is_begun = true;
			request->next = 0;
		}
		if (index == BALLOON_QUEUE_REPORTS && request->next < request->chain.nr_writable) {
			budget -= give_back(request, budget);
			if (request->next < request->chain.nr_writable)
				continue;
		}
		virtqueue_push(&device->queues[index], request->chain.head, 0);
		request->is_begun = false;
	}
	virtio_device_notify(device, index);
	if (nr == BALLOON_RANGES_PER_WAKEUP || budget == 0)
		virtio_device_ring(device, index);
}

static void on_reset(struct virtio_device *device)
{
	for (unsigned int i = 0; i < BALLOON_NR_QUEUES; i++)
		((struct balloon *)device)->requests[i].is_begun = false;
}

static const struct virtio_device_ops balloon_ops = { .on_queue = on_queue, .on_reset = on_reset };

int balloon_init(struct balloon *balloon, const struct guest_memory *memory,
		 struct event_loop *loop, struct virtio_transport transport, struct error *err)
{
	*balloon = (struct balloon){
		.device = {
			.name = "balloon",
			.device_id = VIRTIO_ID_BALLOON,
			.device_features = UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING,
			.ops = &balloon_ops,
			.nr_queues = BALLOON_NR_QUEUES,
			.queue_size_max = BALLOON_QUEUE_SIZE,
			.config = balloon_config,
			.config_size = sizeof(balloon_config),
		},
	};
	return virtio_device_init(&balloon->device, memory, loop, transport, err);
}

void balloon_fini(struct balloon *balloon, struct event_loop *loop)
{
	virtio_device_fini(&balloon->device, loop);
}
