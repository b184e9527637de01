/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_driver.h - a driver of a network card, on one of its sides, with what stands for the wire on
 * the other
 *
 * Used by a test program alone, with tap.h: the functions check what must not fail.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_driver.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/net_queues.h"

#define NET_WIRE_MAX (NET_HEADER_SIZE + NET_FRAME_MAX)

struct net_driver {
	struct fake_driver fake;
	struct net *net;
	int wire_fd;	     /* the other end of what the card has as its tap; -1: none */
	uint16_t nr_offered; /* receive buffers so far */
};

extern const uint8_t net_driver_mac[NET_MAC_SIZE];

/* An empty slot, and a driver with rings of @queue_size that has not started. */
void net_driver_init(struct net_driver *driver, uint16_t queue_size);
void net_driver_fini(struct net_driver *driver);

/* Attach a card whose tap is one end of a socket pair. Returns what net_attach() does. */
int net_driver_attach(struct net_driver *driver);

/* Start, as fake_driver_start(). */
bool net_driver_start(struct net_driver *driver);

/* Offer @nr receive buffers of @len bytes, each at a place of its own, and ring. */
void net_driver_offer(struct net_driver *driver, unsigned int nr, uint32_t len);

/*
 * Put a frame of @len bytes, which are told by @seed, on the wire, behind @header (NULL: zeroes).
 * Returns whether the wire took it.
 */
bool net_driver_put(struct net_driver *driver, const struct virtio_net_hdr_v1 *header, size_t len,
		    uint8_t seed);

/*
 * Take the next used buffers, as many as the header says, and check that they hold a frame that
 * net_driver_put() made with @seed, of @len bytes. Returns the number of buffers, 0 when it is
 * not so.
 */
unsigned int net_driver_got(struct net_driver *driver, size_t len, uint8_t seed);

/* Send such a frame, in one chain of a header and one more segment; rings not. */
void net_driver_send(struct net_driver *driver, const struct virtio_net_hdr_v1 *header, size_t len,
		     uint8_t seed);

/*
 * Take a frame from the wire. Returns whether there is one like that, of @len bytes; *@ret_header
 * is what came before it.
 */
bool net_driver_was_sent(struct net_driver *driver, size_t len, uint8_t seed,
			 struct virtio_net_hdr_v1 *ret_header);

/* How many frames the device has given back to the driver since the last call. */
unsigned int net_driver_count_sent(struct net_driver *driver);
