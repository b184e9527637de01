/* SPDX-License-Identifier: Apache-2.0 */
/* test_launch_message.c - packets between the command line and the processes it starts */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/container/launch_message.h"

static int pair[2];

static void set_up(void)
{
	ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
}

static void test_sent_is_received(void)
{
	struct launch_message message = { 0 };
	struct error err;

	set_up();
	launch_message_send(pair[0], LAUNCH_CREATED, NULL);
	(void)error_set(&err, ENOENT, "open x");
	launch_message_send(pair[0], LAUNCH_FAILED, &err);
	is_int(launch_message_receive(pair[1], &message), 1);
	is_int(message.type, LAUNCH_CREATED);
	is_int(message.code, 0);
	is_str(message.text, "");
	is_int(launch_message_receive(pair[1], &message), 1);
	is_int(message.type, LAUNCH_FAILED);
	is_int(message.code, ENOENT);
	is_str(message.text, "open x: no such file or directory");
	(void)close(pair[0]);
	is_int(launch_message_receive(pair[1], &message), 0);
	(void)close(pair[1]);
	is_int(launch_message_receive(pair[1], &message), -EBADF);
}

/* A text that fills its error is kept whole; one that does not end is made to. */
static void test_long_texts(void)
{
	struct launch_message message, raw = { .type = LAUNCH_FAILED };
	struct error err = { .code = EIO };

	set_up();
	memset(err.text, 'x', sizeof(err.text) - 1);
	launch_message_send(pair[0], LAUNCH_FAILED, &err);
	is_int(launch_message_receive(pair[1], &message), 1);
	is_str(message.text, err.text);
	memset(raw.text, 'y', sizeof(raw.text));
	ok(send(pair[0], &raw, sizeof(raw), 0) == (ssize_t)sizeof(raw));
	is_int(launch_message_receive(pair[1], &message), 1);
	is_int(strlen(message.text), sizeof(message.text) - 1);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void test_wrong_size_and_no_reader(void)
{
	struct launch_message message;

	set_up();
	ok(send(pair[0], "short", 5, 0) == 5);
	is_int(launch_message_receive(pair[1], &message), -EPROTO);
	(void)close(pair[1]);
	launch_message_send(pair[0], LAUNCH_COMMIT, NULL); /* and no signal */
	(void)close(pair[0]);
}

int main(void)
{
	test_sent_is_received();
	test_long_texts();
	test_wrong_size_and_no_reader();
	return tap_done();
}
