/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/relay.h"

#include <errno.h>

#define TO_GUEST_CHUNK 4096

static void watch(struct relay *relay, bool wants_output);

static void end_from_guest(struct relay *relay)
{
	relay->is_from_guest = false;
	relay->is_flushing = false;
	if (relay->on_done)
		relay->on_done(relay->context);
}

static void end_flush(struct relay *relay)
{
	relay->is_flushing = false;
	if (relay->on_done)
		relay->on_done(relay->context);
}

/* The host's reader went away: the guest's writer must feel it, as with any broken pipe. */
static void break_connection(struct relay *relay)
{
	if (relay->connection)
		vsock_close(relay->connection);
	relay->connection = NULL;
	host_stream_close(&relay->host);
	relay->is_to_guest = false;
	if (relay->is_from_guest)
		end_from_guest(relay);
}

/* Write what the guest sent. Returns true when the host's end would have blocked. Lock held. */
static bool pump_from_guest(struct relay *relay)
{
	const uint8_t *data;
	size_t len;

	while ((len = vsock_peek(relay->connection, &data)) > 0) {
		ssize_t n = host_stream_write(&relay->host, data, len);

		if (n == -EAGAIN)
			return true;
		if (n < 0) {
			break_connection(relay);
			return false;
		}
		vsock_consume(relay->connection, (size_t)n);
	}
	if (relay->is_finishing || vsock_is_ended(relay->connection)) {
		if (relay->passes_end)
			host_stream_end_write(&relay->host);
		end_from_guest(relay);
	} else if (relay->is_flushing) {
		end_flush(relay);
	}
	return false;
}

/*
 * The host's end of input. A terminal is one thing: that nobody is at it, whoever writes to it must
 * feel, too, even if it never writes again.
 */
static void end_to_guest(struct relay *relay)
{
	if (relay->is_from_guest && !relay->host.is_socket) {
		break_connection(relay);
		return;
	}
	relay->is_to_guest = false;
	vsock_end_write(relay->connection);
}

/* Read what the guest has room for: bounded by the connection's buffer. Lock held. */
static void pump_to_guest(struct relay *relay)
{
	uint8_t chunk[TO_GUEST_CHUNK];
	size_t room;

	while ((room = vsock_writable(relay->connection)) > 0) {
		ssize_t n = host_stream_read(&relay->host, chunk,
					     room < sizeof(chunk) ? room : sizeof(chunk));

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			end_to_guest(relay);
			return;
		}
		(void)vsock_write(relay->connection, chunk, (size_t)n);
	}
}

static void pump(struct relay *relay)
{
	bool wants_output = false;

	if (relay->connection && relay->is_from_guest)
		wants_output = pump_from_guest(relay);
	if (relay->connection && relay->is_to_guest && !relay->is_held)
		pump_to_guest(relay);
	watch(relay, wants_output);
}

static void watch(struct relay *relay, bool wants_output)
{
	uint32_t events = wants_output ? EPOLLOUT : 0;

	if (relay->connection && relay->is_to_guest && !relay->is_held &&
	    vsock_writable(relay->connection) > 0)
		events |= EPOLLIN;
	/*
	 * A stream that is always ready needs no event: it was read until the guest had no more
	 * room, and on_writable() goes on from there.
	 */
	(void)host_stream_watch(&relay->host, events);
}

static void on_host_event(void *context, uint32_t events)
{
	struct relay *relay = context;

	(void)events;
	vsock_lock(relay->vsock);
	pump(relay);
	vsock_unlock(relay->vsock);
}

static void on_stream_event(struct stream_handler *handler)
{
	pump((struct relay *)handler);
}

static void on_closed(struct stream_handler *handler)
{
	struct relay *relay = (struct relay *)handler;

	relay->connection = NULL;
	relay->is_to_guest = false;
	host_stream_close(&relay->host);
	if (relay->is_from_guest)
		end_from_guest(relay);
}

int relay_init(struct relay *relay, int fd, bool is_from_guest, bool is_to_guest,
	       struct vsock *vsock, struct event_loop *loop, void (*on_done)(void *context),
	       void *context, struct error *err)
{
	*relay = (struct relay){
		.handler = { on_stream_event, on_stream_event, on_closed },
		.vsock = vsock,
		.is_from_guest = is_from_guest,
		.is_to_guest = is_to_guest,
		.on_done = on_done,
		.context = context,
	};
	return host_stream_init(&relay->host, fd, loop, on_host_event, relay, err);
}

void relay_connect(struct relay *relay, struct vsock_connection *connection)
{
	relay->connection = connection;
	vsock_set_context(connection, &relay->handler);
	pump(relay);
}

void relay_release(struct relay *relay)
{
	relay->is_held = false;
	if (relay->connection)
		pump(relay);
}

void relay_finish(struct relay *relay)
{
	relay->is_finishing = true;
	if (relay->connection)
		pump(relay);
	else if (relay->is_from_guest)
		end_from_guest(relay);
}

void relay_flush(struct relay *relay)
{
	relay->is_flushing = relay->is_from_guest;
	if (!relay->is_from_guest)
		return;
	if (relay->connection)
		pump(relay);
	else
		end_from_guest(relay); /* the guest never made it */
}

void relay_fini(struct relay *relay)
{
	if (relay->connection)
		vsock_close(relay->connection);
	relay->connection = NULL;
	relay->is_from_guest = false;
	relay->is_to_guest = false;
	relay->is_flushing = false;
	host_stream_close(&relay->host);
}
