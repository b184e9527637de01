/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/endings.h"

#include "guest-init/protocol.h"
#include "tests/guests/attack.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"
#include "tests/guests/vsock.h"
#include "vmm/boot/memory_layout.h"

#define CONTROL_SOURCE 1000u
#define BUFFER_SIZE 4096

static struct {
	struct vsock_header header;
	struct protocol_frame frame;
} packet;

/* --- the processor ---------------------------------------------------------------------------- */

static void jump_to_nothing(void)
{
	__asm__ volatile("jmp *%0" : : "r"(map_window(UINT64_C(1) << 36)));
}

static void stack_in_device(void)
{
	__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(LAYOUT_VIRTIO_BASE + 256));
}

static void page_tables_in_device(void)
{
	__asm__ volatile("mov %0, %%cr3; nop" : : "r"(LAYOUT_VIRTIO_BASE));
}

static void page_tables_nowhere(void)
{
	__asm__ volatile("mov %0, %%cr3; nop" : : "r"(UINT64_MAX));
}

static void gates_in_device(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { 4095, LAYOUT_VIRTIO_BASE };

	__asm__ volatile("lidt %0; ud2" : : "m"(pointer));
}

static void reset_self(void)
{
	interrupt_command(0, INTERRUPT_INIT);
	halt();
}

static void system_management(void)
{
	interrupt_command(0, 0x4200);
	halt();
}

static void endless_loop(void)
{
	__asm__ volatile("cli; 1: jmp 1b");
}

static void endless_exceptions(void)
{
	for (;;)
		(void)attempt((void (*)(void *))(uintptr_t)triple_fault, NULL);
}

/* --- guest-init, badly imitated --------------------------------------------------------------- */

static void connect(void)
{
	struct vsock_header answer;

	device_start(&devices[DEVICE_VSOCK]);
	vsock_offer_buffers(64, BUFFER_SIZE);
	packet.header = vsock_header_to(CONTROL_SOURCE, PROTOCOL_PORT_CONTROL, VSOCK_OP_REQUEST);
	if (!vsock_send(&packet, sizeof(packet.header)) || !vsock_receive(&answer) ||
	    answer.op != VSOCK_OP_RESPONSE)
		report_result(false, "control connection", "accepted");
}

static void send(enum vsock_op op, uint32_t len)
{
	packet.header = vsock_header_to(CONTROL_SOURCE, PROTOCOL_PORT_CONTROL, op);
	packet.header.len = len;
	(void)vsock_send(&packet, (uint32_t)sizeof(packet.header) + len);
}

static void send_frame(uint32_t type, uint32_t process, uint32_t code)
{
	packet.frame.type = type;
	packet.frame.process = process;
	packet.frame.code = code;
	send(VSOCK_OP_RW, sizeof(packet.frame));
}

static void hang_up(void)
{
	connect();
	send(VSOCK_OP_RST, 0);
	halt();
}

static void half_a_frame(void)
{
	connect();
	send(VSOCK_OP_RW, sizeof(packet.frame) / 2);
	packet.header.flags = VSOCK_SHUTDOWN_SEND;
	packet.header.op = VSOCK_OP_SHUTDOWN;
	packet.header.len = 0;
	(void)vsock_send(&packet, sizeof(packet.header));
	halt();
}

static void unknown_frame(void)
{
	connect();
	send_frame(UINT32_MAX, UINT32_MAX, UINT32_MAX);
	halt();
}

static void frame_of_another_process(void)
{
	connect();
	send_frame(PROTOCOL_EXITED, 255, 0);
	halt();
}

static void other_version(void)
{
	connect();
	send_frame(PROTOCOL_HELLO, 0, PROTOCOL_VERSION + 1);
	halt();
}

/* What is an error of its own must come out as one line of text. */
static void evil_error(void)
{
	connect();
	for (size_t i = 0; i < sizeof(packet.frame.text); i++)
		packet.frame.text[i] = "\033]0;evil\a\n\r%s%n\200"[i % 16];
	send_frame(PROTOCOL_ERROR, 0, UINT32_MAX);
	halt();
}

/* A container that was never made, in a hurry. */
static void early_exit(void)
{
	connect();
	send_frame(PROTOCOL_EXITED, 0, 0);
	halt();
}

static void hello_twice(void)
{
	connect();
	send_frame(PROTOCOL_HELLO, 0, PROTOCOL_VERSION);
	send_frame(PROTOCOL_HELLO, 0, PROTOCOL_VERSION);
	halt();
}

static void unasked_answers(void)
{
	connect();
	send_frame(PROTOCOL_HELLO, 0, PROTOCOL_VERSION);
	for (;;)
		send_frame(PROTOCOL_PART, 0, 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} endings[] = {
	{ "triple-fault", (void (*)(void))(uintptr_t)triple_fault },
	{ "jump-to-nothing", jump_to_nothing },
	{ "stack-in-device", stack_in_device },
	{ "page-tables-in-device", page_tables_in_device },
	{ "page-tables-nowhere", page_tables_nowhere },
	{ "gates-in-device", gates_in_device },
	{ "reset-self", reset_self },
	{ "system-management", system_management },
	{ "loop", endless_loop },
	{ "exceptions", endless_exceptions },
	{ "report-itself", report_all_memory },
	{ "hang-up", hang_up },
	{ "half-a-frame", half_a_frame },
	{ "unknown-frame", unknown_frame },
	{ "other-process", frame_of_another_process },
	{ "other-version", other_version },
	{ "evil-error", evil_error },
	{ "early-exit", early_exit },
	{ "hello-twice", hello_twice },
	{ "unasked-answers", unasked_answers },
};

void end_by(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (text_equals(endings[i].name, name))
			endings[i].run();
}
