/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/control_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/* State directories may lie deep: the path goes through /proc to fit into a sockaddr. */
static struct sockaddr_un control_address(int state_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", state_fd,
		       CONTROL_SOCKET_NAME);
	return address;
}

int control_socket_listen(int state_fd, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = control_address(state_fd);

	if (fd < 0)
		return error_set(err, errno, "create the control socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "bind the control socket");
	if (listen(fd, CONTROL_CLIENTS_MAX) < 0)
		return error_set(err, errno, "listen on the control socket");
	return fd_take(&fd);
}

static void drop_client(struct control_client *client)
{
	int fd = client->source.fd;

	event_loop_remove(client->server->loop, &client->source);
	fd_close(&fd);
}

static void on_client(void *context, uint32_t events)
{
	struct control_client *client = context;
	struct control_server *server = client->server;
	struct control_request request;
	ssize_t n;

	(void)events;
	n = recv(client->source.fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* One request each: whoever says more than that is treated as gone. */
	if (n != (ssize_t)sizeof(request) || client->has_asked) {
		server->on_gone(server->context, client);
		drop_client(client);
		return;
	}
	client->has_asked = true;
	server->on_request(server->context, client, &request);
}

static void on_listener(void *context, uint32_t events)
{
	struct control_server *server = context;
	AUTO_CLOSE int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct error err;

	(void)events;
	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(server->clients); i++) {
		struct control_client *client = &server->clients[i];

		if (client->source.fd >= 0)
			continue;
		client->has_asked = false;
		/* One more than there is room for is closed: its caller sees the end. */
		if (event_loop_add(server->loop, &client->source, fd, EPOLLIN, on_client, client,
				   &err) == 0)
			(void)fd_take(&fd);
		return;
	}
}

int control_server_init(struct control_server *server, int fd, struct event_loop *loop,
			struct error *err)
{
	server->loop = loop;
	server->listener.fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(server->clients); i++) {
		server->clients[i].server = server;
		server->clients[i].source.fd = -1;
	}
	return event_loop_add(loop, &server->listener, fd, EPOLLIN, on_listener, server, err);
}

void control_server_fini(struct control_server *server)
{
	if (!server->loop)
		return;
	event_loop_remove(server->loop, &server->listener);
	for (size_t i = 0; i < ARRAY_SIZE(server->clients); i++)
		drop_client(&server->clients[i]);
}

void control_reply(struct control_client *client, int code, const char *text)
{
	struct control_reply reply = { .code = code };

	(void)snprintf(reply.text, sizeof(reply.text), "%s", text);
	(void)send(client->source.fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
	drop_client(client);
}

int control_call(int state_fd, enum control_verb verb, uint32_t value, int timeout_ms,
		 struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = control_address(state_fd);
	struct control_request request = { .verb = verb, .value = value };
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	struct control_reply reply;
	ssize_t n;
	int r;

	if (fd < 0)
		return error_set(err, errno, "create a control socket");
	/* With a monitor that hangs, connections wait for a place in its backlog. */
	if (timeout_ms >= 0) {
		const struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000L };

		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0) {
		if (errno == EAGAIN)
			return error_set(err, ETIMEDOUT, "wait for the container's monitor");
		(void)error_set(err, errno, "reach the container's monitor");
		return -ESRCH;
	}
	do
		r = poll(&pollfd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_set(err, ETIMEDOUT, "wait for the container's monitor");
	n = recv(fd, &reply, sizeof(reply), 0);
	if (n != (ssize_t)sizeof(reply)) {
		(void)error_invalid(err, "the container ended");
		return -ESRCH;
	}
	if (!reply.code)
		return 0;
	reply.text[sizeof(reply.text) - 1] = 0;
	(void)error_invalid(err, "%s", reply.text);
	err->code = reply.code;
	return -reply.code;
}
