/* SPDX-License-Identifier: Apache-2.0 */
/* test_network_channel.c - messages between monitor and network process, and what is none */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/backend/network_channel.h"

static int monitor_fd, process_fd;
static char text[NETWORK_STATE_MAX + 1];

static void start(void)
{
	struct error err;

	is_int(network_channel_create(&monitor_fd, &process_fd, &err), 0);
}

static void stop(void)
{
	(void)close(monitor_fd);
	(void)close(process_fd);
}

static int receive(struct network_message *ret_message, int *ret_fd)
{
	*ret_fd = -1;
	return network_channel_receive(monitor_fd, ret_message, text, ret_fd);
}

static void test_messages_arrive(void)
{
	struct network_message message = {
		.type = NETWORK_ATTACH, .slot = 3, .mac = { 2, 1, 2, 3, 4, 5 }, .port = 80
	};
	struct network_message got;
	int fd, file_fd;

	start();
	is_int(receive(&got, &fd), -EAGAIN);
	file_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	is_int(network_channel_send(process_fd, &message, NULL, file_fd), 0);
	is_int(receive(&got, &fd), 1);
	ok(!memcmp(&got, &message, sizeof(got)));
	ok(fd >= 0 && fd != file_fd);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
	(void)close(file_fd);
	message = (struct network_message){ .type = NETWORK_STATE, .size = 4 };
	is_int(network_channel_send(process_fd, &message, "text", -1), 0);
	is_int(receive(&got, &fd), 1);
	is_str(text, "text");
	is_int(fd, -1);
	message = (struct network_message){ .type = NETWORK_SCAN };
	is_int(network_channel_send(monitor_fd, &message, NULL, -1), 0);
	is_int(network_channel_receive(process_fd, &got, text, &fd), 1);
	is_int(got.type, NETWORK_SCAN);
	is_str(text, "");
	(void)close(process_fd);
	is_int(receive(&got, &fd), 0);
	(void)close(monitor_fd);
}

static void test_longest_text(void)
{
	struct network_message message = { .type = NETWORK_STATE, .size = NETWORK_STATE_MAX };
	char *longest = malloc(NETWORK_STATE_MAX + 1);
	struct network_message got;
	int fd, r = 0;

	start();
	memset(longest, 'x', NETWORK_STATE_MAX + 1);
	is_int(network_channel_send(process_fd, &message, longest, -1), 0);
	is_int(receive(&got, &fd), 1);
	is_int(strlen(text), NETWORK_STATE_MAX);
	message.size++;
	is_int(network_channel_send(process_fd, &message, longest, -1), -EMSGSIZE);
	message.size--;
	/* Nobody reads: it ends with -EAGAIN, and goes on when somebody does. */
	for (unsigned int i = 0; i < 1000; i++) {
		r = network_channel_send(process_fd, &message, longest, -1);
		if (r < 0)
			break;
	}
	is_int(r, -EAGAIN);
	while (receive(&got, &fd) == 1)
		is_int(got.size, NETWORK_STATE_MAX);
	is_int(network_channel_send(process_fd, &message, longest, -1), 0);
	free(longest);
	stop();
}

/* Send @message of @len bytes (and more text), @nr_fds descriptors: it is refused. */
static void refuse(const struct network_message *message, size_t len, unsigned int nr_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} passed = { .bytes = { 0 } };
	static char bytes[sizeof(*message) + NETWORK_STATE_MAX + 100];
	struct iovec part = { .iov_base = bytes, .iov_len = len };
	struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };
	int fds[2] = { 0, 1 };
	struct network_message got = { .type = 77 };
	int fd, next, after;

	memcpy(bytes, message, sizeof(*message));
	if (nr_fds) {
		packet.msg_control = passed.bytes;
		packet.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		passed.header.cmsg_level = SOL_SOCKET;
		passed.header.cmsg_type = SCM_RIGHTS;
		passed.header.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&passed.header), fds, nr_fds * sizeof(int));
	}
	next = fcntl(0, F_DUPFD, 0);
	(void)close(next);
	is_int(sendmsg(process_fd, &packet, 0), (ssize_t)len);
	is_int(receive(&got, &fd), -EPROTO);
	is_int(got.type, 77);
	is_int(fd, -1);
	after = fcntl(0, F_DUPFD, 0);
	(void)close(after);
	is_int(after, next);
}

static void test_no_messages(void)
{
	const size_t size = sizeof(struct network_message);

	start();
	refuse(&(struct network_message){ .type = NETWORK_DETACH }, size - 1, 0);
	refuse(&(struct network_message){ .type = NETWORK_DETACH }, size + 1, 0);
	refuse(&(struct network_message){ .type = NETWORK_DETACH, .size = 1 }, size + 1, 0);
	refuse(&(struct network_message){ .type = NETWORK_DETACH, .slot = 4 }, size, 0);
	refuse(&(struct network_message){ .type = NETWORK_DETACH }, size, 1);
	refuse(&(struct network_message){ .type = NETWORK_ATTACH }, size, 0);
	refuse(&(struct network_message){ .type = NETWORK_ATTACH }, size, 2);
	refuse(&(struct network_message){ .type = NETWORK_INCOMING }, size, 0);
	refuse(&(struct network_message){ .type = NETWORK_STATE, .size = 2 }, size + 1, 0);
	refuse(&(struct network_message){ .type = NETWORK_STATE, .size = 2 }, size + 2, 1);
	refuse(&(struct network_message){ .type = NETWORK_STATE, .size = NETWORK_STATE_MAX + 1 },
	       size + NETWORK_STATE_MAX + 1, 0);
	refuse(&(struct network_message){ .type = 0 }, size, 0);
	refuse(&(struct network_message){ .type = NETWORK_SCAN + 1 }, size, 0);
	stop();
}

int main(void)
{
	test_messages_arrive();
	test_longest_text();
	test_no_messages();
	return tap_done();
}
