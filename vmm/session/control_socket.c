/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/control_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

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

static void close_fds(struct control_client *client)
{
	for (unsigned int i = 0; i < client->nr_fds; i++)
		fd_close(&client->fds[i]);
	client->nr_fds = 0;
}

static void drop_client(struct control_client *client)
{
	int fd = client->source.fd;

	event_loop_remove(client->server->loop, &client->source);
	fd_close(&fd);
	close_fds(client);
	client->is_watching = false;
	client->owner = NULL;
}

/* Room for the descriptors of one message. */
union fds_buffer {
	struct cmsghdr header;
	char space[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
};

static void take_fds(struct control_client *client, struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	size_t len;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return;
	len = header->cmsg_len - CMSG_LEN(0);
	memcpy(client->fds, CMSG_DATA(header), len);
	client->nr_fds = (unsigned int)(len / sizeof(int));
}

/* Returns false when what came is not one whole request, or its end. */
static bool receive_request(struct control_client *client, struct control_request *ret, int *ret_r)
{
	union fds_buffer control;
	struct iovec payload = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr message = {
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n = recvmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_r = n < 0 ? -errno : 0;
	if (n < 0)
		return false;
	take_fds(client, &message);
	return n == (ssize_t)sizeof(*ret) && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

static void on_client(void *context, uint32_t events)
{
	struct control_client *client = context;
	struct control_server *server = client->server;
	struct control_request request;
	bool is_whole;
	int r;

	(void)events;
	is_whole = receive_request(client, &request, &r);
	if (r == -EAGAIN || r == -EINTR)
		return;
	/* One request each but in a conversation: whoever says more is treated as gone. */
	if (!is_whole || (client->has_asked && !client->owner)) {
		server->on_gone(server->context, client);
		drop_client(client);
		return;
	}
	client->has_asked = true;
	server->on_request(server->context, client, &request);
	close_fds(client);
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
		client->is_watching = false;
		client->owner = NULL;
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

void control_notify(struct control_client *client, int code, const char *text)
{
	struct control_reply reply = { .code = code };

	(void)snprintf(reply.text, sizeof(reply.text), "%s", text);
	(void)send(client->source.fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void control_reply(struct control_client *client, int code, const char *text)
{
	control_notify(client, code, text);
	drop_client(client);
}

void control_tell_watchers(struct control_server *server, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(server->clients); i++)
		if (server->clients[i].is_watching)
			control_notify(&server->clients[i], 0, text);
}

static int not_reached(struct error *err)
{
	if (errno == EAGAIN)
		return error_set(err, ETIMEDOUT, "wait for the container's monitor");
	(void)error_set(err, errno, "reach the container's monitor");
	return -ESRCH;
}

int control_connect(int state_fd, int timeout_ms, struct error *err)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = control_address(state_fd);

	if (fd < 0)
		return error_set(err, errno, "create a control socket");
	/* With a monitor that hangs, connections wait for a place in its backlog. */
	if (timeout_ms >= 0) {
		const struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000L };

		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return not_reached(err);
	return fd_take(&fd);
}

int control_text_open(const char *text, struct error *err)
{
	AUTO_CLOSE int fd = memfd_create("request", MFD_CLOEXEC);

	if (fd < 0 || file_write_full(fd, text, strlen(text)) < 0)
		return error_set(err, errno, "write down a request");
	return fd_take(&fd);
}

int control_send(int connection_fd, enum control_verb verb, uint32_t value, const int *fds,
		 unsigned int nr_fds, struct error *err)
{
	struct control_request request = { .verb = verb, .value = value };
	union fds_buffer control = { 0 };
	struct iovec payload = { .iov_base = &request, .iov_len = sizeof(request) };
	struct msghdr message = { .msg_iov = &payload, .msg_iovlen = 1 };

	if (nr_fds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nr_fds * sizeof(int));
	}
	return sendmsg(connection_fd, &message, MSG_NOSIGNAL) < 0 ? not_reached(err) : 0;
}

int control_receive(int connection_fd, struct control_reply *ret, int timeout_ms, struct error *err)
{
	struct pollfd pollfd = { .fd = connection_fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&pollfd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_set(err, ETIMEDOUT, "wait for the container's monitor");
	n = recv(connection_fd, ret, sizeof(*ret), 0);
	if (n != (ssize_t)sizeof(*ret)) {
		(void)error_invalid(err, "the container ended");
		return -ESRCH;
	}
	ret->text[sizeof(ret->text) - 1] = 0;
	return 0;
}

int control_call(int state_fd, enum control_verb verb, uint32_t value, int timeout_ms,
		 struct error *err)
{
	AUTO_CLOSE int fd = control_connect(state_fd, timeout_ms, err);
	struct control_reply reply = { 0 };
	int r;

	if (fd < 0)
		return fd;
	r = control_send(fd, verb, value, NULL, 0, err);
	if (!r)
		r = control_receive(fd, &reply, timeout_ms, err);
	if (r < 0 || !reply.code)
		return r;
	(void)error_invalid(err, "%s", reply.text);
	err->code = reply.code;
	return -reply.code;
}
