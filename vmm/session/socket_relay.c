/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/socket_relay.h"

#include <errno.h>
#include <sys/stat.h>

#include "vmm/backend/socket_channel.h"
#include "vmm/base/fd.h"

/* No more than the guest can be waiting for, so that others on the loop get their turn. */
#define MESSAGES_MAX PROTOCOL_SOCKET_CONNECTIONS_MAX

static void close_channel(struct socket_relays *sockets)
{
	int fd = sockets->channel.fd;

	event_loop_remove(sockets->loop, &sockets->channel);
	fd_close(&fd);
	sockets->channel.fd = -1;
}

static int send_message(struct socket_relays *sockets, const struct socket_message *message)
{
	return sockets->channel.fd < 0 ? -EPIPE
				       : socket_channel_send(sockets->channel.fd, message, -1);
}

/* --- the guest's connection, before there is one of the host -------------------------------- */

/* What the guest sends meanwhile stays in the connection's buffer. */
static void on_early_bytes(struct stream_handler *handler)
{
	(void)handler;
}

static void on_early_close(struct stream_handler *handler)
{
	struct socket_relay *entry = (struct socket_relay *)handler;

	entry->connection = NULL;
	entry->state = SOCKET_RELAY_ORPHANED;
}

static const struct stream_handler early_handler = { on_early_bytes, on_early_bytes,
						     on_early_close };

static void refuse(struct socket_relay *entry)
{
	if (entry->connection)
		vsock_close(entry->connection);
	entry->connection = NULL;
	entry->state = SOCKET_RELAY_FREE;
}

static bool is_free(const struct socket_relay *entry)
{
	return entry->state == SOCKET_RELAY_FREE ||
	       (entry->state == SOCKET_RELAY_RELAYING && !entry->relay.connection &&
		entry->relay.host.fd < 0);
}

bool socket_relays_connect(struct socket_relays *sockets, struct vsock_connection *connection,
			   uint32_t socket)
{
	struct socket_message question = { .type = SOCKET_CONNECT, .socket = socket };
	struct socket_relay *entry = NULL;

	for (uint32_t i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX && !entry; i++) {
		question.request = i;
		if (is_free(&sockets->relays[i]))
			entry = &sockets->relays[i];
	}
	if (!entry || send_message(sockets, &question) < 0)
		return false;
	*entry = (struct socket_relay){
		.handler = early_handler,
		.connection = connection,
		.state = SOCKET_RELAY_ASKED,
		.socket = socket,
	};
	vsock_set_context(connection, &entry->handler);
	return true;
}

/* --- messages of the container process -------------------------------------------------------- */

static bool is_socket(int fd)
{
	struct statx st;

	return fd >= 0 && fd_stat(fd, &st) == 0 && S_ISSOCK(st.stx_mode);
}

/* Join the two ends. Takes @fd. */
static void start_relay(struct socket_relays *sockets, struct socket_relay *entry, int fd)
{
	struct vsock_connection *connection = entry->connection;
	struct error err;

	if (relay_init(&entry->relay, fd, true, true, sockets->vsock, sockets->loop, NULL, NULL,
		       &err) < 0) {
		refuse(entry);
		return;
	}
	entry->relay.passes_end = true;
	entry->connection = NULL;
	entry->state = SOCKET_RELAY_RELAYING;
	relay_connect(&entry->relay, connection);
}

/* When it fails the guest is closed off silently: it does not care whether it hears of this. */
static void tell_gone(struct socket_relays *sockets, uint32_t socket)
{
	(void)guest_channel_send(sockets->guest, "{\"type\":\"socketGone\",\"id\":%u}", socket);
}

