/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_network.c - what the network process says, and what becomes of it; it is played */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"

#define PLAN "{\"type\":\"create\"}"
#define STATE(n) "{\"interfaces\":[],\"resolver\":false,\"n\":" #n "}"
#define NETWORK(n) "{\"type\":\"network\",\"interfaces\":[],\"resolver\":false,\"n\":" #n "}"
#define FOR_NETWORK PROTOCOL_TERMINAL /* the guest's socket, which has no other use here */

static struct session_guest box;

static const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

static void set_up(enum session_state state)
{
	session_guest_init_network(&box, no_streams, PLAN, false);
	session_guest_reach(&box, state);
}

static void say_with(const struct network_message *message, const char *text, int passed_fd)
{
	is_int(network_channel_send(box.network_fd, message, text, passed_fd), 0);
	session_guest_run(&box);
}

static void say_state(const char *text)
{
	const struct network_message message = { .type = NETWORK_STATE,
						 .size = (uint32_t)strlen(text) };

	say_with(&message, text, -1);
}

static void say(enum network_message_type type)
{
	const struct network_message message = { .type = type };

	say_with(&message, NULL, -1);
}

/* The next message for the network process is @type, or there is none (0). */
static void hears(uint32_t type)
{
	static char text[NETWORK_STATE_MAX + 1];
	struct network_message message = { 0 };
	int fd;

	is_int(network_channel_receive(box.network_fd, &message, text, &fd), type ? 1 : -EAGAIN);
	is_int(type ? message.type : 0, type);
}

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	if (want)
		is_str(message, want);
	else
		ok(!message);
	free(message);
}

/* Before there is a container to have it a state waits, and only the last one is of interest. */
static void test_states(void)
{
	set_up(SESSION_BOOTING);
	say_state(STATE(1));
	say_state(STATE(2));
	check_message(0, NULL);
	session_guest_frame(&box, PROTOCOL_HELLO, PROTOCOL_VERSION, false, NULL);
	ok(session_guest_has_plan(&box, 0, PLAN));
	check_message(1, NETWORK(2));
	say_state(STATE(3));
	check_message(2, NETWORK(3));
	check_message(3, NULL);
	session_guest_fini(&box);
}

static void test_start_waits_for_the_network(void)
{
	struct control_reply reply;
	int client;

	set_up(SESSION_CREATED);
	hears(0);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	hears(NETWORK_SCAN);
	check_message(1, NULL);
	say_state(STATE(1));
	say(NETWORK_SCANNED);
	check_message(1, NETWORK(1));
	check_message(2, "{\"type\":\"start\"}");
	is_int(session_guest_reply(client, &reply), -EAGAIN);
	session_guest_frame(&box, PROTOCOL_STARTED, 0, false, NULL);
	is_int(session_guest_reply(client, &reply), 0);
	/* Nobody asked any more. */
	say(NETWORK_SCANNED);
	check_message(3, NULL);
	is_int(box.session.state, SESSION_RUNNING);
	(void)close(client);
	session_guest_fini(&box);
}

/* One that dies, or has died, keeps nobody from starting. */
static void test_no_network_process(void)
{
	int client;

	for (unsigned int is_early = 0; is_early < 2; is_early++) {
		set_up(SESSION_CREATED);
		if (is_early)
			fd_close(&box.network_fd);
		session_guest_run(&box);
		client = session_guest_ask(&box, CONTROL_START, 0);
		session_guest_run(&box);
		fd_close(&box.network_fd);
		session_guest_run(&box);
		check_message(1, "{\"type\":\"start\"}");
		(void)close(client);
		session_guest_fini(&box);
	}
}

