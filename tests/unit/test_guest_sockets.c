/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_sockets.c - guest-init in the place of sockets of the host, in a root directory of its
 * own; instead of the shared tree there is a directory, and a socket pair for each connection
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest-init/protocol.h"
#include "guest-init/shared_tree.h"
#include "guest-init/socket_listener.h"
#include "tests/unit/host_pairs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"

#define ID 5u

static struct socket_listeners *listeners;

/* Let guest-init do all it can. */
static void run(void)
{
	struct pollfd pollfd = { .fd = socket_listeners_epoll_fd(listeners), .events = POLLIN };
	bool is_ready;

	do
		is_ready = socket_listeners_run(listeners);
	while (is_ready || poll(&pollfd, 1, 0) > 0);
}

/* A client of socket @id. Returns its descriptor or a negative errno value. */
static int open_client(uint32_t id)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s%u", SHARED_TREE_PATH,
		       PROTOCOL_SOCKET_NAME, id);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

/* @text goes into @from and comes out of @to. */
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

static void start(void)
{
	struct failure err;

	nr_hosts = 0;
	is_host_away = false;
	listeners = socket_listeners_new(&err);
	ok(listeners);
	socket_listeners_add(listeners, ID);
}

/* There is no end but the machine's for them: what they hold is closed one by one. */
static void stop(void)
{
	socket_listeners_end(listeners);
	for (unsigned int i = 0; i < nr_hosts; i++)
		(void)close(host_fds[i]);
	run();
	ok(!socket_listeners_are_draining(listeners));
	ok(unlink(SHARED_TREE_PATH "/" PROTOCOL_SOCKET_NAME "5") == 0);
	socket_listeners_free(listeners);
}

static void test_both_directions_and_ends(void)
{
	int first, second;

	start();
	first = open_client(ID);
	second = open_client(ID);
	run();
	is_int(nr_hosts, 2);
	is_int(last_port, PROTOCOL_PORT_SOCKETS + ID);
	check_flow(first, host_fds[0], "to the host");
	check_flow(host_fds[0], first, "from the host");
	check_flow(second, host_fds[1], "another");
	/* The client's end, then the host's; the other way around. */
	is_int(shutdown(first, SHUT_WR), 0);
	is_at_end(host_fds[0]);
	check_flow(host_fds[0], first, "still");
	is_int(shutdown(host_fds[0], SHUT_WR), 0);
	is_at_end(first);
	is_int(shutdown(host_fds[1], SHUT_WR), 0);
	is_at_end(second);
	check_flow(second, host_fds[1], "still");
	(void)close(second);
	is_at_end(host_fds[1]);
	(void)close(first);
	stop();
}

/* A client that is gone is gone for the host, which need not write to notice. */
static void test_client_goes(void)
{
	struct pollfd pollfd = { .events = POLLIN };
	int client;

	start();
	client = open_client(ID);
	run();
	check_flow(client, host_fds[0], "words");
	is_int(write(client, "last", 4), 4);
	(void)close(client);
	run();
	pollfd.fd = host_fds[0];
	is_int(poll(&pollfd, 1, 0), 1);
	ok(pollfd.revents & POLLHUP);
	stop();
}

static void test_host_goes(void)
{
	int client;

	start();
	client = open_client(ID);
	run();
	(void)close(host_fds[0]);
	host_fds[0] = -1;
	is_at_end(client);
	is_int(send(client, "x", 1, MSG_NOSIGNAL), -1);
	(void)close(client);
	is_host_away = true;
	client = open_client(ID);
	is_at_end(client);
	(void)close(client);
	stop();
}

/* Neither side's reader stops the other side's writer for good, nor loses a byte. */
static void test_back_pressure(void)
{
	static char bytes[65536];
	size_t nr_sent = 0, nr_received = 0;
	ssize_t n = 0;
	int client;

	start();
	client = open_client(ID);
	run();
	while ((n = write(client, bytes, sizeof(bytes))) > 0) {
		nr_sent += (size_t)n;
		run();
	}
	ok(nr_sent > sizeof(bytes) && nr_sent < 4 << 20);
	check_flow(host_fds[0], client, "against the stream");
	is_int(shutdown(client, SHUT_WR), 0);
	while ((n = read(host_fds[0], bytes, sizeof(bytes))) > 0) {
		nr_received += (size_t)n;
		run();
	}
	is_int(n, 0);
	is_int(nr_received, nr_sent);
	(void)close(client);
	stop();
}

