/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/network_card.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "guest-init/card_driver.h"
#include "guest-init/network_interface.h"
#include "guest-init/network_items.h"
#include "guest-init/scope.h"

#define LINK_WAIT_MS 200 /* for a card whose link is there from the beginning */

void network_card_free_interface(struct plan_interface *interface)
{
	free(interface->addresses);
	free(interface->routes);
	free(interface->neighbours);
	memset(interface, 0, sizeof(*interface));
}

bool network_card_is_named(const struct network_card *card)
{
	return !strcmp(card->name, card->next.name);
}

/* Not where config.json has switched it off, and not where nothing of it would stay. */
static bool card_has_ipv6(const struct network_card *card)
{
	char path[64 + IF_NAMESIZE];
	AUTO_CLOSE int fd = -1;
	char is_off = '1';

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", card->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return card->is_up && fd >= 0 && read(fd, &is_off, 1) == 1 && is_off == '0';
}

/* --- coming, going, and names ----------------------------------------------------------------- */

int network_card_remove(struct network_card *card, struct network_place *place, struct failure *err)
{
	const struct plan_interface nothing = { .card = card->number };
	size_t nr_removed;

	/* Routes to nowhere are no interface's, and would stay. */
	(void)network_items_remove(NETWORK_ROUTES, &place->inside, card->index, &card->plan,
				   &nothing, &nr_removed, err);
	network_card_free_interface(&card->plan);
	card->is_there = false;
	return card_driver_unbind(place->sysfs_fd, card->number, err);
}

/* A name that no interface has, unless the workload means to be in the way. */
static void card_print_parking_name(const struct network_card *card, char name[IF_NAMESIZE])
{
	(void)snprintf(name, IF_NAMESIZE, ".card%u", card->number);
}

/* Bring the interface @name of the first namespace into the container's. */
static int card_fetch(struct network_card *card, struct network_place *place, const char *name,
		      struct failure *err)
{
	struct interface_status status;
	int r = network_interface_find(&place->first, name, 0, &status);

	card_print_parking_name(card, card->name);
	if (!r)
		r = network_interface_rename(&place->first, status.index, card->name);
	if (!r && place->namespace_fd >= 0)
		r = network_interface_move(&place->first, status.index, place->namespace_fd);
	if (!r)
		r = network_interface_find(&place->inside, card->name, 0, &status);
	if (r)
		return failure_set(err, -r, "take over the interface of card %u", card->number);
	if (memcmp(status.mac, card->next.mac, sizeof(status.mac)) != 0)
		return failure_invalid(err, "card %u has another hardware address", card->number);
	card->index = status.index;
	return 0;
}

int network_card_add(struct network_card *card, struct network_place *place, struct failure *err)
{
	struct failure ignored;
	char name[IF_NAMESIZE];
	int r = card_driver_bind(place->sysfs_fd, card->number, name, err);

	if (r)
		return r;
	r = card_fetch(card, place, name, err);
	if (r) {
		(void)card_driver_unbind(place->sysfs_fd, card->number, &ignored);
		return r;
	}
	card->is_there = true;
	card->is_up = false;
	card->mtu = 0;
	return 0;
}

/* When an interface goes down the kernel drops all but its IPv4 addresses. */
static void card_forget_dropped(struct plan_interface *interface)
{
	network_items_forget(NETWORK_ROUTES, interface, 0);
	network_items_forget(NETWORK_NEIGHBOURS, interface, 0);
	network_items_forget(NETWORK_ADDRESSES, interface, AF_INET6);
}

static int card_take_down(struct network_card *card, struct network_place *place,
			  struct failure *err)
{
	int r = network_interface_set_up(&place->inside, card->index, false);

	if (r)
		return failure_set(err, -r, "take the interface down");
	card->is_up = false;
	card_forget_dropped(&card->plan);
	card_forget_dropped(&card->next);
	return 0;
}

int network_card_park(struct network_card *card, struct network_place *place, struct failure *err)
{
	char name[IF_NAMESIZE];
	int r;

	card_print_parking_name(card, name);
	if (!strcmp(card->name, name))
		return 0;
	r = card_take_down(card, place, err);
	if (r)
		return r;
	r = network_interface_rename(&place->inside, card->index, name);
	if (r)
		return failure_set(err, -r, "rename the interface");
	memcpy(card->name, name, sizeof(card->name));
	return 0;
}

