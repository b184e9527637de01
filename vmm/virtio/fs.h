/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.h - virtio file system device (virtio 1.2, section 5.11) in front of the file server
 *
 * The device moves FUSE messages between rings and the file server's channel, one slot of the
 * channel per request. Of a message it knows the two headers: that the request is as long as it
 * says, and how to say no.
 *
 * A request keeps its slot until the file server answers, whatever the driver does meanwhile:
 * after a reset the answer is dropped. When all slots are taken requests wait in the rings.
 *
 * Thread: init before the event loop runs, fini after it.
 * Trust:  requests are the guest's. Answers are the file server's, which is no more trusted: an
 *         answer to nothing ends the dealings with it.
 */
#pragma once

#include <linux/virtio_fs.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/backend/fs_channel.h"
#include "vmm/virtio/virtio_device.h"

/* One slot of the channel. */
struct fs_request {
	bool is_busy;	   /* the file server has it */
	bool is_abandoned; /* the device was reset since: nobody waits for the answer */
	unsigned int queue_index;
	uint64_t unique; /* the driver's name for it, which an answer repeats */
	struct virtqueue_chain chain;
};

struct fs {
	struct virtio_device device;
	struct virtio_fs_config config;
	const struct fs_channel *channel;
	struct event_loop *loop;
	struct event_source channel_source;
	void (*on_server_gone)(void *context);
	void *context;
	bool is_server_gone;			      /* [lock] */
	struct fs_request requests[FS_CHANNEL_SLOTS]; /* [lock] */
};

/*
 * @tag (at most 36 bytes) is the name the guest mounts by. @channel is the monitor's end, mapped;
 * it stays the caller's, like the rest, and outlives the device. @on_server_gone is called once,
 * on the event loop with the device's lock held, when the file server hung up or broke the rules
 * of the channel; from then on every request is answered with ENOTCONN.
 */
int fs_init(struct fs *fs, const char *tag, const struct fs_channel *channel,
	    void (*on_server_gone)(void *context), void *context, const struct guest_memory *memory,
	    struct event_loop *loop, struct virtio_transport transport, struct error *err);
void fs_fini(struct fs *fs, struct event_loop *loop);
