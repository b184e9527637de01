/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/network_cards.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/backend/network_channel.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/network/card_denials.h"
#include "vmm/network/card_filter.h"
#include "vmm/network/network_scan.h"
#include "vmm/network/network_state_json.h"
#include "vmm/network/tap.h"

#define LOG_LINES_MAX 64u /* in the life of a container */
#define COMPLAINTS_MAX 16u

/*
 * Theory of operation: a card has an interface (.known.ifindex), then tap and filter, then is known
 * to the monitor (.is_attached), and goes the same way back: the guest is told that the interface
 * is gone before its card goes, and of an interface after its card came. Every step is taken from
 * what is true now, so that the sequence can be left when the channel is full, and entered anew.
 */
struct card {
	int tun_fd;			/* owned; -1: nothing can be made of it any more */
	uint32_t tap_ifindex;		/* 0: no tap yet */
	struct network_interface known; /* as filter and tap know it; .ifindex 0: none */
	bool passes_resolver;		/* as the filter knows it */
	bool is_attached;		/* as the monitor knows it */
	bool is_leaving;
};

struct network_cards {
	struct card cards[NETWORK_SLOTS];
	int channel_fd;
	struct mnl_socket *netlink;
	const struct network_policy *policy;
	struct card_denials *denials;
	struct network_state state;
	char *told; /* the last STATE; NULL: none */
	unsigned int nr_log_lines;
	uint32_t complaints[COMPLAINTS_MAX]; /* interfaces that were complained about */
	unsigned int nr_complaints;	     /* all of them: the next place is the oldest's */
	bool has_told_limits;
};

int network_cards_new(struct network_cards **ret, int channel_fd, struct mnl_socket *netlink,
		      const struct network_policy *policy, struct error *err)
{
	struct network_cards *cards = calloc(1, sizeof(*cards));

	if (!cards)
		return error_set(err, ENOMEM, "network cards");
	network_state_json_prepare();
	cards->channel_fd = channel_fd;
	cards->netlink = netlink;
	cards->policy = policy;
	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++)
		cards->cards[i].tun_fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++) {
		cards->cards[i].tun_fd = tap_open(err);
		if (cards->cards[i].tun_fd < 0) {
			network_cards_free(cards);
			return -err->code;
		}
	}
	if (card_denials_new(&cards->denials, CARD_DENIALS_WINDOW_S, err) < 0) {
		network_cards_free(cards);
		return -err->code;
	}
	*ret = cards;
	return 0;
}

/* --- what is logged --------------------------------------------------------------------------- */

