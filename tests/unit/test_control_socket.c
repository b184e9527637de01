/* SPDX-License-Identifier: Apache-2.0 */
/* test_control_socket.c - the command line and the session: who asks, who is answered */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/session/control_socket.h"

#define SIGNAL_MESSAGE "{\"type\":\"signal\",\"process\":0,\"signal\":"

static const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };
static struct session_guest box;

static void set_up(enum session_state state)
{
	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, state);
}

/* Ask, let the session work, and close. Returns the code of the reply. */
static int call(uint32_t verb, uint32_t value, struct control_reply *ret_reply)
{
	int client = session_guest_ask(&box, verb, value);
	int code;

	session_guest_run(&box);
	code = session_guest_reply(client, ret_reply);
	(void)close(client);
	session_guest_run(&box);
	return code;
}

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	is_str(message, want);
	free(message);
}

static void test_start_in_states(void)
{
	struct control_reply reply;

	for (int state = SESSION_BOOTING; state <= SESSION_CREATING; state++) {
		set_up((enum session_state)state);
		is_int(call(CONTROL_START, 0, &reply), EAGAIN);
		is_str(reply.text, "the container is still being created");
		session_guest_fini(&box);
	}
	for (int state = SESSION_STARTING; state <= SESSION_RUNNING; state++) {
		set_up((enum session_state)state);
		is_int(call(CONTROL_START, 0, &reply), EALREADY);
		is_str(reply.text, "cannot start an already running container");
		session_guest_fini(&box);
	}
}

