/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_queries.c - what the guest is asked and answers, and who is told */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/session_queries.h"

static struct session_guest box;
static unsigned int nr_messages; /* of the host that were looked at */

static void set_up(enum session_state state)
{
	const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, state);
	nr_messages = state >= SESSION_STARTING ? 2 : 1;
}

static int ask(uint32_t verb, uint32_t value)
{
	int client = session_guest_ask(&box, verb, value);

	session_guest_run(&box);
	return client;
}

/* CONTROL_UPDATE with @text in its file. */
static int ask_update(uint32_t value, const char *text)
{
	int client = session_guest_client(&box);
	struct error err;
	int fd = control_text_open(text, &err);

	is_int(control_send(client, CONTROL_UPDATE, value, &fd, 1, &err), 0);
	(void)close(fd);
	session_guest_run(&box);
	return client;
}

static void check_reply(int client, int code, const char *text)
{
	struct control_reply reply = { 0 };

	is_int(session_guest_reply(client, &reply), code);
	is_str(reply.text, text);
}

static void check_last_reply(int client, int code, const char *text)
{
	struct control_reply reply;

	check_reply(client, code, text);
	is_int(session_guest_reply(client, &reply), -EPIPE);
	(void)close(client);
}

static void check_message(const char *want)
{
	char *message = session_guest_message(&box, nr_messages++);

	is_str(message, want);
	free(message);
}

static void check_no_reply(int client)
{
	struct control_reply reply;

	is_int(session_guest_reply(client, &reply), -EAGAIN);
}

static void test_answers_in_order(void)
{
	int update, statistics, second;

	set_up(SESSION_RUNNING);
	update = ask_update(0, "{\"controls\":[]}");
	check_message(
		"{\"type\":\"update\",\"checkMemory\":false,\"resources\":{\"controls\":[]}}");
	statistics = ask(CONTROL_STATISTICS, 0);
	check_message("{\"type\":\"statistics\"}");
	second = ask_update(CONTROL_UPDATE_CHECK_MEMORY, "{}");
	check_message("{\"type\":\"update\",\"checkMemory\":true,\"resources\":{}}");
	check_no_reply(update);

	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	check_last_reply(update, 0, "");
	session_guest_frame(&box, PROTOCOL_PART, 0, false, "memory.current\n1");
	session_guest_frame(&box, PROTOCOL_PART, 0, false, "pids.max max");
	check_reply(statistics, EINPROGRESS, "memory.current 1");
	check_reply(statistics, EINPROGRESS, "pids.max max");
	check_no_reply(statistics);
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	check_last_reply(statistics, 0, "");
	session_guest_frame(&box, PROTOCOL_DONE, ENOSPC, false, "no room");
	check_last_reply(second, ENOSPC, "no room");
	ok(!box.session.has_failed);

	/* Codes of the guest that are none. */
	update = ask_update(0, "{}");
	session_guest_frame(&box, PROTOCOL_DONE, UINT32_MAX, false, "odd");
	check_last_reply(update, EIO, "odd");
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	ok(box.session.has_failed);
	session_guest_fini(&box);
}

/* A client that is gone is not told; who asks next still gets the right answer. */
static void test_gone_client(void)
{
	int first, second;

	set_up(SESSION_CREATED);
	first = ask(CONTROL_STATISTICS, 0);
	second = ask(CONTROL_STATISTICS, 0);
	(void)close(first);
	session_guest_run(&box);
	session_guest_frame(&box, PROTOCOL_PART, 0, false, "a 1");
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	check_no_reply(second);
	session_guest_frame(&box, PROTOCOL_PART, 0, false, "b 2");
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	check_reply(second, EINPROGRESS, "b 2");
	check_last_reply(second, 0, "");
	session_guest_fini(&box);
}

static void test_bounds(void)
{
	int clients[SESSION_QUERIES_MAX];

	set_up(SESSION_RUNNING);
	for (unsigned int i = 0; i < SESSION_QUERIES_MAX; i++)
		clients[i] = ask(CONTROL_STATISTICS, 0);
	check_last_reply(ask(CONTROL_STATISTICS, 0), EBUSY,
			 "the guest has not answered what it was asked before");
	for (unsigned int i = 0; i < PROTOCOL_PARTS_MAX; i++)
		session_guest_frame(&box, PROTOCOL_PART, 0, false, "a 1");
	ok(!box.session.has_failed);
	session_guest_frame(&box, PROTOCOL_PART, 0, false, "a 1");
	ok(box.session.has_failed);
	for (unsigned int i = 1; i < SESSION_QUERIES_MAX; i++)
		check_last_reply(clients[i], ESRCH, "container not running");
	(void)close(clients[0]);
	session_guest_fini(&box);
}

/* A paused guest takes an update when it goes on; it cannot be asked for anything. */
static void test_paused(void)
{
	set_up(SESSION_RUNNING);
	(void)close(ask(CONTROL_PAUSE, 0));
	session_guest_paused(&box.session);
	check_last_reply(ask_update(0, "{}"), 0, "");
	check_last_reply(ask_update(0, "{}"), 0, "");
	check_last_reply(ask(CONTROL_STATISTICS, 0), EBUSY, "a paused container cannot be asked");
	(void)close(ask(CONTROL_RESUME, 0));
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	session_guest_frame(&box, PROTOCOL_DONE, EINVAL, false, "nobody hears it");
	ok(!box.session.has_failed);
	session_guest_fini(&box);
}

static void test_not_there(void)
{
	int client;

	set_up(SESSION_CREATING);
	check_last_reply(ask_update(0, "{}"), ESRCH, "container not running");
	check_last_reply(ask(CONTROL_STATISTICS, 0), ESRCH, "container not running");
	check_last_reply(ask(CONTROL_WATCH, 0), ESRCH, "container not running");
	session_guest_fini(&box);

	set_up(SESSION_RUNNING);
	check_last_reply(ask(CONTROL_UPDATE, 0), EINVAL, "an update needs a file");
	client = ask(CONTROL_STATISTICS, 0);
	session_guest_frame(&box, PROTOCOL_EXITED, 4, false, NULL);
	check_last_reply(client, ESRCH, "container not running");
	/* The answer was on its way. */
	session_guest_frame(&box, PROTOCOL_DONE, 0, false, NULL);
	ok(!box.session.has_failed);
	is_int(box.session.exit_code, 4);
	session_guest_fini(&box);
}

static void test_watchers(void)
{
	int first, second;

	set_up(SESSION_RUNNING);
	first = ask(CONTROL_WATCH, 0);
	second = ask(CONTROL_WATCH, 0);
	check_no_reply(first);
	session_guest_frame(&box, PROTOCOL_OOM, 1, false, NULL);
	check_reply(first, 0, CONTROL_EVENT_OOM);
	check_reply(second, 0, CONTROL_EVENT_OOM);
	(void)close(second);
	session_guest_run(&box);
	/* Its place may be another's, who did not ask for that. */
	second = ask(CONTROL_STATISTICS, 0);
	session_guest_frame(&box, PROTOCOL_OOM, 2, false, NULL);
	check_reply(first, 0, CONTROL_EVENT_OOM);
	check_no_reply(second);
	session_guest_fini(&box);
	check_last_reply(first, -EPIPE, "");
	(void)close(second);
}

int main(void)
{
	test_answers_in_order();
	test_gone_client();
	test_bounds();
	test_paused();
	test_not_there();
	test_watchers();
	return tap_done();
}
