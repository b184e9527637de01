/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_fs_channel.c - the file server's side of its channel, with a monitor that was taken over
 *
 * The monitor says anything on the socket, and changes the slots while they are looked at. The
 * server answers each message once, or ends with an error; it stays inside its tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fuse_client.h"
#include "vmm/base/bug.h"

#define SLOTS_WATCHED 2u
#define MESSAGES_MAX FS_CHANNEL_SLOTS

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuse_client *client;
static char parent[] = "/tmp/bulkhead-fuzz-XXXXXX";
static int home_fd;

/* What a request has after its header: names, or numbers. */
static size_t fill_rest(struct fake_program *program, uint8_t *rest)
{
	static const char *const names[] = { "a", "b", "..", "a/b", "" };
	size_t len = fake_program_byte(program) % 80;

	for (size_t i = 0; i < len; i++)
		rest[i] = fake_program_byte(program) % 2 ? fake_program_byte(program) : 0;
	for (unsigned int i = fake_program_byte(program) % 3; i > 0; i--) {
		const char *name = names[fake_program_byte(program) % 5];

		memcpy(rest + len, name, strlen(name) + 1);
		len += strlen(name) + 1;
	}
	return len;
}

/* A request in @slot. Returns its length, the true one or not. */
static uint32_t fill_slot(struct fake_program *program, uint8_t *request)
{
	struct fuse_in_header header = {
		.opcode = fake_program_byte(program) % (FUSE_TMPFILE + 2),
		.unique = fake_program_word(program),
		.nodeid = fake_program_byte(program) % 4,
	};
	size_t len = fill_rest(program, request + sizeof(header));

	header.len = (uint32_t)(sizeof(header) + len);
	if (fake_program_byte(program) % 8 == 0)
		header.len = (uint32_t)fake_program_number(program, FS_CHANNEL_AREA_SIZE);
	memcpy(request, &header, sizeof(header));
	return header.len;
}

/* Returns the number of messages that break no rule before the first that does. */
static unsigned int send_messages(struct fake_program *program, const struct fs_channel *monitor)
{
	unsigned int nr_good = 0;
	bool is_good = true;

	for (unsigned int i = 0; i < MESSAGES_MAX && !fake_program_is_done(program); i++) {
		uint32_t slot = fake_program_byte(program) % SLOTS_WATCHED;
		struct fs_channel_message message = {
			.slot = slot,
			.len = fill_slot(program, fs_channel_request(monitor, slot)),
		};
		size_t len = sizeof(message);

		if (fake_program_byte(program) % 32 == 0)
			message.slot = (uint32_t)fake_program_number(program, FS_CHANNEL_SLOTS);
		if (fake_program_byte(program) % 32 == 0)
			len = 1 + fake_program_byte(program) % sizeof(message);
		is_good &= len == sizeof(message) && message.slot < FS_CHANNEL_SLOTS &&
			   message.len <= FS_CHANNEL_AREA_SIZE;
		nr_good += is_good;
		BUG_ON(send(monitor->socket_fd, &message, len, MSG_DONTWAIT) != (ssize_t)len);
	}
	return nr_good;
}

static void check_answers(const struct fs_channel *monitor, unsigned int nr_good)
{
	struct fs_channel_message answer;
	unsigned int nr = 0;

	for (; fs_channel_receive(monitor, &answer) == 1; nr++)
		BUG_ON(answer.len && answer.len < sizeof(struct fuse_out_header));
	BUG_ON(nr != nr_good);
}

static void clean_up(void)
{
	(void)umount2(parent, MNT_DETACH);
	(void)rmdir(parent);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fetch_watch_check();
	if (!mkdtemp(parent) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("fuzz", parent, "tmpfs", 0, "size=16m,nr_inodes=1000") < 0) {
		(void)fprintf(stderr, "this fuzzer needs to mount a tmpfs: %s\n",
			      strerrorname_np(errno));
		exit(1);
	}
	(void)atexit(clean_up);
	home_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	client = fuse_client_new(parent);
	BUG_ON(!client || home_fd < 0);
	return fchdir(home_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	struct fs_channel monitor;
	struct fs_channel server;
	unsigned int nr_good;
	struct error err;
	int r;

	BUG_ON(fs_channel_create(&monitor, &server, &err) < 0);
	BUG_ON(fs_channel_map(&monitor, &err) < 0 || fs_channel_map(&server, &err) < 0);
	BUG_ON(fuse_client_init(client, UINT32_MAX) != 0);
	fetch_watch_begin(&program);
	nr_good = send_messages(&program, &monitor);
	BUG_ON(shutdown(monitor.socket_fd, SHUT_WR) < 0);
	for (uint32_t slot = 0; slot < SLOTS_WATCHED; slot++)
		fetch_watch_add(fs_channel_request(&server, slot), FS_CHANNEL_AREA_SIZE);
	fuse_client_confine(client);
	r = file_server_run(client->server, &server);
	fuse_client_release_confined(client);
	fetch_watch_end();
	BUG_ON(r != 0 && r != -EPROTO);
	check_answers(&monitor, nr_good);
	BUG_ON(!fuse_client_canary_lives(client));
	fs_channel_close(&monitor);
	fs_channel_close(&server);
	fuse_client_empty_tree(client);
	return fchdir(home_fd);
}