static void log_some(struct network_cards *cards, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void log_some(struct network_cards *cards, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;

	if (cards->nr_log_lines >= LOG_LINES_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cards->nr_log_lines++;
	log_warning("network: %s%s", text,
		    cards->nr_log_lines == LOG_LINES_MAX ? "; no more is said" : "");
}

/* Returns true once for each interface. */
static bool is_first_complaint(struct network_cards *cards, uint32_t ifindex)
{
	for (size_t i = 0; i < ARRAY_SIZE(cards->complaints); i++)
		if (cards->complaints[i] == ifindex)
			return false;
	cards->complaints[cards->nr_complaints++ % ARRAY_SIZE(cards->complaints)] = ifindex;
	return true;
}

/* A filter or tap that does not do what it should. */
static void log_failure(struct network_cards *cards, const struct network_interface *interface,
			const struct error *err)
{
	if (is_first_complaint(cards, interface->ifindex))
		log_some(cards, "%s: %s", interface->name, err->text);
}

/* --- the monitor ------------------------------------------------------------------------------ */

static int slot_of(const struct network_cards *cards, uint32_t ifindex)
{
	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++)
		if (ifindex && cards->cards[i].known.ifindex == ifindex)
			return (int)i;
	return -1;
}

/* What the guest may use: cards that the monitor has, and that stay. */
static int tell_state(struct network_cards *cards)
{
	int slots[NETWORK_SLOTS] = { -1, -1, -1, -1 };
	struct network_message message = { .type = NETWORK_STATE };
	AUTO_FREE char *text = NULL;
	bool is_truncated;
	int r;

	for (size_t i = 0; i < cards->state.nr_interfaces; i++) {
		int slot = slot_of(cards, cards->state.interfaces[i].ifindex);

		if (slot >= 0 && cards->cards[slot].is_attached && !cards->cards[slot].is_leaving)
			slots[i] = slot;
	}
	text = network_state_json(&cards->state, slots, &is_truncated);
	if (!text)
		return -ENOMEM;
	if ((is_truncated || cards->state.is_truncated) && !cards->has_told_limits) {
		log_some(cards, "there are more interfaces, addresses, routes or neighbours than "
				"the container can have");
		cards->has_told_limits = true;
	}
	if (cards->told ? !strcmp(cards->told, text)
			: cards->state.nr_interfaces == 0 && !cards->state.has_resolver)
		return 0;
	message.size = (uint32_t)strlen(text);
	r = network_channel_send(cards->channel_fd, &message, text, -1);
	if (r < 0)
		return r;
	free(cards->told);
	cards->told = pointer_take(text);
	return 0;
}

static int tell_card(struct network_cards *cards, struct card *card, enum network_message_type type)
{
	struct network_message message = { .type = type, .slot = (uint32_t)(card - cards->cards) };
	int r;

	memcpy(message.mac, card->known.mac, sizeof(message.mac));
	r = network_channel_send(cards->channel_fd, &message, NULL,
				 type == NETWORK_ATTACH ? card->tun_fd : -1);
	if (!r)
		card->is_attached = type == NETWORK_ATTACH;
	return r;
}

/* --- cards that go ---------------------------------------------------------------------------- */

/* The monitor may still hold the tap: it is down before it is without a filter. */
static void part(struct network_cards *cards, struct card *card)
{
	struct error err;
	int r = 0;

	if (!tap_exists(card->tun_fd))
		card->tap_ifindex = 0;
	if (card->tap_ifindex)
		r = tap_down(cards->netlink, card->tap_ifindex, &err);
	if (!r)
		r = card_filter_clear(cards->netlink, card->known.ifindex, card->tap_ifindex, &err);
	if (r < 0) {
		/* What cannot be undone is not used again. */
		log_failure(cards, &card->known, &err);
		fd_close(&card->tun_fd);
	}
	card_denials_unwatch(cards->denials, (uint32_t)(card - cards->cards));
	card->known = (struct network_interface){ .ifindex = 0 };
	card->is_leaving = false;
}

static const struct network_interface *find_interface(const struct network_state *state,
						      uint32_t ifindex)
{
	for (size_t i = 0; i < state->nr_interfaces; i++)
		if (state->interfaces[i].ifindex == ifindex)
			return &state->interfaces[i];
	return NULL;
}

/* Returns whether the monitor has one that goes. */
static bool mark_leaving(struct network_cards *cards)
{
	bool has_some = false;

	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++) {
		struct card *card = &cards->cards[i];
		const struct network_interface *now =
			find_interface(&cards->state, card->known.ifindex);

		if (!card->known.ifindex)
			continue;
		if (!now || memcmp(now->mac, card->known.mac, sizeof(now->mac)) != 0)
			card->is_leaving = true;
		if (!card->is_leaving && !tap_exists(card->tun_fd)) {
			log_some(cards, "%s: its tap was deleted by somebody", card->known.name);
			card->is_leaving = true;
		}
		has_some |= card->is_leaving && card->is_attached;
	}
	return has_some;
}

static int let_go(struct network_cards *cards)
{
	int r = mark_leaving(cards) ? tell_state(cards) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(cards->cards) && !r; i++) {
		struct card *card = &cards->cards[i];

		if (!card->is_leaving)
			continue;
		if (card->is_attached)
			r = tell_card(cards, card, NETWORK_DETACH);
		if (!r)
			part(cards, card);
	}
	return r;
}

/* --- cards that come or change ---------------------------------------------------------------- */

/* Whether the filter that @card has does for the interface as it is @now. */
static bool is_filter_current(const struct network_cards *cards, const struct card *card,
			      const struct network_interface *now)
{
	if (card->passes_resolver != cards->state.has_resolver ||
	    card->known.nr_addresses != now->nr_addresses)
		return false;
	for (size_t i = 0; i < now->nr_addresses; i++)
		if (memcmp(&card->known.addresses[i].ip, &now->addresses[i].ip,
			   sizeof(now->addresses[i].ip)) != 0)
			return false;
	return true;
}

