/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "vmm/base/checked_math.h"

#define RNG_QUEUE 0
#define RNG_QUEUE_SIZE 8
#define RNG_BYTES_PER_WAKEUP (64 * 1024) /* also the most that one request gets */

/* Fill the writable segments with at most @limit bytes. Returns how many. */
static uint32_t fill(const struct virtqueue_chain *chain, uint32_t limit)
{
	uint32_t filled = 0;

	for (unsigned int i = 0; i < chain->nr_writable && filled < limit; i++) {
		const struct iovec *segment = &chain->segments[chain->nr_readable + i];
		size_t len = min_u64(segment->iov_len, limit - filled);
		ssize_t r = getrandom(segment->iov_base, len, 0);

		filled += r > 0 ? (uint32_t)r : 0;
		if (r < 0 || (size_t)r < len) /* a signal came: the driver asks again */
			break;
	}
	return filled;
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	struct rng *rng = (struct rng *)device;
	uint32_t budget = RNG_BYTES_PER_WAKEUP;
	unsigned int nr;

	for (nr = 0; nr < RNG_QUEUE_SIZE && budget > 0; nr++) {
		uint32_t filled;

		if (!virtio_device_pop(device, index, &rng->chain))
			break;
		filled = fill(&rng->chain, budget);
		budget -= filled;
		virtqueue_push(&device->queues[index], rng->chain.head, filled);
	}
	virtio_device_notify(device, index);
	if (nr == RNG_QUEUE_SIZE || budget == 0)
		virtio_device_ring(device, index);
}

static const struct virtio_device_ops rng_ops = { .on_queue = on_queue };

int rng_init(struct rng *rng, const struct guest_memory *memory, struct event_loop *loop,
	     struct virtio_transport transport, struct error *err)
{
	*rng = (struct rng){
		.device = {
			.name = "rng",
			.device_id = VIRTIO_ID_RNG,
			.ops = &rng_ops,
			.nr_queues = RNG_QUEUE + 1,
			.queue_size_max = RNG_QUEUE_SIZE,
		},
	};
	return virtio_device_init(&rng->device, memory, loop, transport, err);
}

void rng_fini(struct rng *rng, struct event_loop *loop)
{
	virtio_device_fini(&rng->device, loop);
}