/* Unless there is a network that the container would miss. */
static void test_no_network_process_for_a_network(void)
{
	struct control_reply reply;
	int client;

	session_guest_init_network(&box, no_streams, PLAN, true);
	session_guest_reach(&box, SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	fd_close(&box.network_fd);
	session_guest_run(&box);
	is_int(session_guest_reply(client, &reply), ENETDOWN);
	is_int(box.session.state, SESSION_CREATED);
	check_message(1, NULL);
	(void)close(client);
	session_guest_fini(&box);

	/* Later it is not missed. */
	session_guest_init_network(&box, no_streams, PLAN, true);
	session_guest_reach(&box, SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	say(NETWORK_SCANNED);
	fd_close(&box.network_fd);
	session_guest_run(&box);
	check_message(1, "{\"type\":\"start\"}");
	(void)close(client);
	session_guest_fini(&box);
}

static void test_cards(void)
{
	struct network_message message = { .type = NETWORK_ATTACH,
					   .slot = 3,
					   .mac = { 2, 1, 2, 3, 4, 5 } };
	int tap = open("/dev/null", O_RDWR | O_CLOEXEC);

	set_up(SESSION_BOOTING);
	say_with(&message, NULL, tap);
	ok(box.card_fds[3] >= 0 && box.card_fds[3] != tap);
	ok(memcmp(box.macs[3], message.mac, 6) == 0);
	message.type = NETWORK_DETACH;
	say_with(&message, NULL, -1);
	is_int(box.card_fds[3], -1);
	/* A machine that cannot have it goes on without. */
	message.type = NETWORK_ATTACH;
	box.refuses_cards = true;
	say_with(&message, NULL, tap);
	is_int(box.card_fds[3], -1);
	ok(box.session.network.channel.fd >= 0);
	(void)close(tap);
	session_guest_fini(&box);
}

/* A connection to @port of the namespace's loopback. Returns the client's end. */
static int comes_in(uint16_t port)
{
	const struct network_message message = { .type = NETWORK_INCOMING, .port = port };
	int pair[2];

	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	say_with(&message, NULL, pair[1]);
	(void)close(pair[1]);
	return pair[0];
}

static void test_incoming(void)
{
	int client;
	char bytes[8];

	set_up(SESSION_CREATED);
	client = comes_in(8080);
	check_message(1, "{\"type\":\"incoming\",\"id\":0,\"port\":8080}");
	is_int(write(client, "question", 8), 8);
	ok(!session_guest_connect_port(&box, FOR_NETWORK, PROTOCOL_PORT_INCOMING + 1));
	ok(!session_guest_connect_port(&box, FOR_NETWORK,
				       PROTOCOL_PORT_INCOMING + PROTOCOL_INCOMING_MAX));
	ok(session_guest_connect_port(&box, FOR_NETWORK, PROTOCOL_PORT_INCOMING));
	session_guest_run(&box);
	is_int(box.sockets[FOR_NETWORK].nr_received, 8);
	is_int(session_guest_write(&box, FOR_NETWORK, "answer", 6), 6);
	is_int(read(client, bytes, sizeof(bytes)), 6);
	session_guest_reset(&box, FOR_NETWORK);
	is_int(read(client, bytes, sizeof(bytes)), 0);
	(void)close(client);
	/* The number is free again. */
	client = comes_in(81);
	check_message(2, "{\"type\":\"incoming\",\"id\":0,\"port\":81}");
	(void)close(client);
	session_guest_fini(&box);
}

/* A guest that never fetches them has so many waiting, and no more. */
static void test_too_many_incoming(void)
{
	int clients[PROTOCOL_INCOMING_MAX];
	int client;
	char byte;

	set_up(SESSION_CREATED);
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		clients[i] = comes_in(80);
	client = comes_in(80);
	is_int(read(client, &byte, 1), 0);
	(void)close(client);
	is_int(read(clients[0], &byte, 1), -1);
	ok(session_guest_connect_port(&box, FOR_NETWORK, PROTOCOL_PORT_INCOMING));
	session_guest_reset(&box, FOR_NETWORK);
	client = comes_in(80);
	is_int(read(client, &byte, 1), -1);
	(void)close(client);
	for (unsigned int i = 0; i < PROTOCOL_INCOMING_MAX; i++)
		(void)close(clients[i]);
	session_guest_fini(&box);
}

static void test_resolver(void)
{
	struct socket_message message = { 0 };
	int pair[2], fd;
	char bytes[8];

	/* Not before there is a container to ask. */
	set_up(SESSION_BOOTING);
	ok(!session_guest_connect_port(&box, FOR_NETWORK, PROTOCOL_PORT_RESOLVER));
	is_int(socket_channel_receive(box.resolver_fd, &message, &fd), -EAGAIN);
	session_guest_fini(&box);

	set_up(SESSION_CREATED);
	ok(session_guest_connect_port(&box, FOR_NETWORK, PROTOCOL_PORT_RESOLVER));
	is_int(socket_channel_receive(box.resolver_fd, &message, &fd), 1);
	is_int(message.type, SOCKET_CONNECT);
	is_int(message.socket, NETWORK_RESOLVER);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	message.type = SOCKET_CONNECTED;
	is_int(socket_channel_send(box.resolver_fd, &message, pair[1]), 0);
	(void)close(pair[1]);
	is_int(session_guest_write(&box, FOR_NETWORK, "query", 5), 5);
	session_guest_run(&box);
	is_int(read(pair[0], bytes, sizeof(bytes)), 5);
	(void)close(pair[0]);
	session_guest_fini(&box);
}

/* One that breaks the rules is heard no more; cards and container stay. */
static void test_bad_network_process(void)
{
	static const struct {
		struct network_message message;
		const char *text;
		bool has_fd;
	} bad[] = {
		{ .message = { .type = 0 } },
		{ .message = { .type = NETWORK_SCAN } },
		{ .message = { .type = NETWORK_ATTACH, .slot = NETWORK_SLOTS }, .has_fd = true },
		{ .message = { .type = NETWORK_ATTACH } },
		{ .message = { .type = NETWORK_DETACH, .slot = UINT32_MAX } },
		{ .message = { .type = NETWORK_STATE } },
		{ .message = { .type = NETWORK_STATE, .size = 2 }, .text = "[]" },
		{ .message = { .type = NETWORK_INCOMING, .port = 80 } },
		{ .message = { .type = NETWORK_INCOMING, .port = 80 }, .has_fd = true },
	};
	int file = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		set_up(SESSION_CREATED);
		say_with(&bad[i].message, bad[i].text, bad[i].has_fd ? file : -1);
		is_int(box.session.network.channel.fd, -1);
		is_int(box.session.state, SESSION_CREATED);
		check_message(1, NULL);
		session_guest_fini(&box);
	}
	(void)close(file);
}

/* As often as it likes, guest-init may warn; the log has so much of it. */
static void test_warnings(void)
{
	char path[] = "/tmp/test_session_network.XXXXXX";
	int log = mkstemp(path);
	struct stat st;
	off_t size;

	log_set_descriptor(log);
	set_up(SESSION_CREATED);
	for (unsigned int i = 0; i < 64; i++)
		session_guest_frame(&box, PROTOCOL_WARNING, 0, false, "eth0: \033[2J");
	ok(fstat(log, &st) == 0);
	size = st.st_size;
	ok(size > 64 * 10);
	for (unsigned int i = 0; i < 100; i++)
		session_guest_frame(&box, PROTOCOL_WARNING, 0, false, "eth0");
	ok(fstat(log, &st) == 0);
	is_int(st.st_size, size);
	ok(!box.session.has_failed);
	session_guest_fini(&box);
	log_set_descriptor(STDERR_FILENO);
	(void)unlink(path);
	(void)close(log);
}

int main(void)
{
	test_states();
	test_start_waits_for_the_network();
	test_no_network_process();
	test_no_network_process_for_a_network();
	test_cards();
	test_incoming();
	test_too_many_incoming();
	test_resolver();
	test_bad_network_process();
	test_warnings();
	return tap_done();
}