/* The filter comes first: the tap is up with one only. */
static int set_card(struct network_cards *cards, struct card *card,
		    const struct network_interface *now, bool is_new, struct error *err)
{
	bool passes_resolver = cards->state.has_resolver;
	int r = 0;

	if (is_new || !is_filter_current(cards, card, now))
		r = card_filter_set(cards->netlink, now, card->tap_ifindex, cards->policy,
				    passes_resolver, err);
	if (!r && (is_new || card->known.mtu != now->mtu))
		r = tap_up(cards->netlink, card->tap_ifindex, now->mtu, err);
	if (r < 0)
		return r;
	card->known = *now;
	card->passes_resolver = passes_resolver;
	/* Without words about what is denied it is denied all the same. */
	if (card_denials_watch(cards->denials, (uint32_t)(card - cards->cards), now,
			       card->tap_ifindex, cards->policy, err) < 0)
		log_failure(cards, now, err);
	return 0;
}

static struct card *find_empty(struct network_cards *cards)
{
	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++)
		if (!cards->cards[i].known.ifindex && cards->cards[i].tun_fd >= 0)
			return &cards->cards[i];
	return NULL;
}

static int make_tap(struct network_cards *cards, struct card *card, struct error *err)
{
	int r;

	if (card->tap_ifindex && !tap_exists(card->tun_fd))
		card->tap_ifindex = 0;
	if (card->tap_ifindex)
		return 0;
	r = tap_create(card->tun_fd, cards->netlink, &card->tap_ifindex, err);
	/* It may be half a tap, of which no other can be made. */
	if (r < 0)
		fd_close(&card->tun_fd);
	return r;
}

/* Returns the slot that @interface has now, or NULL when it has none. */
static struct card *join(struct network_cards *cards, const struct network_interface *interface)
{
	struct card *card = find_empty(cards);
	struct error err;
	int r;

	if (!card) {
		if (is_first_complaint(cards, interface->ifindex))
			log_some(cards, "%s: there is no card left for it", interface->name);
		return NULL;
	}
	r = card_filter_claim(cards->netlink, interface->ifindex, &err);
	if (r == 0 && is_first_complaint(cards, interface->ifindex))
		log_some(cards, "%s: another container, or somebody else, has its traffic",
			 interface->name);
	if (r < 0)
		log_failure(cards, interface, &err);
	if (r <= 0)
		return NULL;
	r = make_tap(cards, card, &err);
	if (!r)
		r = set_card(cards, card, interface, true, &err);
	if (!r)
		return card;
	log_failure(cards, interface, &err);
	card->known = (struct network_interface){ .ifindex = interface->ifindex };
	part(cards, card);
	return NULL;
}

static int take_up(struct network_cards *cards)
{
	int r = 0;

	for (size_t i = 0; i < cards->state.nr_interfaces && !r; i++) {
		const struct network_interface *now = &cards->state.interfaces[i];
		int slot = slot_of(cards, now->ifindex);
		struct card *card = slot < 0 ? join(cards, now) : &cards->cards[slot];
		struct error err;

		if (slot >= 0 && set_card(cards, card, now, false, &err) < 0)
			log_failure(cards, now, &err);
		if (card && !card->is_attached)
			r = tell_card(cards, card, NETWORK_ATTACH);
	}
	return r;
}

/* --- all -------------------------------------------------------------------------------------- */

int network_cards_scan(struct network_cards *cards, struct error *err)
{
	uint32_t kept[NETWORK_SLOTS];

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		kept[i] = cards->cards[i].known.ifindex;
	return network_scan(cards->netlink, kept, &cards->state, err);
}

bool network_cards_have_interface(const struct network_cards *cards)
{
	return cards->state.nr_interfaces > 0;
}

void network_cards_set_resolver(struct network_cards *cards, bool has_resolver)
{
	cards->state.has_resolver = has_resolver;
}

void network_cards_forget(struct network_cards *cards, uint32_t ifindex)
{
	int slot = slot_of(cards, ifindex);

	if (slot >= 0)
		cards->cards[slot].is_leaving = true;
}

int network_cards_denials_fd(const struct network_cards *cards)
{
	return card_denials_fd(cards->denials);
}

static void log_denial(void *context, const char *line)
{
	(void)context;
	log_warning("network: %s", line);
}

void network_cards_read_denials(struct network_cards *cards)
{
	card_denials_read(cards->denials, log_denial, NULL);
}

int network_cards_update(struct network_cards *cards)
{
	int r = let_go(cards);

	if (!r)
		r = take_up(cards);
	return r ? r : tell_state(cards);
}

void network_cards_free(struct network_cards *cards)
{
	if (!cards)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cards->cards); i++) {
		if (cards->cards[i].known.ifindex)
			part(cards, &cards->cards[i]);
		fd_close(&cards->cards[i].tun_fd);
	}
	card_denials_free(cards->denials);
	free(cards->told);
	free(cards);
}
