/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_replies.c - what the command line hears from a container's processes: messages of the
 * launch, replies of the control socket
 *
 * Whatever a monitor that was taken over says, the caller gets an answer or an error of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/container/launch.h"
#include "vmm/container/launch_message.h"
#include "vmm/session/control_socket.h"

#define MESSAGES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, const struct error *err)
{
	BUG_ON(r > 0);
	if (r == 0)
		return;
	BUG_ON(err->code <= 0 || strnlen(err->text, sizeof(err->text)) == sizeof(err->text));
}

static void fill_text(struct fake_program *program, char *text, size_t size)
{
	size_t len = fake_program_word(program) % (size + 1);

	memset(text, fake_program_byte(program), len);
	if (len)
		text[0] = (char)fake_program_byte(program);
}

static void send_launch_message(struct fake_program *program, int fd)
{
	struct launch_message message = {
		.type = (uint32_t)fake_program_number(program, LAUNCH_COMMITTED + 1),
		.code = (int32_t)fake_program_number(program, 134),
	};
	size_t len = sizeof(message);

	if (fake_program_byte(program) % 2)
		message.type = LAUNCH_FAILED;
	fill_text(program, message.text, sizeof(message.text));
	if (fake_program_byte(program) % 8 == 0)
		len = 1 + fake_program_word(program) % sizeof(message);
	BUG_ON(send(fd, &message, len, MSG_DONTWAIT) != (ssize_t)len);
}

static void hear_launch(struct fake_program *program, int pair[2])
{
	static const struct container_hooks no_hooks;
	struct launch launch = { .pid = getpid(), .sync_fd = pair[0] };

	for (unsigned int i = 0; i < MESSAGES_MAX; i++)
		send_launch_message(program, pair[1]);
	(void)shutdown(pair[1], SHUT_WR);
	for (unsigned int i = 0; i < MESSAGES_MAX + 1; i++) {
		struct error err = { 0 };
		int r;

		switch (fake_program_byte(program) % 3) {
		case 0:
			r = launch_run_hooks(&launch, &no_hooks, "{}", "/", -1, &err);
			break;
		case 1:
			r = launch_wait_created(&launch, -1, &err);
			break;
		default:
			r = launch_commit(&launch, &err);
			break;
		}
		check(r, &err);
	}
}

static void hear_replies(struct fake_program *program, int pair[2])
{
	struct control_reply reply;

	for (unsigned int i = 0; i < MESSAGES_MAX; i++) {
		size_t len = sizeof(reply);

		reply.code = (int32_t)fake_program_number(program, 134);
		fill_text(program, reply.text, sizeof(reply.text));
		if (fake_program_byte(program) % 8 == 0)
			len = 1 + fake_program_word(program) % sizeof(reply);
		BUG_ON(send(pair[1], &reply, len, MSG_DONTWAIT) != (ssize_t)len);
	}
	(void)shutdown(pair[1], SHUT_WR);
	for (unsigned int i = 0; i < MESSAGES_MAX + 1; i++) {
		struct error err = { 0 };
		int r = control_receive(pair[0], &reply, 1, &err);

		check(r, &err);
		BUG_ON(r == 0 && strnlen(reply.text, sizeof(reply.text)) == sizeof(reply.text));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	int pair[2];

	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0);
	if (fake_program_byte(&program) % 2)
		hear_launch(&program, pair);
	else
		hear_replies(&program, pair);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}
