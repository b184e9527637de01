/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_channel.c - frames in pieces, messages as the guest has room for them */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/guest_channel.h"

#define TIME_SIZE strlen("\"time\":1234567890123456789,")
#define LARGE_PLAN ((size_t)3 << 20)

static const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };
static struct session_guest box;

/* A frame split at @cut arrives as one, and not before its last byte. */
static void check_split(size_t cut)
{
	struct protocol_frame frame = { .type = PROTOCOL_HELLO, .code = PROTOCOL_VERSION };
	const uint8_t *bytes = (const uint8_t *)&frame;

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_BOOTING);
	is_int(session_guest_write(&box, SESSION_GUEST_CONTROL, bytes, cut), cut);
	is_int(box.session.state, SESSION_BOOTING);
	ok(!box.session.has_failed);
	is_int(session_guest_write(&box, SESSION_GUEST_CONTROL, bytes + cut, sizeof(frame) - cut),
	       sizeof(frame) - cut);
	is_int(box.session.state, SESSION_CREATING);
	session_guest_fini(&box);
}

static void test_pieces(void)
{
	static const size_t cuts[] = { 1, 3, 4, 16, 512, sizeof(struct protocol_frame) - 1 };

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		check_split(cuts[i]);
}

static void test_frames_in_one_packet(void)
{
	struct protocol_frame frames[3] = {
		{ .type = PROTOCOL_HELLO, .code = PROTOCOL_VERSION },
		{ .type = PROTOCOL_CREATED },
		{ .type = PROTOCOL_EXITED, .code = 9 },
	};

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_BOOTING);
	(void)session_guest_write(&box, SESSION_GUEST_CONTROL, frames, sizeof(frames));
	is_int(box.session.state, SESSION_EXITED);
	is_int(box.session.exit_code, 9);
	is_int(box.nr_created, 1);
	ok(!box.session.has_failed);
	session_guest_fini(&box);
}

/* Of a frame that never becomes whole nothing is believed. */
static void test_cut_off(void)
{
	struct protocol_frame frame = { .type = PROTOCOL_EXITED, .code = 0 };

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_RUNNING);
	(void)session_guest_write(&box, SESSION_GUEST_CONTROL, &frame, sizeof(frame) - 1);
	session_guest_end_write(&box, SESSION_GUEST_CONTROL);
	is_int(box.session.exit_code, SESSION_EXIT_CRASHED);
	ok(box.session.has_failed && box.session.has_guest_ended);
	session_guest_fini(&box);
}

/* A plan larger than all buffers, with messages after it: all arrive, whole and in order. */
static void test_large_plan(void)
{
	struct session_guest_socket *control = &box.sockets[SESSION_GUEST_CONTROL];
	char *plan = malloc(LARGE_PLAN + 1), *message;
	struct control_reply reply;
	int client;

	for (size_t i = 0; i < LARGE_PLAN; i++)
		plan[i] = (char)('a' + (i + (i >> 9)) % 26);
	plan[LARGE_PLAN] = 0;
	session_guest_init(&box, no_streams, plan);
	control->is_deaf = true; /* at first */
	session_guest_reach(&box, SESSION_CREATED);
	is_int(control->nr_received, GUEST_BUF_ALLOC);
	client = session_guest_ask(&box, CONTROL_SIGNAL, SIGTERM);
	session_guest_run(&box);
	is_int(session_guest_reply(client, &reply), 0);
	control->is_deaf = false;
	control->socket.fwd_cnt = (uint32_t)control->nr_received;
	guest_socket_send_op(&box.guest, &control->socket, VSOCK_OP_CREDIT_UPDATE, 0);
	session_guest_run(&box);
	message = session_guest_message(&box, 0);
	ok(session_guest_has_plan(&box, 0, plan));
	free(message);
	message = session_guest_message(&box, 1);
	is_str(message, "{\"type\":\"signal\",\"process\":0,\"signal\":15}");
	free(message);
	(void)close(client);
	session_guest_fini(&box);
	free(plan);
}

/* A guest that gives credit byte by byte. */
static void test_tiny_credit(void)
{
	struct session_guest_socket *control = &box.sockets[SESSION_GUEST_CONTROL];
	session_guest_init(&box, no_streams, "{\"type\":\"create\"}");
	control->socket.buf_alloc = 1;
	control->is_deaf = true;
	session_guest_reach(&box, SESSION_CREATING);
	for (size_t n = 1; n < 4 + TIME_SIZE + strlen("{\"type\":\"create\"}"); n++) {
		is_int(control->nr_received, n);
		control->socket.fwd_cnt = (uint32_t)n;
		guest_socket_send_op(&box.guest, &control->socket, VSOCK_OP_CREDIT_UPDATE, 0);
		session_guest_run(&box);
	}
	ok(session_guest_has_plan(&box, 0, "{\"type\":\"create\"}"));
	session_guest_fini(&box);
}

/* For a guest that reads nothing so many messages of @len bytes wait, and no more. */
static void check_full_queue(size_t len, size_t want)
{
	char *text = calloc(1, len + 1);
	size_t nr_sent = 0;
	int r;

	session_guest_init(&box, no_streams, "{}");
	box.sockets[SESSION_GUEST_CONTROL].is_deaf = true;
	session_guest_reach(&box, SESSION_CREATED);
	memset(text, 'x', len);
	vsock_lock(box.guest.vsock);
	while ((r = guest_channel_send(&box.session.channel, "%s", text)) == 0)
		nr_sent++;
	vsock_unlock(box.guest.vsock);
	is_int(r, -ENOBUFS);
	/* Some are in the connection's own buffer, or on their way. */
	ok(nr_sent >= want && nr_sent <= want + 1 + 4 * VSOCK_BUFFER_SIZE / len);
	session_guest_fini(&box);
	free(text);
}

static void test_full_queue(void)
{
	check_full_queue(1024, GUEST_CHANNEL_MESSAGES_MAX);
	check_full_queue((size_t)1 << 20, GUEST_CHANNEL_QUEUE_MAX / ((1 << 20) + 4));
}

int main(void)
{
	test_pieces();
	test_frames_in_one_packet();
	test_cut_off();
	test_large_plan();
	test_tiny_credit();
	test_full_queue();
	return tap_done();
}