/* A start that fails, and one that is overtaken by the end, are answered. */
static void test_start_fails(void)
{
	struct control_reply reply;
	int client;

	set_up(SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	session_guest_frame(&box, PROTOCOL_ERROR, ENOENT, false, "no such program");
	is_int(session_guest_reply(client, &reply), ENOENT);
	is_str(reply.text, "no such program");
	(void)close(client);
	session_guest_fini(&box);

	set_up(SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	session_guest_frame(&box, PROTOCOL_EXITED, 0, false, NULL);
	is_int(session_guest_reply(client, &reply), ESRCH);
	(void)close(client);
	session_guest_fini(&box);

	set_up(SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	session_guest_reset(&box, SESSION_GUEST_CONTROL);
	is_int(session_guest_reply(client, &reply), EIO);
	(void)close(client);
	session_guest_fini(&box);
}

static void test_starter_goes_away(void)
{
	struct control_reply reply;
	int client;

	set_up(SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	ok(box.session.start_client);
	(void)close(client);
	session_guest_run(&box);
	ok(!box.session.start_client);
	/* Its place is somebody else's now, who must not get the answer. */
	client = session_guest_ask(&box, CONTROL_SIGNAL, SIGTERM);
	session_guest_frame(&box, PROTOCOL_STARTED, 0, false, NULL);
	is_int(session_guest_reply(client, &reply), 0);
	is_int(session_guest_reply(client, &reply), -EPIPE);
	is_int(box.session.state, SESSION_RUNNING);
	(void)close(client);
	session_guest_fini(&box);
}

/* A second request on one connection ends it, and frees its place for good. */
static void test_two_requests(void)
{
	const struct control_request again = { .verb = CONTROL_SIGNAL, .value = SIGTERM };
	struct control_reply reply;
	int client, other;

	set_up(SESSION_CREATED);
	client = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	ok(send(client, &again, sizeof(again), 0) == (ssize_t)sizeof(again));
	session_guest_run(&box);
	ok(!box.session.start_client);
	is_int(session_guest_reply(client, &reply), -EPIPE);
	other = session_guest_ask(&box, CONTROL_START, 0);
	session_guest_run(&box);
	is_int(session_guest_reply(other, &reply), EALREADY);
	(void)close(client);
	(void)close(other);
	session_guest_fini(&box);
}

static void test_signals_in_states(void)
{
	struct control_reply reply;

	for (int state = SESSION_BOOTING; state <= SESSION_RUNNING; state++) {
		set_up((enum session_state)state);
		is_int(call(CONTROL_SIGNAL, SIGTERM, &reply), state < SESSION_CREATED ? ESRCH : 0);
		session_guest_fini(&box);
	}
	set_up(SESSION_RUNNING);
	is_int(call(CONTROL_SIGNAL, 0, &reply), EINVAL);
	is_int(call(CONTROL_SIGNAL, (uint32_t)SIGRTMAX + 1, &reply), EINVAL);
	is_int(call(CONTROL_SIGNAL, UINT32_MAX, &reply), EINVAL);
	is_int(call(99, 0, &reply), EINVAL);
	is_str(reply.text, "unknown request");
	is_int(call(CONTROL_SIGNAL, (uint32_t)SIGRTMAX, &reply), 0);
	check_message(2, SIGNAL_MESSAGE "64}");
	ok(!session_guest_message(&box, 3));
	session_guest_fini(&box);
}

/* A guest that reads nothing makes senders fail, and costs no more memory. */
static void test_deaf_guest(void)
{
	struct control_reply reply;
	unsigned int nr_taken = 0;
	int code;

	session_guest_init(&box, no_streams, "{}");
	box.sockets[SESSION_GUEST_CONTROL].socket.buf_alloc = 6; /* the plan and its length */
	box.sockets[SESSION_GUEST_CONTROL].is_deaf = true;
	session_guest_reach(&box, SESSION_CREATED);
	while ((code = call(CONTROL_SIGNAL, SIGTERM, &reply)) == 0 && nr_taken < 100000)
		nr_taken++;
	is_int(code, EBUSY);
	ok(nr_taken > 100);
	is_int(call(CONTROL_START, 0, &reply), EBUSY);
	is_int(box.session.state, SESSION_CREATED);
	is_int(box.sockets[SESSION_GUEST_CONTROL].nr_received, 6);
	session_guest_fini(&box);
}

static void test_wrong_sizes(void)
{
	const char bytes[64] = { CONTROL_SIGNAL, 0, 0, 0, SIGTERM };
	const size_t sizes[] = { 0, 1, sizeof(struct control_request) - 1,
				 sizeof(struct control_request) + 1, sizeof(bytes) };
	struct control_reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int client;

		set_up(SESSION_CREATED);
		client = session_guest_ask(&box, CONTROL_START, 0);
		session_guest_run(&box);
		ok(send(client, bytes, sizes[i], 0) == (ssize_t)sizes[i]);
		(void)close(client);
		session_guest_run(&box);
		ok(!box.session.start_client);
		ok(!session_guest_message(&box, 2));
		is_int(call(CONTROL_SIGNAL, SIGTERM, &reply), 0);
		session_guest_fini(&box);
	}
}

/* @nr copies of the write end of a pipe, of which the read end is *@ret_read. */
static void make_copies(int *copies, unsigned int nr, int *ret_read)
{
	int fds[2] = { -1, -1 };

	ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	*ret_read = fds[0];
	for (unsigned int i = 0; i < nr; i++)
		copies[i] = fds[1];
}

/* Class: descriptors that nobody asked for. Nobody but this process has had one of @copies. */
static void check_closed(int *copies, int read_fd)
{
	char byte;

	(void)close(copies[0]);
	is_int(read(read_fd, &byte, 1), 0);
	(void)close(read_fd);
}

/* Send @len bytes with @nr descriptors. */
static void send_with(int client, const void *bytes, size_t len, int *fds, unsigned int nr)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec payload = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr message = { .msg_iov = &payload,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(nr * sizeof(int)) };

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
	is_int(sendmsg(client, &message, 0), len);
}

static void test_stray_descriptors(void)
{
	static const uint32_t verbs[] = { CONTROL_START,      CONTROL_SIGNAL, CONTROL_SIGNAL_ALL,
					  CONTROL_EXEC,	      CONTROL_RESIZE, CONTROL_PROCESSES,
					  CONTROL_PAUSE,      CONTROL_RESUME, CONTROL_UPDATE,
					  CONTROL_STATISTICS, CONTROL_WATCH,  99,
					  UINT32_MAX };
	static const unsigned int counts[] = { 1, CONTROL_FDS_MAX, CONTROL_FDS_MAX + 1, 64 };
	static const size_t cuts[] = { 0, 1 };
	struct control_reply reply;
	int copies[64], read_fd;

	for (size_t i = 0; i < ARRAY_SIZE(verbs) * ARRAY_SIZE(counts) * ARRAY_SIZE(cuts); i++) {
		const struct control_request request = { .verb = verbs[i % ARRAY_SIZE(verbs)],
							 .value = SIGTERM };
		unsigned int nr = counts[i / ARRAY_SIZE(verbs) % ARRAY_SIZE(counts)];
		size_t cut = cuts[i / ARRAY_SIZE(verbs) / ARRAY_SIZE(counts)];
		int client;

		set_up(SESSION_CREATED);
		make_copies(copies, nr, &read_fd);
		client = session_guest_client(&box);
		send_with(client, &request, sizeof(request) - cut, copies, nr);
		session_guest_run(&box);
		check_closed(copies, read_fd);
		is_int(call(CONTROL_SIGNAL, SIGTERM, &reply), 0);
		(void)close(client);
		session_guest_fini(&box);
	}
}

static void test_too_many_clients(void)
{
	struct control_reply reply;
	int clients[CONTROL_CLIENTS_MAX + 1];

	set_up(SESSION_CREATED);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = session_guest_ask(&box, CONTROL_START, 0);
		session_guest_run(&box);
	}
	/* The first waits for the guest, the others were told; none holds a place but the first. */
	is_int(session_guest_reply(clients[0], &reply), -EAGAIN);
	for (size_t i = 1; i < ARRAY_SIZE(clients); i++) {
		is_int(session_guest_reply(clients[i], &reply), EALREADY);
		(void)close(clients[i]);
	}
	/* Connections that say nothing hold one each; the last one sees the end. */
	for (size_t i = 1; i < ARRAY_SIZE(clients); i++) {
		clients[i] = session_guest_client(&box);
		session_guest_run(&box);
	}
	for (size_t i = 1; i + 1 < ARRAY_SIZE(clients); i++)
		is_int(session_guest_reply(clients[i], &reply), -EAGAIN);
	is_int(session_guest_reply(clients[CONTROL_CLIENTS_MAX], &reply), -EPIPE);
	session_guest_frame(&box, PROTOCOL_STARTED, 0, false, NULL);
	is_int(session_guest_reply(clients[0], &reply), 0);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		(void)close(clients[i]);
	session_guest_fini(&box);
}

int main(void)
{
	test_start_in_states();
	test_start_fails();
	test_starter_goes_away();
	test_two_requests();
	test_signals_in_states();
	test_deaf_guest();
	test_wrong_sizes();
	test_stray_descriptors();
	test_too_many_clients();
	return tap_done();
}
