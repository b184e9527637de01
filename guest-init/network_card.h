/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_card.h - a card's interface on its way: bound, moved, named, given what the plan has
 *
 * The functions that return a failure leave in the struct what was reached, to be tried again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/netlink.h"
#include "guest-init/network_plan.h"

/* Where cards come from and go to. */
struct network_place {
	int sysfs_fd;	       /* of card_driver_open() */
	struct netlink first;  /* the guest's first network namespace */
	struct netlink inside; /* the container's, which is guest-init's own by now */
	int namespace_fd;      /* of the container; -1: the first is the container's */
};

struct network_card {
	uint32_t number; /* below PROTOCOL_CARDS */
	bool is_there;	 /* what follows is valid */
	uint32_t index;	 /* of its interface */
	char name[IF_NAMESIZE];
	uint32_t mtu; /* 0: not set yet */
	bool is_up;
	struct plan_interface plan; /* what was asked for last; owned */

	bool has_next;		    /* while a message is applied */
	struct plan_interface next; /* what is asked for; owned */
};

void network_card_free_interface(struct plan_interface *interface);

/* Whether the card has the name that it shall have. */
bool network_card_is_named(const struct network_card *card);

/* Begin with the plan that comes next of a card that stays: what both have is done. */
void network_card_begin(struct network_card *card);

/* It is no longer asked for. */
int network_card_remove(struct network_card *card, struct network_place *place,
			struct failure *err);

/* Bring its interface into the container's network namespace. It has a name of ours there. */
int network_card_add(struct network_card *card, struct network_place *place, struct failure *err);

/* Give an interface with another name than it shall have one of ours, for which it goes down. */
int network_card_park(struct network_card *card, struct network_place *place, struct failure *err);

/* Give it its name. */
int network_card_set_name(struct network_card *card, struct network_place *place,
			  struct failure *err);

/* MTU, up or down, addresses, neighbours. */
int network_card_set_up(struct network_card *card, struct network_place *place,
			struct failure *err);

/* Remove and add routes. */
int network_card_remove_routes(struct network_card *card, struct network_place *place,
			       struct failure *err);
int network_card_add_routes(struct network_card *card, struct network_place *place,
			    struct failure *err);