/* Returns false for an answer that nobody asked for. Takes *@fd if it is used. */
static bool accept_answer(struct socket_relays *sockets, const struct socket_message *answer,
			  int *fd)
{
	struct socket_relay *entry;

	if (answer->request >= PROTOCOL_SOCKET_CONNECTIONS_MAX)
		return false;
	entry = &sockets->relays[answer->request];
	if (entry->state != SOCKET_RELAY_ASKED && entry->state != SOCKET_RELAY_ORPHANED)
		return false;
	if (answer->code == 0 && !is_socket(*fd))
		return false;
	if (answer->code == ENOENT)
		tell_gone(sockets, entry->socket);
	if (answer->code || entry->state == SOCKET_RELAY_ORPHANED)
		refuse(entry);
	else
		start_relay(sockets, entry, fd_take(fd));
	return true;
}

static bool accept_message(struct socket_relays *sockets, const struct socket_message *message,
			   int *fd)
{
	switch (message->type) {
	case SOCKET_OFFER:
		(void)guest_channel_send(sockets->guest, "{\"type\":\"socket\",\"id\":%u}",
					 message->socket);
		return true;
	case SOCKET_WITHDRAW:
		tell_gone(sockets, message->socket);
		return true;
	case SOCKET_CONNECTED:
		return accept_answer(sockets, message, fd);
	default:
		return false;
	}
}

/* Without the container process no connection that it was asked for will come. */
static void give_up(struct socket_relays *sockets)
{
	close_channel(sockets);
	for (uint32_t i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX; i++)
		if (sockets->relays[i].state == SOCKET_RELAY_ASKED ||
		    sockets->relays[i].state == SOCKET_RELAY_ORPHANED)
			refuse(&sockets->relays[i]);
}

/* Returns false when there is nothing more to do now. */
static bool receive_one(struct socket_relays *sockets)
{
	struct socket_message message;
	AUTO_CLOSE int fd = -1;
	int r = socket_channel_receive(sockets->channel.fd, &message, &fd);

	if (r == -EAGAIN)
		return false;
	if (r == 1 && accept_message(sockets, &message, &fd))
		return true;
	give_up(sockets);
	return false;
}

/* An event_fn. */
static void on_channel(void *context, uint32_t events)
{
	struct socket_relays *sockets = context;

	(void)events; /* a hang-up is read as one */
	vsock_lock(sockets->vsock);
	for (unsigned int i = 0; i < MESSAGES_MAX; i++)
		if (!receive_one(sockets))
			break;
	vsock_unlock(sockets->vsock);
}

/* --- beginning and end ------------------------------------------------------------------------ */

void socket_relays_prepare(struct socket_relays *sockets)
{
	*sockets = (struct socket_relays){ .channel.fd = -1 };
}

int socket_relays_init(struct socket_relays *sockets, int channel_fd, struct guest_channel *guest,
		       struct vsock *vsock, struct event_loop *loop, struct error *err)
{
	AUTO_CLOSE int fd = channel_fd;
	int r;

	socket_relays_prepare(sockets);
	sockets->loop = loop;
	sockets->vsock = vsock;
	sockets->guest = guest;
	if (fd < 0)
		return 0;
	r = event_loop_add(loop, &sockets->channel, fd, EPOLLIN, on_channel, sockets, err);
	if (!r)
		(void)fd_take(&fd);
	return r;
}

void socket_relays_fini(struct socket_relays *sockets)
{
	for (uint32_t i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX; i++)
		if (sockets->relays[i].state == SOCKET_RELAY_RELAYING)
			relay_fini(&sockets->relays[i].relay);
	if (sockets->channel.fd >= 0)
		close_channel(sockets);
}

void socket_relays_enable(struct socket_relays *sockets)
{
	const struct socket_message message = { .type = SOCKET_ENABLE };

	(void)send_message(sockets, &message);
}

void socket_relays_finish(struct socket_relays *sockets)
{
	for (uint32_t i = 0; i < PROTOCOL_SOCKET_CONNECTIONS_MAX; i++)
		if (sockets->relays[i].state == SOCKET_RELAY_RELAYING &&
		    sockets->relays[i].relay.connection)
			relay_finish(&sockets->relays[i].relay);
}
