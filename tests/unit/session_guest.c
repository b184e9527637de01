/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/session_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vmm/backend/network_channel.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

#define MAX_ROUNDS 100000
#define CREDIT_STEP (GUEST_BUF_ALLOC / 4)

static void on_oom(void *context)
{
	struct session_guest *box = context;

	box->nr_ooms++;
}

static void on_created(void *context)
{
	struct session_guest *box = context;

	box->nr_created++;
}

static void on_pause(void *context)
{
	struct session_guest *box = context;

	box->is_paused = true;
}

static void on_resume(void *context)
{
	struct session_guest *box = context;

	BUG_ON(!box->is_paused);
	box->is_paused = false;
}

/* The device as vsock_guest_init() makes it, with the session behind it. */
static void start_device(struct session_guest *box)
{
	struct vsock_guest *guest = &box->guest;
	struct error err;

	fake_driver_init(&guest->driver);
	for (unsigned int i = 0; i < VSOCK_NR_QUEUES; i++)
		guest->driver.queues[i].size = GUEST_QUEUE_SIZE;
	guest->tx_buffer = fake_driver_alloc(&guest->driver,
					     sizeof(struct vsock_header) + 2 * VSOCK_PAYLOAD_MAX);
	guest->rx_buffers = fake_driver_alloc(&guest->driver, GUEST_QUEUE_SIZE * GUEST_RX_ROOM);
	BUG_ON(vsock_new(&guest->vsock, &session_vsock_service, &box->session,
			 &guest->driver.memory, &guest->driver.loop, guest->driver.transport,
			 &err) < 0);
	guest->driver.device = vsock_device(guest->vsock);
}

static void block_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGPIPE);
	(void)sigaddset(set, SIGUSR1);
	(void)sigaddset(set, SIGUSR2);
	(void)sigaddset(set, SIGWINCH);
	(void)sigprocmask(SIG_SETMASK, set, NULL);
}

static int on_card(void *context, unsigned int slot, int tap_fd, const uint8_t mac[6],
		   struct error *err)
{
	struct session_guest *box = context;

	if (box->refuses_cards) {
		(void)close(tap_fd);
		return error_invalid(err, "no more cards");
	}
	fd_close(&box->card_fds[slot]);
	box->card_fds[slot] = tap_fd;
	memcpy(box->macs[slot], mac, sizeof(box->macs[slot]));
	return 0;
}

static void on_card_gone(void *context, unsigned int slot)
{
	struct session_guest *box = context;

	fd_close(&box->card_fds[slot]);
}

