/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_network_connections.c - connections that the network process passes on, to the resolver and
 * to the loopback of a namespace; interfaces that are somebody else's
 */
#include <arpa/inet.h>
#include <poll.h>

#include "tests/unit/network_box.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/network/loopback_listener.h"

#define PATIENCE_MS 20000

/* --- the resolver ----------------------------------------------------------------------------- */

static int listen_at(const char *address, uint16_t port, int backlog)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	is_int(inet_pton(AF_INET, address, &name.sin_addr), 1);
	is_int(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	is_int(listen(fd, backlog), 0);
	return fd;
}

static void ask(uint32_t socket_number, uint32_t request)
{
	const struct socket_message message = { .type = SOCKET_CONNECT,
						.socket = socket_number,
						.request = request };

	is_int(socket_channel_send(monitor.resolver_fd, &message, -1), 0);
}

/* The answer to @request. Returns its errno value, or -1 when there is none. */
static int answer_to(uint32_t request, int *ret_fd)
{
	struct pollfd pollfd = { .fd = monitor.resolver_fd, .events = POLLIN };
	struct socket_message message;

	*ret_fd = -1;
	if (poll(&pollfd, 1, PATIENCE_MS) != 1 ||
	    socket_channel_receive(monitor.resolver_fd, &message, ret_fd) != 1)
		return -1;
	is_int(message.type, SOCKET_CONNECTED);
	is_int(message.request, request);
	is_int(message.socket, NETWORK_RESOLVER);
	ok((message.code == 0) == (*ret_fd >= 0));
	return message.code;
}

static void check_flow(int from, int to)
{
	char bytes[8] = "";

	is_int(write(from, "bytes", 5), 5);
	is_int(recv(to, bytes, 5, MSG_WAITALL), 5);
	is_str(bytes, "bytes");
}

static void test_resolver(void)
{
	int listener, fd, server;

	start();
	ask(NETWORK_RESOLVER, 7);
	is_int(answer_to(7, &fd), ECONNREFUSED);
	is_told("\"resolver\":false");
	listener = listen_at("127.0.0.11", 53, 5);
	scan();
	is_str(monitor.told, "S");
	is_told("\"resolver\":true");
	ok(filters->passes_resolver);
	run("test \"$(cat /proc/sys/net/ipv4/ip_local_port_range)\" = \"61000\t65000\"");
	ask(NETWORK_RESOLVER, 8);
	is_int(answer_to(8, &fd), 0);
	server = accept(listener, NULL, NULL);
	ok(server >= 0);
	check_flow(fd, server);
	check_flow(server, fd);
	(void)close(server);
	(void)close(fd);
	(void)close(listener);
	scan();
	is_told("\"resolver\":false");
	ok(!filters->passes_resolver);
	stop();
}

/* A resolver that accepts nothing, and a monitor that asks and asks. */
static void test_resolver_is_slow(void)
{
	const struct socket_message message = { .type = SOCKET_OFFER };
	unsigned int nr_refused = 0;
	int listener, fd;

	start();
	listener = listen_at("127.0.0.11", 53, 0);
	for (uint32_t i = 0; i < 70; i++)
		ask(NETWORK_RESOLVER, 1);
	scan();
	/* Some connections wait to be accepted, as many as there may be are being made. */
	for (unsigned int i = 0; i < 6; i++) {
		int code = answer_to(1, &fd);

		ok(code == 0 || code == EAGAIN);
		nr_refused += code == EAGAIN;
		if (fd >= 0)
			(void)close(fd);
	}
	ok(nr_refused >= 4);
	ask(NETWORK_RESOLVER + 1, 1);
	is_int(socket_channel_send(monitor.resolver_fd, &message, -1), 0);
	/* That was none: there is no resolver any more, but all the rest. */
	scan();
	ok(socket_channel_send(monitor.resolver_fd, &message, -1) < 0);
	(void)close(listener);
	stop();
}

