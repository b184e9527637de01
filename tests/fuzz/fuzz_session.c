/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest-init, and a host on which anything may happen at any time. Whatever they do, the
 * session goes on or stops the loop with an exit code, and nobody is kept waiting.
 */
#include <linux/virtio_mmio.h>
#include <string.h>

#include "tests/unit/fake_program.h"
#include "tests/unit/session_engine.h"
#include "tests/unit/session_guest.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"

#define MAX_STEPS 200
#define MAX_EVENTS_TO_REST 20000
#define TX_SLOT_SIZE 0x2000u
#define TX_SLOTS 16u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct session_guest box;
static struct fake_program program;
static struct session_engine engine;
static unsigned int nr_queued; /* packets since the device last ran */

static bool is_over(void)
{
	return box.guest.driver.loop.is_stopping;
}

/* As in event_loop_run(), a stop is the end. Returns false if @max events were not enough. */
static bool run(unsigned int max)
{
	for (unsigned int i = 0; i < max && !is_over(); i++)
		if (!fake_driver_run(&box.guest.driver, 1))
			return true;
	return is_over();
}

static void run_to_rest(void)
{
	BUG_ON(!run(MAX_EVENTS_TO_REST));
	nr_queued = 0;
}

/* --- the guest ----------------------------------------------------------------------------- */

static void queue_packet(const struct vsock_header *header, const void *payload)
{
	uint64_t gpa = box.guest.tx_buffer + TX_SLOT_SIZE * (nr_queued % TX_SLOTS);
	struct fake_buffer packet = { .gpa = gpa, .len = sizeof(*header) + header->len };

	memcpy(fake_driver_bytes(&box.guest.driver, gpa, sizeof(*header)), header, sizeof(*header));
	if (header->len)
		memcpy(fake_driver_bytes(&box.guest.driver, gpa + sizeof(*header), header->len),
		       payload, header->len);
	(void)fake_driver_add(&box.guest.driver, VSOCK_QUEUE_TX, &packet, 1, NULL, 0);
	if (++nr_queued == TX_SLOTS) {
		fake_driver_kick(&box.guest.driver, VSOCK_QUEUE_TX);
		run_to_rest();
	}
}

static struct guest_socket *choose_socket(void)
{
	return &box.sockets[fake_program_byte(&program) % SESSION_GUEST_NR_SOCKETS].socket;
}

static void send_bytes(struct guest_socket *socket, const void *bytes, uint32_t len)
{
	struct vsock_header header = vsock_guest_header(socket, VSOCK_OP_RW);

	header.len = len;
	socket->nr_sent += len;
	queue_packet(&header, bytes);
}

static void send_operation(struct guest_socket *socket, uint16_t op)
{
	struct vsock_header header = vsock_guest_header(socket, op);

	header.flags = fake_program_byte(&program) % 4;
	if (op == VSOCK_OP_CREDIT_UPDATE) {
		socket->buf_alloc = (uint32_t)fake_program_number(&program, GUEST_BUF_ALLOC);
		header.buf_alloc = socket->buf_alloc;
	}
	queue_packet(&header, NULL);
}

static void connect_socket(void)
{
	struct guest_socket *socket = choose_socket();
	uint32_t ports[] = { PROTOCOL_PORT_CONTROL, fake_program_word(&program),
			     protocol_stream_port(0, fake_program_byte(&program) % 5),
			     protocol_stream_port(1, PROTOCOL_STDIN),
			     PROTOCOL_PORT_SOCKETS + fake_program_byte(&program) % 4 };

	if (fake_program_byte(&program) % 8 == 0)
		socket->host_port = ports[fake_program_byte(&program) % ARRAY_SIZE(ports)];
	send_operation(socket, VSOCK_OP_REQUEST);
}

/* The frame that fits the state, with numbers and a text that may not. */
static void fill_frame(struct protocol_frame *frame, bool is_expected)
{
	static const uint32_t expected[] = {
		[SESSION_BOOTING] = PROTOCOL_HELLO,  [SESSION_CREATING] = PROTOCOL_CREATED,
		[SESSION_CREATED] = PROTOCOL_EXITED, [SESSION_STARTING] = PROTOCOL_STARTED,
		[SESSION_RUNNING] = PROTOCOL_EXITED, [SESSION_EXITED] = PROTOCOL_EXITED,
	};

	*frame = (struct protocol_frame){ .type = expected[box.session.state] };
	if (frame->type == PROTOCOL_HELLO)
		frame->code = PROTOCOL_VERSION;
	if (is_expected)
		return;
	frame->type = (uint32_t)fake_program_number(&program, PROTOCOL_DONE + 1);
	frame->process = fake_program_byte(&program) % 4;
	frame->code = fake_program_word(&program);
	frame->is_signal = (uint32_t)fake_program_number(&program, 2);
	if (fake_program_byte(&program) % 8 == 0)
		frame->process = fake_program_word(&program);
	memset(frame->text, fake_program_byte(&program),
	       fake_program_word(&program) % (sizeof(frame->text) + 1));
	frame->text[0] = (char)fake_program_byte(&program);
}

/* Bytes of three frames in a row: pieces, whole ones, more than one. */
static void send_frames(bool is_whole)
{
	struct guest_socket *control = &box.sockets[SESSION_GUEST_CONTROL].socket;
	struct protocol_frame frames[3];
	uint32_t len = sizeof(frames[0]);

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		fill_frame(&frames[i], is_whole);
	if (!is_whole && fake_program_byte(&program) % 4 == 0)
		len = 1 + fake_program_word(&program) % (uint32_t)sizeof(frames);
	send_bytes(control, frames, len);
}