static void init(struct session_guest *box, const int stream_fds[PROTOCOL_NR_STREAMS],
		 const char *plan, bool has_network, bool needs_network)
{
	struct session_config config = {
		.guest_plan = plan,
		.stdio_fds = { stream_fds[PROTOCOL_STDIN], stream_fds[PROTOCOL_STDOUT],
			       stream_fds[PROTOCOL_STDERR] },
		.terminal_fd = stream_fds[PROTOCOL_TERMINAL],
		.network_fd = -1,
		.resolver_fd = -1,
		.on_created = on_created,
		.on_oom = on_oom,
		.cards = { on_card, on_card_gone, box },
		.needs_network = needs_network,
		.pause = on_pause,
		.resume = on_resume,
		.context = box,
	};
	struct error err;
	sigset_t set;

	*box = (struct session_guest){ .network_fd = -1,
				       .resolver_fd = -1,
				       .card_fds = { -1, -1, -1, -1 } };
	scratch_dir_make(box->directory);
	box->state_fd = open(box->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	box->control_fd = control_socket_listen(box->state_fd, &err);
	BUG_ON(box->state_fd < 0 || box->control_fd < 0);
	config.control_fd = box->control_fd;
	BUG_ON(socket_channel_create(&config.socket_fd, &box->sockets_fd, &err) < 0);
	BUG_ON(has_network &&
	       (network_channel_create(&config.network_fd, &box->network_fd, &err) < 0 ||
		socket_channel_create(&config.resolver_fd, &box->resolver_fd, &err) < 0));
	start_device(box);
	BUG_ON(session_init(&box->session, &config, box->guest.vsock, &box->guest.driver.loop,
			    &err) < 0);
	block_signals(&set);
	vsock_guest_start(&box->guest);
	vsock_guest_offer(&box->guest, GUEST_QUEUE_SIZE);
	session_guest_run(box);
}

void session_guest_init(struct session_guest *box, const int stream_fds[PROTOCOL_NR_STREAMS],
			const char *plan)
{
	init(box, stream_fds, plan, false, false);
}

void session_guest_init_network(struct session_guest *box,
				const int stream_fds[PROTOCOL_NR_STREAMS], const char *plan,
				bool is_needed)
{
	init(box, stream_fds, plan, true, is_needed);
}

void session_guest_fini(struct session_guest *box)
{
	const struct timespec now = { 0 };
	sigset_t set;

	session_fini(&box->session);
	vsock_guest_fini(&box->guest);
	(void)close(box->control_fd);
	(void)close(box->sockets_fd);
	fd_close(&box->network_fd);
	fd_close(&box->resolver_fd);
	for (unsigned int i = 0; i < NETWORK_SLOTS; i++)
		fd_close(&box->card_fds[i]);
	(void)close(box->state_fd);
	scratch_dir_remove(box->directory);
	for (unsigned int i = 0; i < SESSION_GUEST_NR_SOCKETS; i++)
		free(box->sockets[i].received);
	/* A signal that nobody read must not reach the next session. */
	block_signals(&set);
	while (sigtimedwait(&set, NULL, &now) > 0)
		continue;
}

static void receive(struct session_guest *box, const struct vsock_header *header,
		    const uint8_t *payload)
{
	unsigned int index = header->dst_port - SESSION_GUEST_FIRST_PORT;
	struct session_guest_socket *to;

	if (index >= SESSION_GUEST_NR_SOCKETS || header->op >= 8)
		return;
	to = &box->sockets[index];
	to->socket.nr_packets[header->op]++;
	if (header->op == VSOCK_OP_RST)
		return;
	to->socket.host_buf_alloc = header->buf_alloc;
	to->socket.host_fwd_cnt = header->fwd_cnt;
	if (!header->len)
		return;
	to->received = realloc(to->received, to->nr_received + header->len);
	BUG_ON(!to->received);
	memcpy(to->received + to->nr_received, payload, header->len);
	to->nr_received += header->len;
	if (to->is_deaf)
		return;
	to->socket.fwd_cnt = (uint32_t)to->nr_received;
	if (to->socket.fwd_cnt - to->fwd_cnt_told < CREDIT_STEP)
		return;
	to->fwd_cnt_told = to->socket.fwd_cnt;
	guest_socket_send_op(&box->guest, &to->socket, VSOCK_OP_CREDIT_UPDATE, 0);
}

void session_guest_run(struct session_guest *box)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct vsock_header header;
	unsigned int nr_rounds = 0;

	do {
		BUG_ON(nr_rounds++ == MAX_ROUNDS);
		while (vsock_guest_take(&box->guest, &header, payload))
			receive(box, &header, payload);
	} while (vsock_guest_run(&box->guest));
}

bool session_guest_connect(struct session_guest *box, unsigned int index)
{
	return session_guest_connect_port(
		box, index,
		index == SESSION_GUEST_CONTROL
			? PROTOCOL_PORT_CONTROL
			: protocol_stream_port(0, (enum protocol_stream)index));
}

bool session_guest_connect_port(struct session_guest *box, unsigned int index, uint32_t port)
{
	struct guest_socket *socket = &box->sockets[index].socket;
	unsigned int nr_before = socket->nr_packets[VSOCK_OP_RESPONSE];

	socket->port = SESSION_GUEST_FIRST_PORT + index;
	socket->host_port = port;
	if (!socket->buf_alloc)
		socket->buf_alloc = GUEST_BUF_ALLOC;
	guest_socket_send_op(&box->guest, socket, VSOCK_OP_REQUEST, 0);
	session_guest_run(box);
	return socket->nr_packets[VSOCK_OP_RESPONSE] > nr_before;
}

