/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_cards.h - the interfaces of a network namespace as cards of the VM: which interface has
 * which slot, its tap, its filter, and what the monitor has been told
 *
 * An interface keeps its slot as long as it lives. A slot keeps its tap, which is down while nobody
 * needs it: any number of interfaces may come and go.
 *
 * Thread: the network process's only one.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/oci/network_policy.h"

struct network_cards;

/*
 * Make empty slots, of the network namespace that the process is in. What they tell goes to
 * @channel_fd (network_channel.h); that, @netlink and @policy are the caller's and stay. Opens all
 * that is ever needed.
 */
int network_cards_new(struct network_cards **ret, int channel_fd, struct mnl_socket *netlink,
		      const struct network_policy *policy, struct error *err);

/* Part cards and interfaces; nothing is left in the namespace. NULL is no error. */
void network_cards_free(struct network_cards *cards);

/* Look at the namespace; network_cards_update() does what is to be done then. */
int network_cards_scan(struct network_cards *cards, struct error *err);

/* Whether the last look has shown an interface. */
bool network_cards_have_interface(const struct network_cards *cards);

/* To be said after each look: whether somebody listens at 127.0.0.11. */
void network_cards_set_resolver(struct network_cards *cards, bool has_resolver);

/* An interface is gone, whatever the next look shows in its place. */
void network_cards_forget(struct network_cards *cards, uint32_t ifindex);

/*
 * Bring cards, filters and the monitor to what the last look has shown. An interface that cannot
 * have a card is logged, once. Returns 0, -EAGAIN when the channel is full (it goes on where it was
 * with the next call), or another negative errno value when the monitor is gone.
 */
int network_cards_update(struct network_cards *cards);

/* A descriptor that is readable when there is something to log of denied frames. */
int network_cards_denials_fd(const struct network_cards *cards);
void network_cards_read_denials(struct network_cards *cards);
