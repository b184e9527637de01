/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_incoming.c - connections from outside to ports of the container's loopback, in a
 * network namespace of the test's own, with a socket pair for each connection to the host
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/host_connection.h"
#include "guest-init/incoming.h"
#include "guest-init/kernel_settings.h"
#include "guest-init/protocol.h"
#include "tests/unit/tap.h"

#define PORT 8080u

static struct incoming *incoming;
static int host_fds[PROTOCOL_INCOMING_MAX]; /* the host's ends, by number; -1: none */
static bool is_host_away;

int host_connection_open(uint32_t port, struct failure *err)
{
	return failure_set(err, ECONNREFUSED, "port %u", port);
}

int host_connection_begin(uint32_t port)
{
	uint32_t id = port - PROTOCOL_PORT_INCOMING;
	int pair[2];

	ok(id < PROTOCOL_INCOMING_MAX && host_fds[id] < 0);
	if (is_host_away ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -ECONNREFUSED;
	host_fds[id] = pair[0];
	return pair[1];
}

static void run(void)
{
	struct pollfd pollfd = { .fd = incoming_epoll_fd(incoming), .events = POLLIN };
	bool is_ready;

	do
		is_ready = incoming_run(incoming);
	while (is_ready || poll(&pollfd, 1, 0) > 0);
}

static void start(void)
{
	struct failure err;

	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		host_fds[i] = -1;
	is_host_away = false;
	incoming = incoming_new(&err);
	ok(incoming);
}

static void stop(void)
{
	incoming_free(incoming);
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		if (host_fds[i] >= 0)
			(void)close(host_fds[i]);
}

static int listen_at(int family, uint16_t port)
{
	struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	ok(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	if (family == AF_INET)
		ok(bind(fd, (const struct sockaddr *)&ipv4, sizeof(ipv4)) == 0);
	else
		ok(bind(fd, (const struct sockaddr *)&ipv6, sizeof(ipv6)) == 0);
	ok(listen(fd, 100) == 0);
	return fd;
}

static void check_flow(int from, int to, const char *text)
{
	char bytes[100] = "";

	is_int(write(from, text, strlen(text)), (ssize_t)strlen(text));
	run();
	is_int(read(to, bytes, sizeof(bytes)), (ssize_t)strlen(text));
	is_str(bytes, text);
}

static void is_at_end(int fd)
{
	char byte;

	run();
	is_int(read(fd, &byte, 1), 0);
}

static void test_family(int family)
{
	int listener = listen_at(family, PORT);
	int server;

	start();
	incoming_connect(incoming, 5, PORT);
	run();
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (ok(server >= 0 && host_fds[5] >= 0)) {
		check_flow(host_fds[5], server, "to the container");
		check_flow(server, host_fds[5], "from the container");
		(void)shutdown(host_fds[5], SHUT_WR);
		is_at_end(server);
		check_flow(server, host_fds[5], "still");
	}
	(void)close(server);
	is_at_end(host_fds[5]);
	(void)close(listener);
	stop();
}

static void test_refused(void)
{
	int listener;

	start();
	incoming_connect(incoming, 0, PORT);
	run();
	if (ok(host_fds[0] >= 0))
		is_at_end(host_fds[0]);
	(void)close(host_fds[0]);
	host_fds[0] = -1;
	/* The number is free again; a number that is none is nobody's. */
	listener = listen_at(AF_INET, PORT);
	incoming_connect(incoming, 0, PORT);
	incoming_connect(incoming, PROTOCOL_INCOMING_MAX, PORT);
	run();
	ok(host_fds[0] >= 0);
	/* A host that is away after all. */
	is_host_away = true;
	incoming_connect(incoming, 1, PORT);
	run();
	is_int(host_fds[1], -1);
	(void)close(listener);
	stop();
}

static void test_many(void)
{
	int listener = listen_at(AF_INET, PORT);

	start();
	for (uint32_t i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		incoming_connect(incoming, i, PORT);
	run();
	for (uint32_t i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		ok(host_fds[i] >= 0 && accept(listener, NULL, NULL) >= 0);
	(void)close(listener);
	stop();
	for (int fd = 3; fd < 400; fd++)
		(void)close(fd);
}

/* What the container has sent last is handed over. */
static void test_end(void)
{
	static char bytes[65536];
	int listener = listen_at(AF_INET, PORT);
	struct pollfd pollfd = { .events = POLLIN };
	int server;

	start();
	incoming_connect(incoming, 1, PORT);
	run();
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (write(server, bytes, sizeof(bytes)) > 0)
		run();
	(void)close(server);
	incoming_end(incoming);
	incoming_connect(incoming, 2, PORT);
	run();
	is_int(host_fds[2], -1);
	ok(incoming_is_draining(incoming));
	pollfd.fd = host_fds[1];
	while (poll(&pollfd, 1, 0) > 0 && read(host_fds[1], bytes, sizeof(bytes)) > 0)
		run();
	ok(!incoming_is_draining(incoming));
	(void)close(listener);
	stop();
}

int main(void)
{
	const struct container_plan nothing = { .namespaces = 0 };
	struct failure err;

	if (geteuid()) {
		printf("1..0 # skip needs root\n");
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (!ok(!unshare(CLONE_NEWNET) && !kernel_settings_apply(&nothing, &err)))
		return tap_done();
	test_family(AF_INET);
	test_family(AF_INET6);
	test_refused();
	test_end();
	test_many();
	return tap_done();
}