size_t session_guest_write(struct session_guest *box, unsigned int index, const void *data,
			   size_t len)
{
	struct guest_socket *socket = &box->sockets[index].socket;
	size_t done = 0;

	while (done < len) {
		struct vsock_header header = vsock_guest_header(socket, VSOCK_OP_RW);
		size_t n = min_u64(len - done, guest_socket_credit(socket));

		n = min_u64(n, VSOCK_PAYLOAD_MAX);
		if (!n)
			break;
		header.len = (uint32_t)n;
		vsock_guest_send(&box->guest, &header, (const uint8_t *)data + done, header.len);
		socket->nr_sent += n;
		done += n;
		session_guest_run(box);
	}
	return done;
}

void session_guest_end_write(struct session_guest *box, unsigned int index)
{
	guest_socket_send_op(&box->guest, &box->sockets[index].socket, VSOCK_OP_SHUTDOWN,
			     VSOCK_SHUTDOWN_SEND);
	session_guest_run(box);
}

void session_guest_reset(struct session_guest *box, unsigned int index)
{
	guest_socket_send_op(&box->guest, &box->sockets[index].socket, VSOCK_OP_RST, 0);
	session_guest_run(box);
}

void session_guest_frame(struct session_guest *box, uint32_t type, uint32_t code, bool is_signal,
			 const char *text)
{
	struct protocol_frame frame = { .type = type, .code = code, .is_signal = is_signal };

	if (text)
		memcpy(frame.text, text, min_u64(strlen(text), sizeof(frame.text)));
	BUG_ON(session_guest_write(box, SESSION_GUEST_CONTROL, &frame, sizeof(frame)) !=
	       sizeof(frame));
}

void session_guest_reach(struct session_guest *box, enum session_state state)
{
	struct control_reply reply;
	int client;

	BUG_ON(!session_guest_connect(box, SESSION_GUEST_CONTROL));
	if (state >= SESSION_CREATING)
		session_guest_frame(box, PROTOCOL_HELLO, PROTOCOL_VERSION, false, NULL);
	for (unsigned int i = 0; state >= SESSION_CREATED && i < PROTOCOL_NR_STREAMS; i++)
		if (box->session.processes[0].relays[i].host.fd >= 0)
			BUG_ON(!session_guest_connect(box, i));
	if (state >= SESSION_CREATED)
		session_guest_frame(box, PROTOCOL_CREATED, 0, false, NULL);
	if (state < SESSION_STARTING)
		return;
	client = session_guest_ask(box, CONTROL_START, 0);
	session_guest_run(box);
	if (state >= SESSION_RUNNING) {
		session_guest_frame(box, PROTOCOL_STARTED, 0, false, NULL);
		BUG_ON(session_guest_reply(client, &reply) != 0);
	}
	(void)close(client);
}

char *session_guest_message(const struct session_guest *box, unsigned int index)
{
	const struct session_guest_socket *control = &box->sockets[SESSION_GUEST_CONTROL];
	size_t at = 0;
	uint32_t len;

	while (range_fits(at, sizeof(len), control->nr_received)) {
		memcpy(&len, control->received + at, sizeof(len));
		at += sizeof(len);
		if (!range_fits(at, len, control->nr_received))
			break;
		if (!index--)
			return strndup((const char *)control->received + at, len);
		at += len;
	}
	return NULL;
}

bool session_guest_has_plan(const struct session_guest *box, unsigned int index, const char *plan)
{
	AUTO_FREE char *message = session_guest_message(box, index);
	int64_t now = time(NULL), then;
	int end = 0;

	if (!message || sscanf(message, "{\"time\":%" SCNd64 ",%n", &then, &end) != 1 || !end)
		return false;
	then /= INT64_C(1000000000);
	return then <= now && then > now - 60 && strcmp(message + end, plan + 1) == 0;
}

int session_guest_client(const struct session_guest *box)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", box->directory,
		       CONTROL_SOCKET_NAME);
	BUG_ON(connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0);
	return fd;
}

int session_guest_ask(const struct session_guest *box, uint32_t verb, uint32_t value)
{
	struct control_request request = { .verb = verb, .value = value };
	int fd = session_guest_client(box);

	BUG_ON(send(fd, &request, sizeof(request), MSG_NOSIGNAL) != (ssize_t)sizeof(request));
	return fd;
}

int session_guest_reply(int client_fd, struct control_reply *ret_reply)
{
	ssize_t n = recv(client_fd, ret_reply, sizeof(*ret_reply), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n != (ssize_t)sizeof(*ret_reply))
		return -EPIPE;
	return ret_reply->code;
}
