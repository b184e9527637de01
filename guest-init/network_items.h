/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_items.h - addresses, routes and neighbours of an interface: from one list to the next
 *
 * An item that was added is marked as applied, so that only what differs is done, and what failed
 * is tried again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/netlink.h"
#include "guest-init/network_plan.h"

enum network_item_kind { NETWORK_ADDRESSES, NETWORK_ROUTES, NETWORK_NEIGHBOURS };

/* Items of @to that @from has, too, are applied where those are. */
void network_items_carry(enum network_item_kind kind, const struct plan_interface *from,
			 struct plan_interface *to);

/* The kernel has dropped the items of @family (0: of both). */
void network_items_forget(enum network_item_kind kind, struct plan_interface *interface,
			  uint8_t family);

/*
 * Remove what @from has applied and @to does not have. *@ret_nr_removed tells how many. All are
 * tried, and the first failure is returned.
 */
int network_items_remove(enum network_item_kind kind, struct netlink *netlink, uint32_t index,
			 const struct plan_interface *from, const struct plan_interface *to,
			 size_t *ret_nr_removed, struct failure *err);

/* Add what is not applied, IPv6 only if @has_ipv6. All are tried, as above. */
int network_items_add(enum network_item_kind kind, struct netlink *netlink, uint32_t index,
		      struct plan_interface *interface, bool has_ipv6, struct failure *err);
