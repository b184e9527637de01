/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/console.h"

#include <linux/virtio_ids.h>

#include "vmm/base/checked_math.h"

#define CONSOLE_RECEIVE_QUEUE 0 /* its buffers are never filled: the guest gets no input here */
#define CONSOLE_TRANSMIT_QUEUE 1
#define CONSOLE_QUEUE_SIZE 64
#define CONSOLE_REQUEST_MAX ((uint64_t)64 * 1024) /* bytes of one request that are looked at */
#define CONSOLE_BYTES_PER_WAKEUP ((uint64_t)64 * 1024)

/* Returns the bytes logged. */
static uint64_t log_chain(struct boot_log *log, const struct virtqueue_chain *chain)
{
	uint8_t buffer[1024];
	uint64_t done = 0;

	while (done < CONSOLE_REQUEST_MAX) {
		size_t len = virtqueue_chain_read(chain, done, buffer, sizeof(buffer));

		if (len == 0)
			break;
		boot_log_append(log, buffer, len);
		done += len;
	}
	return done;
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	struct console *console = (struct console *)device;
	uint64_t nr_bytes = 0;
	unsigned int nr;

	if (index != CONSOLE_TRANSMIT_QUEUE)
		return;
	for (nr = 0; nr < CONSOLE_QUEUE_SIZE && nr_bytes < CONSOLE_BYTES_PER_WAKEUP; nr++) {
		if (!virtio_device_pop(device, index, &console->chain))
			break;
		nr_bytes += log_chain(console->log, &console->chain);
		virtqueue_push(&device->queues[index], console->chain.head, 0);
	}
	virtio_device_notify(device, index);
	if (nr == CONSOLE_QUEUE_SIZE || nr_bytes >= CONSOLE_BYTES_PER_WAKEUP)
		virtio_device_ring(device, index);
}

static const struct virtio_device_ops console_ops = { .on_queue = on_queue };

int console_init(struct console *console, struct boot_log *log, const struct guest_memory *memory,
		 struct event_loop *loop, struct virtio_transport transport, struct error *err)
{
	*console = (struct console){
		.device = {
			.name = "console",
			.device_id = VIRTIO_ID_CONSOLE,
			.ops = &console_ops,
			.nr_queues = CONSOLE_TRANSMIT_QUEUE + 1,
			.queue_size_max = CONSOLE_QUEUE_SIZE,
		},
		.log = log,
	};
	return virtio_device_init(&console->device, memory, loop, transport, err);
}

void console_fini(struct console *console, struct event_loop *loop)
{
	virtio_device_fini(&console->device, loop);
}
