/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_link.h - the container's network as the monitor sees it: cards for the machine, words for
 * the guest, and connections to the loopback of the container's network namespace
 *
 * The network process knows the network (backend/network_channel.h). Here its cards are put into
 * the machine's slots and the rest is passed on to guest-init, the state as soon as there is a
 * container to have it. When the network process is gone the network stays as it is.
 *
 * A connection that came in at the namespace's loopback waits under a number until guest-init
 * connects for it; the two are joined then.
 *
 * Thread: the event loop's; the vsock device's lock is held except in init and fini.
 * Trust:  the guest may connect to any number at any time, or never. The network process is not
 *         believed either: one that breaks the rules is heard no more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/protocol.h"
#include "vmm/event/event_loop.h"
#include "vmm/session/guest_channel.h"
#include "vmm/session/relay.h"

/* Where cards go. */
struct network_cards {
	/* @tap_fd is taken, also on failure. */
	int (*attach)(void *context, unsigned int slot, int tap_fd, const uint8_t mac[6],
		      struct error *err);
	void (*detach)(void *context, unsigned int slot);
	void *context;
};

struct network_link {
	struct event_source channel; /* fd -1: there is no network process (any more) */
	struct event_loop *loop;
	struct vsock *vsock;
	struct guest_channel *guest;
	struct network_cards cards;
	bool has_container; /* the guest takes states */
	char *state;	    /* the last one, while it waits for that; ours */
	char *text;	    /* of a message that is received */
	bool is_scanning;   /* SCAN was sent, and is not answered */
	bool has_looked;    /* one was answered */
	void (*on_scanned)(void *context);
	void *context;
	int incoming_fds[PROTOCOL_INCOMING_MAX]; /* wait for guest-init; else -1 */
	struct relay incoming[PROTOCOL_INCOMING_MAX];
};

/* Make a struct that network_link_fini() accepts. */
void network_link_prepare(struct network_link *link);

/*
 * Take @channel_fd, also on failure; -1: there is no network process. @on_scanned with @context
 * ends each network_link_scan().
 */
int network_link_init(struct network_link *link, int channel_fd, const struct network_cards *cards,
		      void (*on_scanned)(void *context), void *context, struct guest_channel *guest,
		      struct vsock *vsock, struct event_loop *loop, struct error *err);
void network_link_fini(struct network_link *link);

/* "create" was sent: what the container's network is may follow, from now on. */
void network_link_enable(struct network_link *link);

/*
 * Have the network process look again. When all that it saw has been sent to the guest on_scanned
 * comes, from in here if there is no network process to ask.
 */
void network_link_scan(struct network_link *link);

/* The guest connects for incoming connection number @number. Returns whether that is accepted. */
bool network_link_connect(struct network_link *link, struct vsock_connection *connection,
			  uint32_t number);

/* The container has ended: hand on what can be handed on without waiting. */
void network_link_finish(struct network_link *link);
