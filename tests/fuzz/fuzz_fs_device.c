/* SPDX-License-Identifier: Apache-2.0 */
/* The file system device between a hostile driver and a hostile file server. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/virtio/fs.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_driver driver;
static struct fs_channel monitor_end;
static struct fs_channel server_end;
static struct fs fs;
static unsigned int nr_server_gone;
static struct fs_channel_message taken; /* by the file server, last */
static bool is_answered;		/* @taken was */
static bool is_server_honest;		/* so far */

static void on_server_gone(void *context)
{
	(void)context;
	nr_server_gone++;
}

/* A request whose header is right, or nearly. */
static void send_request(struct fake_program *program)
{
	unsigned int queue = fake_program_byte(program) % 2;
	uint32_t limit = fake_program_byte(program) % 2 ? 256 : FS_CHANNEL_AREA_SIZE;
	uint32_t len = (uint32_t)fake_program_number(program, limit);
	struct fake_buffer readable = { FAKE_BUFFERS, len };
	struct fake_buffer writable = { FAKE_BUFFERS + 0x1000, 0 };
	struct fuse_in_header header = { .len = len, .unique = 7 };

	if (fake_program_byte(program) % 8 == 0)
		header.len = fake_program_word(program);
	writable.len = (uint32_t)fake_program_number(program, 64);
	memcpy(fake_driver_bytes(&driver, FAKE_BUFFERS, sizeof(header)), &header, sizeof(header));
	(void)fake_driver_add(&driver, queue, &readable, 1, &writable, writable.len > 0);
	fake_driver_kick(&driver, queue);
}

/* What an honest file server gets is whole, and says so itself. */
static void take_request(void)
{
	struct fuse_in_header header;
	int r = fs_channel_receive(&server_end, &taken);

	BUG_ON(is_server_honest && r == -EPROTO);
	if (r != 1)
		return;
	is_answered = false;
	memcpy(&header, fs_channel_request(&server_end, taken.slot), sizeof(header));
	BUG_ON(is_server_honest && (header.len != taken.len || header.len < sizeof(header)));
}

static void send_message(const void *message, size_t len)
{
	(void)send(server_end.socket_fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step_server(struct fake_program *program)
{
	static const uint8_t noise[16];
	struct fs_channel_message answer;

	if (server_end.socket_fd < 0)
		return;
	switch (fake_program_byte(program) % 16) {
	case 0:
		fd_close(&server_end.socket_fd);
		return;
	case 1: /* anything */
		is_server_honest = false;
		answer.slot = (uint32_t)fake_program_number(program, FS_CHANNEL_SLOTS);
		answer.len = (uint32_t)fake_program_number(program, 64);
		send_message(&answer, sizeof(answer));
		return;
	case 2:
		is_server_honest = false;
		send_message(noise, fake_program_byte(program) % sizeof(noise));
		return;
	default:
		if (is_answered)
			take_request();
		if (is_answered)
			return;
		is_answered = true;
		answer.slot = taken.slot;
		answer.len = (uint32_t)fake_program_number(program, 64);
		send_message(&answer, sizeof(answer));
		return;
	}
}

static void set_up(void)
{
	struct error err;

	nr_server_gone = 0;
	is_answered = true;
	is_server_honest = true;
	fake_driver_init(&driver);
	BUG_ON(fs_channel_create(&monitor_end, &server_end, &err) < 0);
	BUG_ON(fs_channel_map(&monitor_end, &err) < 0 || fs_channel_map(&server_end, &err) < 0);
	BUG_ON(fcntl(server_end.socket_fd, F_SETFL, O_NONBLOCK) < 0);
	BUG_ON(fs_init(&fs, "rootfs", &monitor_end, on_server_gone, NULL, &driver.memory,
		       &driver.loop, driver.transport, &err) < 0);
	driver.device = &fs.device;
	(void)fake_driver_start(&driver);
}

static void tear_down(void)
{
	fs_fini(&fs, &driver.loop);
	fs_channel_close(&monitor_end);
	fs_channel_close(&server_end);
	fake_driver_fini(&driver);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct error err;

	(void)argc;
	(void)argv;
	fetch_watch_check();
	return log_open("/dev/null", false, false, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };

	set_up();
	fetch_watch_begin(&program);
	fetch_watch_add_driver(&driver);
	for (uint32_t i = 0; i < 2; i++)
		fetch_watch_add(fs_channel_reply(&monitor_end, i), FS_CHANNEL_AREA_SIZE);
	while (!fake_program_is_done(&program)) {
		switch (fake_program_byte(&program) % 4) {
		case 0:
			send_request(&program);
			break;
		case 1:
			step_server(&program);
			break;
		case 2:
			(void)fake_driver_run(&driver, 4);
			break;
		default:
			fake_program_step(&program, &driver);
			break;
		}
		BUG_ON(nr_server_gone > 1);
	}
	fetch_watch_end();
	tear_down();
	return 0;
}