static void test_more_than_can_be(void)
{
	enum { NR_CLIENTS = PROTOCOL_SOCKET_CONNECTIONS_MAX + 5 };
	int clients[NR_CLIENTS];

	start();
	for (unsigned int i = 0; i < NR_CLIENTS; i++) {
		clients[i] = open_client(ID);
		ok(clients[i] >= 0);
		run();
	}
	is_int(nr_hosts, PROTOCOL_SOCKET_CONNECTIONS_MAX);
	for (unsigned int i = 0; i < 5; i++) {
		(void)close(clients[i]);
		run();
		is_int(nr_hosts, PROTOCOL_SOCKET_CONNECTIONS_MAX + i + 1);
	}
	check_flow(clients[NR_CLIENTS - 1], host_fds[nr_hosts - 1], "the last");
	for (unsigned int i = 5; i < NR_CLIENTS; i++)
		(void)close(clients[i]);
	stop();
}

static void test_numbers(void)
{
	int client;

	start();
	/* No number, and the same again: nothing happens. */
	socket_listeners_add(listeners, 0);
	socket_listeners_add(listeners, ID);
	socket_listeners_remove(listeners, 0);
	socket_listeners_remove(listeners, ID + 1);
	client = open_client(ID);
	run();
	/* Where nobody listens on the host any more, the guest is told so; connections go on. */
	socket_listeners_remove(listeners, ID);
	is_int(open_client(ID), -ECONNREFUSED);
	check_flow(client, host_fds[0], "on");
	(void)close(client);
	/* There are not more listeners than on offer can be. */
	for (uint32_t id = 1; id <= PROTOCOL_SOCKETS_MAX + 1; id++)
		if (id != ID)
			socket_listeners_add(listeners, id);
	client = open_client(PROTOCOL_SOCKETS_MAX + 1);
	ok(client >= 0);
	(void)close(client);
	socket_listeners_add(listeners, PROTOCOL_SOCKETS_MAX + 2);
	is_int(open_client(PROTOCOL_SOCKETS_MAX + 2), -ENOENT);
	for (uint32_t id = 1; id <= PROTOCOL_SOCKETS_MAX + 1; id++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%s%u", SHARED_TREE_PATH,
			       PROTOCOL_SOCKET_NAME, id);
		if (id != ID)
			(void)unlink(path);
	}
	stop();
}

/* What clients have sent is handed over; a host that does not read is waited for a while only. */
static void test_end(void)
{
	static char bytes[65536];
	struct pollfd pollfd = { .events = POLLIN };
	int client;

	start();
	client = open_client(ID);
	run();
	while (write(client, bytes, sizeof(bytes)) > 0)
		run();
	(void)close(client);
	socket_listeners_end(listeners);
	is_int(open_client(ID), -ECONNREFUSED);
	run();
	ok(socket_listeners_are_draining(listeners));
	pollfd.fd = host_fds[0];
	while (poll(&pollfd, 1, 0) > 0 && read(host_fds[0], bytes, sizeof(bytes)) > 0)
		run();
	ok(!socket_listeners_are_draining(listeners));
	socket_listeners_add(listeners, ID);
	is_int(open_client(ID), -ECONNREFUSED);
	stop();

	start();
	client = open_client(ID);
	run();
	while (write(client, bytes, sizeof(bytes)) > 0)
		run();
	(void)close(client);
	socket_listeners_end(listeners);
	run();
	ok(socket_listeners_are_draining(listeners));
	(void)usleep(1100000);
	ok(!socket_listeners_are_draining(listeners));
	stop();
}

int main(void)
{
	char directory[SCRATCH_DIR_SIZE];
	int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	scratch_dir_make(directory);
	if (!ok(chroot(directory) == 0 && chdir("/") == 0 && mkdir(SHARED_TREE_PATH, 0755) == 0))
		return tap_done();
	(void)signal(SIGPIPE, SIG_IGN);
	test_both_directions_and_ends();
	test_client_goes();
	test_host_goes();
	test_back_pressure();
	test_more_than_can_be();
	test_numbers();
	test_end();
	ok(fchdir(outside) == 0 && chroot(".") == 0);
	(void)close(outside);
	scratch_dir_remove(directory);
	return tap_done();
}