/* --- the loopback ----------------------------------------------------------------------------- */

/* Returns a connection to @port of the namespace's @address, or a negative errno value. */
static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_ipv6 = inet_pton(AF_INET6, address, &ipv6.sin6_addr) == 1;
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, address, &ipv4.sin_addr);
	if (is_ipv6 ? connect(fd, (const struct sockaddr *)&ipv6, sizeof(ipv6)) == 0
		    : connect(fd, (const struct sockaddr *)&ipv4, sizeof(ipv4)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static void check_incoming(const char *address, uint16_t port)
{
	int fd = connect_to(address, port);

	ok(fd >= 0);
	ok(network_monitor_wait(&monitor, NETWORK_INCOMING, NULL));
	is_int(monitor.incoming_port, port);
	ok(monitor.incoming_fd >= 0);
	check_flow(fd, monitor.incoming_fd);
	check_flow(monitor.incoming_fd, fd);
	(void)close(fd);
}

static void test_loopback(void)
{
	struct loopback_listener listener;
	struct error err;
	int listening_fd, fd;

	ok(network_namespace_enter());
	if (loopback_listener_open(&listener, &err) < 0) {
		printf("ok - connections to the loopback # SKIP %s\n", err.text);
		return;
	}
	loopback_listener_close(&listener);
	is_int(connect_to("127.0.0.1", 8080), -ECONNREFUSED);
	/* An engine may bring the loopback up as late as the rest. */
	is_int(network_namespace_run("ip link set lo down"), 0);
	start();
	is_int(network_namespace_run("ip link set lo up"), 0);
	check_incoming("127.0.0.1", 8080);
	check_incoming("127.0.0.1", 1);
	check_incoming("::1", 65535);
	/* Neither the resolver's address nor the others. */
	is_int(connect_to("127.0.0.11", 8080), -ECONNREFUSED);
	is_int(connect_to("172.17.0.2", 8080), -ECONNREFUSED);
	is_int(connect_to("127.0.0.2", 8080), -ECONNREFUSED);
	listening_fd = listen_at("127.0.0.11", 8080, 5);
	fd = connect_to("127.0.0.11", 8080);
	ok(fd >= 0);
	(void)close(fd);
	(void)close(listening_fd);
	scan();
	is_told("eth0");
	stop();
	is_int(connect_to("127.0.0.1", 8080), -ECONNREFUSED);
}

/* Nobody takes them: they end, and what there is to say of the network is said. */
static void test_loopback_flood(void)
{
	struct loopback_listener listener;
	struct error err;
	unsigned int nr_before;

	ok(network_namespace_enter());
	if (loopback_listener_open(&listener, &err) < 0) {
		printf("ok - many connections to the loopback # SKIP %s\n", err.text);
		return;
	}
	loopback_listener_close(&listener);
	start();
	nr_before = nr_descriptors(monitor.process);
	for (unsigned int i = 0; i < 1000; i++) {
		int fd = connect_to("127.0.0.1", 80);

		if (fd >= 0)
			(void)close(fd);
	}
	run("ip link set eth0 mtu 1000");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"mtu\":1000"));
	scan();
	is_int(nr_descriptors(monitor.process), nr_before);
	stop();
}

/* --- somebody else's -------------------------------------------------------------------------- */

static void test_taken_interface(void)
{
	ok(network_namespace_enter());
	filters->taken = 21;
	start();
	add_interface("eth1", "index 21");
	add_interface("eth2", "index 22");
	scan();
	is_not_told("eth1");
	is_told("\"card\":1,\"name\":\"eth2\"");
	/* Its owner is gone. */
	filters->taken = 0;
	scan();
	is_told("\"card\":2,\"name\":\"eth1\"");
	stop();
}

int main(void)
{
	if (!prepare())
		return 0;
	test_resolver();
	test_resolver_is_slow();
	test_loopback();
	test_loopback_flood();
	test_taken_interface();
	return tap_done();
}
