/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_scan.h - what a network namespace has, by dumps of rtnetlink
 *
 * Thread: the network process's only one.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/network/network_state.h"

/*
 * Fill @ret_state, has_resolver apart: Ethernet interfaces that are not ours and have no master,
 * with their addresses and permanent neighbours, and the routes of the main table but for the
 * kernel's own. Where there are more interfaces than fit, those of @kept (0: none) come first, then
 * those with the lowest number. Left out are addresses that may not be used yet or for long. Of a
 * route with several next hops there is the first. @ret_state is untouched on failure, and large:
 * not for the stack.
 *
 * Returns 0 or a negative errno value; -EINTR when the namespace changed each time it was tried.
 */
int network_scan(struct mnl_socket *netlink, const uint32_t kept[NETWORK_SLOTS],
		 struct network_state *ret_state, struct error *err);

/* Whether a change that rtnetlink tells of by @message can make a difference to a scan. */
bool network_scan_is_news(const struct nlmsghdr *message);
