/* SPDX-License-Identifier: Apache-2.0 */
/*
 * card_filter.h - the way between a card's tap and the interface it stands for: traffic control
 * (tc) with the policy in it, in the kernel, out of the monitor's reach
 *
 *   interface, ingress ── to the card's address, broadcast, multicast ──► tap
 *   tap, ingress ── own MAC and IP addresses ── allow-list ── rates ──► interface
 *
 * What is denied goes nowhere; card_denials.h tells of it.
 *
 * Thread: the network process's only one. Needs CAP_NET_ADMIN over the network namespace.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/network/network_state.h"
#include "vmm/oci/network_policy.h"

/*
 * Whether @ifindex is free for us: 1; 0 when another container, or somebody else, has its ingress;
 * or a negative errno value. What a container that no longer exists has left there is removed.
 */
int card_filter_claim(struct mnl_socket *netlink, uint32_t ifindex, struct error *err);

/*
 * Join @interface, which was claimed, and the tap @tap_ifindex. Called again when addresses or
 * @passes_resolver (answers to the namespace's own questions to name servers pass to it) have
 * changed: then there is no moment in which more passes than before or after.
 */
int card_filter_set(struct mnl_socket *netlink, const struct network_interface *interface,
		    uint32_t tap_ifindex, const struct network_policy *policy, bool passes_resolver,
		    struct error *err);

/* Part them. Nothing of ours is left on @ifindex; that it is gone already is no error. */
int card_filter_clear(struct mnl_socket *netlink, uint32_t ifindex, uint32_t tap_ifindex,
		      struct error *err);
