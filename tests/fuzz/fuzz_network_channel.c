/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_network_channel.c - a network process that was taken over, and a guest that helps it
 *
 * The network process says anything to the monitor, with any descriptors, and answers its questions
 * or not; whatever it says, it is heard until the first message that breaks the rules, the session
 * lives, and no descriptor is left. What each end takes for a message is compared with the rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_program.h"
#include "tests/unit/session_guest.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"

#define MAX_STEPS 60
#define FDS_MAX 3u
#define FOR_NETWORK PROTOCOL_TERMINAL /* the guest's socket, which has no other use here */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message as it is sent, true or not. */
struct packet {
	struct {
		struct network_message message;
		char text[NETWORK_STATE_MAX + 64];
	} bytes;
	size_t len;
	int fds[FDS_MAX];
	size_t nr_fds;
	bool has_socket; /* the first of them is one */
};

static struct session_guest box;
static struct packet packet;
static char text[NETWORK_STATE_MAX + 1];
static struct fake_program program;
static int file_fd, socket_fd;

static bool one_in(unsigned int n)
{
	return fake_program_byte(&program) % n == 0;
}

static void choose_packet(void)
{
	static const char *const states[] = { "{\"interfaces\":[]}", "{}", "[]", "{", "" };
	struct network_message *message = &packet.bytes.message;
	const char *state = states[fake_program_byte(&program) % ARRAY_SIZE(states)];
	bool wants_fd;

	*message = (struct network_message){
		.type = fake_program_byte(&program) % (NETWORK_SCAN + 2),
		.slot = fake_program_byte(&program) % NETWORK_SLOTS,
		.port = one_in(4) ? 0 : 80,
	};
	if (message->type == NETWORK_STATE)
		message->size = (uint32_t)strlen(state);
	memcpy(packet.bytes.text, state, strlen(state) + 1);
	if (one_in(16)) {
		message->size = (uint32_t)fake_program_number(&program, NETWORK_STATE_MAX);
		memset(packet.bytes.text, '{', sizeof(packet.bytes.text));
	}
	packet.len = sizeof(*message) + message->size % sizeof(packet.bytes.text);
	if (one_in(16))
		message->slot = fake_program_word(&program);
	if (one_in(16))
		packet.len = fake_program_number(&program, sizeof(*message)) % 256;
	wants_fd = message->type == NETWORK_ATTACH || message->type == NETWORK_INCOMING;
	packet.nr_fds = one_in(8) ? fake_program_byte(&program) % (FDS_MAX + 1) : wants_fd;
	packet.has_socket = one_in(2);
	for (size_t i = 0; i < packet.nr_fds; i++)
		packet.fds[i] = packet.has_socket ? socket_fd : file_fd;
}

static bool send_packet(int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} passed = { .bytes = { 0 } };
	struct iovec part = { &packet.bytes, packet.len };
	struct msghdr whole = { .msg_iov = &part, .msg_iovlen = 1 };
	size_t size = packet.nr_fds * sizeof(int);

	if (packet.nr_fds) {
		whole.msg_control = passed.bytes;
		whole.msg_controllen = CMSG_SPACE(size);
		passed.header.cmsg_level = SOL_SOCKET;
		passed.header.cmsg_type = SCM_RIGHTS;
		passed.header.cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(&passed.header), packet.fds, size);
	}
	return sendmsg(fd, &whole, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)packet.len;
}

/* By the rules of network_channel.h. */
static bool is_message(void)
{
	const struct network_message *message = &packet.bytes.message;
	bool wants_fd = message->type == NETWORK_ATTACH || message->type == NETWORK_INCOMING;

	if (packet.len < sizeof(*message) || packet.nr_fds != wants_fd)
		return false;
	if (message->type == NETWORK_STATE ? message->size > NETWORK_STATE_MAX : message->size != 0)
		return false;
	return message->type >= NETWORK_ATTACH && message->type <= NETWORK_SCAN &&
	       message->slot < NETWORK_SLOTS && packet.len == sizeof(*message) + message->size;
}