int network_card_set_name(struct network_card *card, struct network_place *place,
			  struct failure *err)
{
	int r = network_interface_rename(&place->inside, card->index, card->next.name);

	if (r)
		return failure_set(err, -r, "name the interface");
	memcpy(card->name, card->next.name, sizeof(card->name));
	return 0;
}

/* --- what an interface has -------------------------------------------------------------------- */

/* A frame sent before the link is noticed would be lost, and its sender wait for long. */
static void card_await_link(const struct network_card *card, struct network_place *place)
{
	const struct timespec delay = { .tv_nsec = 1000000 };
	struct interface_status status;

	for (unsigned int i = 0; i < LINK_WAIT_MS; i++) {
		if (network_interface_find(&place->inside, NULL, card->index, &status) ||
		    status.is_running)
			return;
		(void)nanosleep(&delay, NULL);
	}
}

static int card_set_link(struct network_card *card, struct network_place *place,
			 struct failure *err)
{
	int r;

	if (card->mtu != card->next.mtu) {
		r = network_interface_set_mtu(&place->inside, card->index, card->next.mtu);
		if (r)
			return failure_set(err, -r, "mtu %u", card->next.mtu);
		card->mtu = card->next.mtu;
	}
	if (card->is_up && !card->next.is_up)
		return card_take_down(card, place, err);
	if (!card->is_up && card->next.is_up) {
		r = network_interface_set_up(&place->inside, card->index, true);
		if (r)
			return failure_set(err, -r, "bring the interface up");
		card->is_up = true;
		card_await_link(card, place);
	}
	return 0;
}

/*
 * With an IPv4 address others may go, and routes, and an address that differs in its prefix only
 * may have been taken for the old one: after a removal all that shall be there is added once more.
 */
static int card_set_addresses(struct network_card *card, struct network_place *place,
			      struct failure *err)
{
	bool has_ipv6 = card_has_ipv6(card);
	size_t nr_removed = 0;
	struct failure ignored;
	int r = network_items_add(NETWORK_ADDRESSES, &place->inside, card->index, &card->next,
				  has_ipv6, err);
	int r_remove =
		network_items_remove(NETWORK_ADDRESSES, &place->inside, card->index, &card->plan,
				     &card->next, &nr_removed, r ? &ignored : err);

	if (!nr_removed)
		return r ? r : r_remove;
	network_items_forget(NETWORK_ADDRESSES, &card->next, 0);
	network_items_forget(NETWORK_ROUTES, &card->next, 0);
	r = network_items_add(NETWORK_ADDRESSES, &place->inside, card->index, &card->next, has_ipv6,
			      r_remove ? &ignored : err);
	return r_remove ? r_remove : r;
}

static int card_set_neighbours(struct network_card *card, struct network_place *place,
			       struct failure *err)
{
	size_t nr_removed;
	int r = network_items_remove(NETWORK_NEIGHBOURS, &place->inside, card->index, &card->plan,
				     &card->next, &nr_removed, err);

	if (r || !card->is_up)
		return r;
	return network_items_add(NETWORK_NEIGHBOURS, &place->inside, card->index, &card->next,
				 card_has_ipv6(card), err);
}

int network_card_set_up(struct network_card *card, struct network_place *place, struct failure *err)
{
	int r = card_set_link(card, place, err);

	if (r)
		return r;
	r = card_set_addresses(card, place, err);
	return r ? r : card_set_neighbours(card, place, err);
}

void network_card_begin(struct network_card *card)
{
	network_items_carry(NETWORK_ADDRESSES, &card->plan, &card->next);
	network_items_carry(NETWORK_ROUTES, &card->plan, &card->next);
	network_items_carry(NETWORK_NEIGHBOURS, &card->plan, &card->next);
}

int network_card_remove_routes(struct network_card *card, struct network_place *place,
			       struct failure *err)
{
	size_t nr_removed;

	return network_items_remove(NETWORK_ROUTES, &place->inside, card->index, &card->plan,
				    &card->next, &nr_removed, err);
}

int network_card_add_routes(struct network_card *card, struct network_place *place,
			    struct failure *err)
{
	if (!card->is_up)
		return 0;
	return network_items_add(NETWORK_ROUTES, &place->inside, card->index, &card->next,
				 card_has_ipv6(card), err);
}
