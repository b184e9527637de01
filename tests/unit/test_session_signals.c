/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_signals.c - signals that reach the monitor are the workload's */
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"

static struct session_guest box;

static void check_message(unsigned int index, const char *want)
{
	char *message = session_guest_message(&box, index);

	is_str(message, want);
	free(message);
}

static void test_own_signals(void)
{
	const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_CREATING);
	(void)pthread_kill(pthread_self(), SIGUSR1); /* nobody there yet who could get it */
	session_guest_run(&box);
	ok(!session_guest_message(&box, 1));
	session_guest_frame(&box, PROTOCOL_CREATED, 0, false, NULL);
	(void)pthread_kill(pthread_self(), SIGUSR2);
	session_guest_run(&box);
	check_message(1, "{\"type\":\"signal\",\"process\":0,\"signal\":12}");
	session_guest_fini(&box);
}

static void test_window_size(void)
{
	const struct winsize size = { .ws_row = 33, .ws_col = 111 };
	const struct winsize other = { .ws_row = 44, .ws_col = 99 };
	int stream_fds[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };
	int master;

	ok(openpty(&master, &stream_fds[PROTOCOL_TERMINAL], NULL, NULL, &size) == 0);
	session_guest_init(&box, stream_fds, "{}");
	session_guest_reach(&box, SESSION_RUNNING);
	/* Whoever set the size before is not waited for. */
	check_message(1, "{\"type\":\"resize\",\"process\":0,\"rows\":33,\"columns\":111}");
	check_message(2, "{\"type\":\"start\"}");
	ok(ioctl(master, TIOCSWINSZ, &other) == 0);
	(void)pthread_kill(pthread_self(), SIGWINCH);
	session_guest_run(&box);
	check_message(3, "{\"type\":\"resize\",\"process\":0,\"rows\":44,\"columns\":99}");
	session_guest_fini(&box);
	(void)close(master);
}

int main(void)
{
	test_own_signals();
	test_window_size();
	return tap_done();
}
