/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_pause.c - who may pause a guest, who hears of it, and what lets it go on */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"

static struct session_guest box;

static void set_up(enum session_state state)
{
	const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, state);
}

static int ask(uint32_t verb, uint32_t value)
{
	int client = session_guest_ask(&box, verb, value);

	session_guest_run(&box);
	return client;
}

static void check_reply(int client, int code, const char *text)
{
	struct control_reply reply = { 0 };

	is_int(session_guest_reply(client, &reply), code);
	if (code > 0)
		is_str(reply.text, text);
	(void)close(client);
}

static void pause_now(void)
{
	int client = ask(CONTROL_PAUSE, 0);

	session_guest_paused(&box.session);
	check_reply(client, 0, "");
	ok(box.is_paused);
}

static void test_pause_and_resume(void)
{
	struct control_reply reply;
	int client;

	for (unsigned int state = SESSION_CREATED; state <= SESSION_RUNNING; state++) {
		set_up((enum session_state)state);
		client = ask(CONTROL_PAUSE, 0);
		ok(box.is_paused);
		is_int(session_guest_reply(client, &reply), -EAGAIN); /* it still moves */
		session_guest_paused(&box.session);
		check_reply(client, 0, "");
		pause_now(); /* again, which is no error here */
		check_reply(ask(CONTROL_RESUME, 0), 0, "");
		ok(!box.is_paused);
		check_reply(ask(CONTROL_RESUME, 0), 0, "");
		session_guest_fini(&box);
	}
}

static void test_not_running(void)
{
	static const enum session_state early[] = { SESSION_BOOTING, SESSION_CREATING };

	for (unsigned int i = 0; i < 2; i++) {
		set_up(early[i]);
		check_reply(ask(CONTROL_PAUSE, 0), ESRCH, "container not running");
		check_reply(ask(CONTROL_RESUME, 0), ESRCH, "container not running");
		ok(!box.is_paused);
		session_guest_fini(&box);
	}
}

/* One waits for the guest to stand still; a second one does not, nor does a gone one matter. */
static void test_clients(void)
{
	int first, second;

	set_up(SESSION_RUNNING);
	first = ask(CONTROL_PAUSE, 0);
	check_reply(ask(CONTROL_PAUSE, 0), EBUSY, "the container is being paused");
	second = ask(CONTROL_RESUME, 0);
	check_reply(second, 0, "");
	check_reply(first, ECANCELED, "the container was resumed before it stood still");
	ok(!box.is_paused);

	(void)close(ask(CONTROL_PAUSE, 0));
	session_guest_run(&box);
	ok(!box.session.pause_client);
	session_guest_paused(&box.session);
	ok(box.is_paused); /* recorded as paused, it stays so until somebody resumes it */
	check_reply(ask(CONTROL_RESUME, 0), 0, "");
	session_guest_fini(&box);
}

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	is_str(message, want);
	free(message);
}

/* Signals are on their way at once, as to a frozen process; KILL is not waited with. */
static void test_signals(void)
{
	set_up(SESSION_RUNNING);
	pause_now();
	check_reply(ask(CONTROL_SIGNAL, SIGTERM), 0, "");
	check_message(2, "{\"type\":\"signal\",\"process\":0,\"signal\":15}");
	ok(box.is_paused);
	check_reply(ask(CONTROL_SIGNAL, SIGKILL), 0, "");
	check_message(3, "{\"type\":\"signal\",\"process\":0,\"signal\":9}");
	ok(!box.is_paused);
	session_guest_fini(&box);
}

/* What was said before may still arrive, and a guest that ended must give its last output. */
static void test_end_lets_go(void)
{
	int client;

	set_up(SESSION_RUNNING);
	client = ask(CONTROL_PAUSE, 0);
	session_guest_frame(&box, PROTOCOL_EXITED, 3, false, NULL);
	check_reply(client, ESRCH, "container not running");
	ok(!box.is_paused);
	is_int(box.session.exit_code, 3);
	session_guest_fini(&box);

	set_up(SESSION_RUNNING);
	pause_now();
	session_guest_ended(&box.session, "the machine stopped");
	ok(!box.is_paused);
	session_guest_fini(&box);

	set_up(SESSION_RUNNING);
	client = ask(CONTROL_PAUSE, 0);
	session_guest_frame(&box, PROTOCOL_HELLO, 0, false, NULL); /* out of place */
	ok(box.session.has_failed);
	check_reply(client, ESRCH, "container not running");
	session_guest_fini(&box);
}

int main(void)
{
	test_pause_and_resume();
	test_not_running();
	test_clients();
	test_signals();
	test_end_lets_go();
	return tap_done();
}