/* And it is for the monitor, with sense in it. */
static bool is_for_monitor(void)
{
	const struct network_message *message = &packet.bytes.message;

	switch (message->type) {
	case NETWORK_STATE:
		return is_message() && message->size >= 2 && packet.bytes.text[0] == '{';
	case NETWORK_INCOMING:
		return is_message() && packet.has_socket && message->port;
	case NETWORK_SCAN:
		return false;
	default:
		return is_message();
	}
}

/* What either end takes for a message. */
static void check_receive(bool is_monitor)
{
	struct network_message message = { 0 };
	int ends[2], fd = -1, r;
	struct error err;

	BUG_ON(network_channel_create(&ends[0], &ends[1], &err) < 0);
	choose_packet();
	if (send_packet(ends[is_monitor])) {
		r = network_channel_receive(ends[!is_monitor], &message, text, &fd);
		BUG_ON(packet.len && r != (is_message() ? 1 : -EPROTO));
		BUG_ON((fd >= 0) != (r == 1 && packet.nr_fds));
		if (r == 1)
			BUG_ON(memchr(text, 0, message.size + 1) == NULL || text[message.size]);
		fd_close(&fd);
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* What the monitor makes of it. */
static void say(void)
{
	bool was_heard = box.session.network.channel.fd >= 0;

	choose_packet();
	if (box.network_fd < 0 || !send_packet(box.network_fd))
		return;
	session_guest_run(&box);
	BUG_ON(packet.len && was_heard &&
	       (box.session.network.channel.fd >= 0) != is_for_monitor());
}

static void answer_resolver(void)
{
	struct socket_message message = { 0 };
	int fd;

	if (socket_channel_receive(box.resolver_fd, &message, &fd) == 1 || one_in(4)) {
		message.type = one_in(4) ? fake_program_byte(&program) % 8 : SOCKET_CONNECTED;
		if (one_in(8))
			message.request = fake_program_word(&program);
		(void)socket_channel_send(box.resolver_fd, &message, one_in(4) ? -1 : socket_fd);
	}
}

static void connect_guest(void)
{
	uint32_t number = one_in(8) ? fake_program_word(&program) : fake_program_byte(&program) % 4;

	session_guest_reset(&box, FOR_NETWORK);
	(void)session_guest_connect_port(&box, FOR_NETWORK,
					 one_in(4) ? PROTOCOL_PORT_RESOLVER
						   : PROTOCOL_PORT_INCOMING + number);
}

static void take_step(void)
{
	switch (fake_program_byte(&program) % 16) {
	case 0:
		check_receive(one_in(2));
		break;
	case 1:
		box.refuses_cards = one_in(2);
		break;
	case 2:
		answer_resolver();
		break;
	case 3:
	case 4:
		connect_guest();
		break;
	case 5:
		(void)session_guest_write(&box, FOR_NETWORK, text, fake_program_byte(&program));
		break;
	case 6:
		network_link_scan(&box.session.network);
		break;
	case 7:
		if (one_in(8))
			fd_close(&box.network_fd);
		break;
	default:
		say();
		break;
	}
	session_guest_run(&box);
	BUG_ON(box.session.has_failed || box.guest.driver.loop.is_stopping);
}

static void set_up(void)
{
	static const int none[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };
	int pair[2];

	file_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0);
	/* Its other end is gone: what comes of it is an end at once. */
	socket_fd = pair[0];
	(void)close(pair[1]);
	session_guest_init_network(&box, none, "{\"type\":\"create\"}", false);
	session_guest_reach(&box, one_in(4) ? SESSION_BOOTING : SESSION_CREATED);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct error err;

	(void)argc;
	(void)argv;
	return log_open("/dev/null", false, false, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int first_fd = dup(STDERR_FILENO);
	int last_fd;

	(void)close(first_fd);
	program = (struct fake_program){ data, size };
	set_up();
	for (unsigned int i = 0; i < MAX_STEPS && !fake_program_is_done(&program); i++)
		take_step();
	session_guest_fini(&box);
	fd_close(&file_fd);
	fd_close(&socket_fd);
	last_fd = dup(STDERR_FILENO);
	(void)close(last_fd);
	BUG_ON(first_fd != last_fd);
	return 0;
}
