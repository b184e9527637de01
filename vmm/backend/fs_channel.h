/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_channel.h - FUSE messages between the monitor and the file server
 *
 * The two share a memfd of FS_CHANNEL_SLOTS slots and a SOCK_SEQPACKET socket pair. The monitor
 * copies a complete request into a slot and sends {slot, length}; the file server writes its
 * reply into the same slot's reply area and sends {slot, length} back (length 0: no reply, as for
 * FUSE_FORGET; the slot is free again all the same). The socket pair gives order, wake-ups and
 * the news of the other side's death; a ring of our own in the shared memory would save one copy
 * of eight bytes and cost an audit.
 *
 * Trust: each side treats the other as hostile. Slot numbers and lengths received are checked
 *        here. The shared bytes can change at any time: the file server copies headers, names and
 *        arguments out before it looks at them; only file data is used in place.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define FS_CHANNEL_SLOTS 16
#define FS_CHANNEL_DATA_MAX (256 * 1024)		  /* bytes of file data in one message */
#define FS_CHANNEL_AREA_SIZE (FS_CHANNEL_DATA_MAX + 4096) /* request or reply, headers included */

/* One message on the socket pair. */
struct fs_channel_message {
	uint32_t slot;
	uint32_t len; /* bytes in the area of the receiver's interest */
};

/* One side's view. */
struct fs_channel {
	int memory_fd;	 /* -1 once mapped and no longer needed */
	int socket_fd;	 /* non-blocking on the monitor's side, blocking on the file server's */
	uint8_t *memory; /* NULL until mapped */
};

/* Create both ends: @ret_monitor and @ret_server, not yet mapped. */
int fs_channel_create(struct fs_channel *ret_monitor, struct fs_channel *ret_server,
		      struct error *err);

/* Map the shared memory in this process and close the memfd. */
int fs_channel_map(struct fs_channel *channel, struct error *err);

/* Unmap and close. Accepts a channel that was never mapped. */
void fs_channel_close(struct fs_channel *channel);

/* The request area and the reply area of @slot (< FS_CHANNEL_SLOTS), FS_CHANNEL_AREA_SIZE bytes. */
uint8_t *fs_channel_request(const struct fs_channel *channel, uint32_t slot);
uint8_t *fs_channel_reply(const struct fs_channel *channel, uint32_t slot);

/* Send one message. Returns 0 or a negative errno value (-EPIPE: the other side is gone). */
int fs_channel_send(const struct fs_channel *channel, uint32_t slot, uint32_t len);

/*
 * Receive one message. Returns 1 and a checked message, 0 when the other side is gone, -EAGAIN
 * when there is none now (non-blocking side), or -EPROTO for one that breaks the rules above.
 */
int fs_channel_receive(const struct fs_channel *channel, struct fs_channel_message *ret_message);