static void send_stream(void)
{
	static const uint8_t bytes[TX_SLOT_SIZE];
	uint32_t len = 1 + fake_program_word(&program) % (TX_SLOT_SIZE - 64);

	send_bytes(choose_socket(), bytes, len);
}

static void reset_device(void)
{
	fake_driver_write(&box.guest.driver, VIRTIO_MMIO_STATUS, 0);
	vsock_guest_start(&box.guest);
	vsock_guest_offer(&box.guest, GUEST_QUEUE_SIZE);
	nr_queued = 0;
}

static void take_packets(void)
{
	static uint8_t payload[VSOCK_PAYLOAD_MAX];
	struct vsock_header header;
	unsigned int nr = fake_program_byte(&program);

	while (nr-- && vsock_guest_take(&box.guest, &header, payload)) {
		unsigned int index = header.dst_port - SESSION_GUEST_FIRST_PORT;

		if (index < SESSION_GUEST_NR_SOCKETS && header.op == VSOCK_OP_RW)
			box.sockets[index].socket.fwd_cnt += header.len;
	}
}

/* --- the program --------------------------------------------------------------------------- */

static void check_session(void)
{
	const struct session *session = &box.session;

	BUG_ON(session->start_client && session->start_client->source.fd < 0);
	BUG_ON(session->pause_client && session->pause_client->source.fd < 0);
	BUG_ON(session->is_paused != box.is_paused);
	/* At once, but for the last output of a guest that ended by itself. */
	BUG_ON(session->has_failed && session->state != SESSION_EXITED && !is_over());
	/* A guest that stands still could not give its last output. */
	BUG_ON(session->state == SESSION_EXITED && session->is_paused);
	if (!is_over())
		return;
	BUG_ON(session->start_client || session->pause_client);
	BUG_ON(!session->has_failed && session->state != SESSION_EXITED);
	BUG_ON(session->exit_code < 0 || session->exit_code > 255);
	if (!session->has_failed)
		return;
	BUG_ON(session->exit_code != SESSION_EXIT_CRASHED || session->failure.code <= 0);
	BUG_ON(strlen(session->failure.text) >= PROTOCOL_TEXT_SIZE);
	for (const char *c = session->failure.text; *c; c++)
		BUG_ON((unsigned char)*c < 0x20 || *c == 0x7f);
}

static void take_step(void)
{
	static const uint16_t operations[] = { VSOCK_OP_SHUTDOWN, VSOCK_OP_CREDIT_UPDATE,
					       VSOCK_OP_CREDIT_REQUEST, VSOCK_OP_RST };
	uint8_t choice = fake_program_byte(&program);

	switch (choice % 32) {
	case 0:
		send_operation(choose_socket(),
			       operations[fake_program_byte(&program) % ARRAY_SIZE(operations)]);
		break;
	case 1:
		send_frames(false);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
		send_frames(true);
		break;
	case 7:
		if (box.is_paused)
			session_guest_paused(&box.session);
		break;
	case 8:
		take_packets();
		break;
	case 9: /* seldom: it ends the session */
		if (choice == 9)
			reset_device();
		else if (choice == 41)
			session_guest_ended(&box.session, "the machine stopped");
		break;
	case 10:
	case 11:
	case 12:
	case 13:
		send_stream();
		break;
	case 14:
	case 15:
	case 16:
	case 17:
		connect_socket();
		break;
	default:
		session_engine_act(&engine, &box, &program);
		break;
	}
	fake_driver_kick(&box.guest.driver, VSOCK_QUEUE_TX);
	if (fake_program_byte(&program) % 4)
		run_to_rest();
	else
		(void)run(fake_program_byte(&program) % 4);
	check_session();
}

static void start(void)
{
	int stream_fds[PROTOCOL_NR_STREAMS];

	session_engine_open(&engine, &program, stream_fds);
	session_guest_init(&box, stream_fds, "{\"type\":\"create\"}");
	for (unsigned int i = 0; i < SESSION_GUEST_NR_SOCKETS; i++) {
		bool is_control = i == SESSION_GUEST_CONTROL;

		box.sockets[i].socket = (struct guest_socket){
			.port = SESSION_GUEST_FIRST_PORT + i,
			.host_port = is_control ? PROTOCOL_PORT_CONTROL
						: protocol_stream_port(0, (enum protocol_stream)i),
			.buf_alloc = GUEST_BUF_ALLOC,
		};
	}
	nr_queued = 0;
	/* Most programs skip the greeting, of which there is little to learn. */
	if (fake_program_byte(&program) % 8)
		session_guest_reach(&box, fake_program_byte(&program) % SESSION_EXITED);
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
	bool has_read = true;

	program = (struct fake_program){ data, size };
	start();
	for (unsigned int i = 0; i < MAX_STEPS && program.len && !is_over(); i++)
		take_step();
	if (!is_over())
		run_to_rest();
	check_session();
	/* After the workload the session is over as soon as its output was taken. */
	while (!is_over() && has_read) {
		has_read = session_engine_read(&engine);
		run_to_rest();
	}
	BUG_ON(!is_over() && box.session.state == SESSION_EXITED);
	session_engine_close(&engine);
	session_guest_fini(&box);
	return 0;
}
