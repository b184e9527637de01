/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/kernel_settings.h"
#include "guest-init/network_card.h"
#include "guest-init/scope.h"

/*
 * Theory of operation: a message is applied in passes over all cards, since names, addresses and
 * routes of one may take those of another out of the way, or need them:
 *
 *   1. cards that are no longer named leave
 *   2. routes that are no longer named go
 *   3. new cards come; they, and those with another name, get one that nobody has
 *   4. each gets its name; link, addresses and neighbours
 *   5. routes come
 */
struct network {
	struct network_place place;
	struct network_card cards[PROTOCOL_CARDS];
	const struct container_plan *plan;
	bool *is_set; /* the plan's sysctls that are about an interface, once that has come */
};

/* What went wrong first, while everything else goes on. */
struct outcome {
	int r;
	struct failure *err;
};

static void outcome_note(struct outcome *outcome, const char *name, int r,
			 const struct failure *reason)
{
	if (!r || outcome->r)
		return;
	outcome->r = r;
	*outcome->err = *reason;
	(void)failure_prefix(outcome->err, "network: %s", name);
}

static int network_enter(struct network *network, int pid_fd, struct failure *err)
{
	struct network_place *place = &network->place;
	int r = netlink_open(&place->first, err);

	if (r)
		return r;
	if (network->plan->namespaces & CLONE_NEWNET) {
		if (setns(pid_fd, CLONE_NEWNET))
			return failure_set(err, errno, "enter the container's namespace");
		place->namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (place->namespace_fd < 0)
			return failure_set(err, errno, "open the container's namespace");
	}
	return netlink_open(&place->inside, err);
}

struct network *network_new(int sysfs_fd, int pid_fd, const struct container_plan *plan,
			    struct failure *err)
{
	AUTO_CLOSE int sysfs = sysfs_fd;
	struct network *network = calloc(1, sizeof(*network));

	if (!network) {
		(void)failure_set(err, ENOMEM, "network");
		return NULL;
	}
	network->place.sysfs_fd = fd_take(&sysfs);
	network->place.namespace_fd = -1;
	network->place.first.fd = -1;
	network->place.inside.fd = -1;
	network->plan = plan;
	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++)
		network->cards[i].number = i;
	network->is_set = calloc(plan->nr_sysctls + 1, sizeof(*network->is_set));
	if (!network->is_set)
		(void)failure_set(err, ENOMEM, "network");
	if (!network->is_set || network_enter(network, pid_fd, err)) {
		(void)failure_prefix(err, "network");
		network_free(network);
		return NULL;
	}
	return network;
}

void network_free(struct network *network)
{
	if (!network)
		return;
	for (size_t i = 0; i < PROTOCOL_CARDS; i++)
		network_card_free_interface(&network->cards[i].plan);
	netlink_close(&network->place.first);
	netlink_close(&network->place.inside);
	fd_close(&network->place.namespace_fd);
	fd_close(&network->place.sysfs_fd);
	free(network->is_set);
	free(network);
}

/* --- sysctls of interfaces -------------------------------------------------------------------- */

static bool sysctl_is_of(const struct plan_sysctl *sysctl, const char *name)
{
	char path[PATH_MAX];

	return !kernel_settings_sysctl_path(sysctl->name, path, sizeof(path)) &&
	       kernel_settings_is_of_interface(path, name);
}

static int network_set_sysctls(struct network *network, const char *name, struct failure *err)
{
	for (size_t i = 0; i < network->plan->nr_sysctls; i++) {
		int r;

		if (network->is_set[i] || !sysctl_is_of(&network->plan->sysctls[i], name))
			continue;
		network->is_set[i] = true;
		r = kernel_settings_apply_sysctl(&network->plan->sysctls[i], err);
		if (r)
			return r;
	}
	return 0;
}

int network_check_sysctls(const struct network *network, const struct container_plan *plan,
			  struct failure *err)
{
	for (size_t i = 0; i < plan->nr_sysctls; i++)
		if (sysctl_is_of(&plan->sysctls[i], NULL) && !(network && network->is_set[i]))
			return failure_set(err, ENOENT, "sysctl \"%s\" = \"%s\"",
					   plan->sysctls[i].name, plan->sysctls[i].value);
	return 0;
}

/* --- a message -------------------------------------------------------------------------------- */

static void network_take_plan(struct network *network, struct network_plan *plan)
{
	for (size_t i = 0; i < plan->nr_interfaces; i++) {
		struct network_card *card = &network->cards[plan->interfaces[i].card];

		card->next = plan->interfaces[i];
		card->has_next = true;
		memset(&plan->interfaces[i], 0, sizeof(plan->interfaces[i]));
	}
	network_plan_fini(plan);
}

/* Passes 1 and 2. A card with another address is another card. */
static void network_remove_old(struct network *network, struct outcome *outcome)
{
	struct failure reason;

	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];

		if (!card->is_there || (card->has_next && !memcmp(card->plan.mac, card->next.mac,
								  sizeof(card->next.mac))))
			continue;
		outcome_note(outcome, card->name,
			     network_card_remove(card, &network->place, &reason), &reason);
	}
	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];

		if (!card->is_there)
			continue;
		network_card_begin(card);
		outcome_note(outcome, card->name,
			     network_card_remove_routes(card, &network->place, &reason), &reason);
	}
}

static void network_find_new(struct network *network, struct outcome *outcome)
{
	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];
		struct failure reason;
		int r = 0;

		if (!card->has_next)
			continue;
		if (!card->is_there)
			r = network_card_add(card, &network->place, &reason);
		else if (!network_card_is_named(card))
			r = network_card_park(card, &network->place, &reason);
		outcome_note(outcome, card->next.name, r, &reason);
	}
}

static int network_set_up_card(struct network *network, struct network_card *card,
			       struct failure *err)
{
	int r = network_card_is_named(card) ? 0 : network_card_set_name(card, &network->place, err);

	if (!r)
		r = network_set_sysctls(network, card->name, err);
	return r ? r : network_card_set_up(card, &network->place, err);
}

/* Passes 4 and 5. What cannot have its name has nothing else either. */
static void network_set_up(struct network *network, struct outcome *outcome)
{
	struct failure reason;

	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];

		if (card->is_there)
			outcome_note(outcome, card->next.name,
				     network_set_up_card(network, card, &reason), &reason);
	}
	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];

		if (card->is_there && network_card_is_named(card))
			outcome_note(outcome, card->name,
				     network_card_add_routes(card, &network->place, &reason),
				     &reason);
	}
}

static void network_keep_plan(struct network *network)
{
	for (uint32_t i = 0; i < PROTOCOL_CARDS; i++) {
		struct network_card *card = &network->cards[i];

		network_card_free_interface(&card->plan);
		if (card->is_there)
			card->plan = card->next;
		else
			network_card_free_interface(&card->next);
		memset(&card->next, 0, sizeof(card->next));
		card->has_next = false;
	}
}

int network_apply(struct network *network, struct network_plan *plan, struct failure *err)
{
	struct outcome outcome = { .r = 0, .err = err };

	network_take_plan(network, plan);
	network_remove_old(network, &outcome);
	network_find_new(network, &outcome);
	network_set_up(network, &outcome);
	network_keep_plan(network);
	return outcome.r;
}
