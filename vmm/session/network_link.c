/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/network_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/backend/network_channel.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"

#define MESSAGES_MAX 16 /* before others on the loop get their turn */

static void close_channel(struct network_link *link)
{
	int fd = link->channel.fd;

	event_loop_remove(link->loop, &link->channel);
	fd_close(&fd);
	link->channel.fd = -1;
}

static void end_scan(struct network_link *link)
{
	if (!link->is_scanning)
		return;
	link->is_scanning = false;
	link->on_scanned(link->context);
}

/* --- what the guest is told ------------------------------------------------------------------- */

/* A guest that reads nothing has no use for it. */
static void send_state(struct network_link *link)
{
	if (!link->state || !link->has_container)
		return;
	(void)guest_channel_send(link->guest, "{\"type\":\"network\",%s", link->state + 1);
	free(link->state);
	link->state = NULL;
}

static bool accept_state(struct network_link *link, const struct network_message *message)
{
	if (message->size < 2 || link->text[0] != '{')
		return false;
	free(link->state);
	link->state = strdup(link->text);
	if (!link->state) {
		log_warning("no memory to describe the network to the guest");
		return true;
	}
	send_state(link);
	return true;
}

/* --- connections that came in ----------------------------------------------------------------- */

static bool is_free(const struct network_link *link, uint32_t number)
{
	return link->incoming_fds[number] < 0 && !link->incoming[number].connection &&
	       link->incoming[number].host.fd < 0;
}

/* Where too many wait already a connection is closed. Takes *@fd if it is used. */
static bool accept_incoming(struct network_link *link, const struct network_message *message,
			    int *fd)
{
	struct statx st;
	uint32_t number = 0;

	if (*fd < 0 || fd_stat(*fd, &st) < 0 || !S_ISSOCK(st.stx_mode) || !message->port)
		return false;
	while (number < PROTOCOL_INCOMING_MAX && !is_free(link, number))
		number++;
	if (number == PROTOCOL_INCOMING_MAX || !link->has_container)
		return true;
	if (guest_channel_send(link->guest, "{\"type\":\"incoming\",\"id\":%u,\"port\":%u}", number,
			       message->port) == 0)
		link->incoming_fds[number] = fd_take(fd);
	return true;
}

bool network_link_connect(struct network_link *link, struct vsock_connection *connection,
			  uint32_t number)
{
	struct relay *relay;
	struct error err;

	if (number >= PROTOCOL_INCOMING_MAX || link->incoming_fds[number] < 0)
		return false;
	relay = &link->incoming[number];
	if (relay_init(relay, fd_take(&link->incoming_fds[number]), true, true, link->vsock,
		       link->loop, NULL, NULL, &err) < 0)
		return false;
	relay->passes_end = true;
	relay_connect(relay, connection);
	return true;
}

/* --- messages of the network process ---------------------------------------------------------- */

/* A card that cannot be attached is missed in the guest, not here. Takes *@fd. */
static bool accept_card(struct network_link *link, const struct network_message *message, int *fd)
{
	struct error err;

	if (*fd < 0)
		return false;
	if (link->cards.attach(link->cards.context, message->slot, fd_take(fd), message->mac,
			       &err) < 0)
		log_warning("network card %u: %s", message->slot, err.text);
	return true;
}

static bool accept_message(struct network_link *link, const struct network_message *message,
			   int *fd)
{
	switch (message->type) {
	case NETWORK_ATTACH:
		return accept_card(link, message, fd);
	case NETWORK_DETACH:
		link->cards.detach(link->cards.context, message->slot);
		return true;
	case NETWORK_STATE:
		return accept_state(link, message);
	case NETWORK_SCANNED:
		link->has_looked = true;
		end_scan(link);
		return true;
	case NETWORK_INCOMING:
		return accept_incoming(link, message, fd);
	default:
		return false;
	}
}

static void give_up(struct network_link *link)
{
	log_warning("the network process is gone: changes of the network do not reach the "
		    "container any more");
	close_channel(link);
	end_scan(link);
}

/* Returns false when there is nothing more to do now. */
static bool receive_one(struct network_link *link)
{
	struct network_message message;
	AUTO_CLOSE int fd = -1;
	int r = network_channel_receive(link->channel.fd, &message, link->text, &fd);

	if (r == -EAGAIN)
		return false;
	if (r == 1 && message.slot < NETWORK_SLOTS && accept_message(link, &message, &fd))
		return true;
	give_up(link);
	return false;
}

/* An event_fn. */
static void on_channel(void *context, uint32_t events)
{
	struct network_link *link = context;

	(void)events; /* a hang-up is read as one */
	vsock_lock(link->vsock);
	for (unsigned int i = 0; i < MESSAGES_MAX; i++)
		if (!receive_one(link))
			break;
	vsock_unlock(link->vsock);
}

void network_link_scan(struct network_link *link)
{
	const struct network_message question = { .type = NETWORK_SCAN };

	link->is_scanning = true;
	/* One that leaves its questions unread is not waited for. */
	if (link->channel.fd < 0 || network_channel_send(link->channel.fd, &question, NULL, -1) < 0)
		end_scan(link);
}

/* --- beginning and end ------------------------------------------------------------------------ */

void network_link_prepare(struct network_link *link)
{
	*link = (struct network_link){ .channel.fd = -1 };
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++) {
		link->incoming_fds[i] = -1;
		link->incoming[i].host.fd = -1;
	}
}

int network_link_init(struct network_link *link, int channel_fd, const struct network_cards *cards,
		      void (*on_scanned)(void *context), void *context, struct guest_channel *guest,
		      struct vsock *vsock, struct event_loop *loop, struct error *err)
{
	AUTO_CLOSE int fd = channel_fd;
	int r;

	network_link_prepare(link);
	link->loop = loop;
	link->vsock = vsock;
	link->guest = guest;
	link->cards = *cards;
	link->on_scanned = on_scanned;
	link->context = context;
	if (fd < 0)
		return 0;
	link->text = malloc(NETWORK_STATE_MAX + 1);
	if (!link->text)
		return error_set(err, ENOMEM, "prepare for the network");
	r = event_loop_add(loop, &link->channel, fd, EPOLLIN, on_channel, link, err);
	if (!r)
		(void)fd_take(&fd);
	return r;
}

void network_link_fini(struct network_link *link)
{
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++) {
		fd_close(&link->incoming_fds[i]);
		relay_fini(&link->incoming[i]);
	}
	if (link->channel.fd >= 0)
		close_channel(link);
	free(link->state);
	free(link->text);
	link->state = link->text = NULL;
}

void network_link_enable(struct network_link *link)
{
	link->has_container = true;
	send_state(link);
}

void network_link_finish(struct network_link *link)
{
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		if (link->incoming[i].connection)
			relay_finish(&link->incoming[i]);
}
