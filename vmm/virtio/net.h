/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - network card (virtio 1.2, section 5.1) in front of a tap interface
 *
 * Frames pass as they are, with the virtio_net_hdr that the tap understands: checksums and
 * segmentation are left to whoever needs them done. Mergeable receive buffers; no control queue.
 * A driver has to take what a tap may give (struct virtio_device, required_features).
 *
 * A machine has a fixed number of slots for cards. A slot without one shows device id 0, which
 * drivers ignore (section 4.2.2); when a card is attached the guest has its bus look again.
 *
 * Thread: the event loop's, registers apart (virtio_device.h).
 * Trust:  a frame and its header are the guest's: a header that is not one of those negotiated is
 *         dropped here; addresses are the business of the filter on the tap.
 */
#pragma once

#include <stdint.h>

#include "vmm/virtio/virtio_device.h"

#define NET_MAC_SIZE 6

struct net;

/* Make an empty slot. @name ("net0") is for messages and stays in place. */
int net_new(struct net **ret, const char *name, const struct guest_memory *memory,
	    struct event_loop *loop, struct virtio_transport transport, struct error *err);
void net_free(struct net *net);

/* For bus and doorbells. */
struct virtio_device *net_device(struct net *net);

/*
 * Put a card with address @mac into the slot. @tap_fd is taken, also on failure: non-blocking,
 * IFF_TAP, IFF_NO_PI, IFF_VNET_HDR with headers of 12 bytes, and with all offloads of this device
 * on. What was in the slot before is detached.
 */
int net_attach(struct net *net, int tap_fd, const uint8_t mac[NET_MAC_SIZE], struct error *err);

/*
 * Empty the slot. A driver that still uses it sees the link go down; what it sends is lost. The
 * same happens by itself when the tap turns out to be gone.
 */
void net_detach(struct net *net);
