/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_resource_requests.c - "update" and "statistics", with files that look like a group's */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/control_files.h"
#include "guest-init/resource_requests.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/bug.h"

static char directory[SCRATCH_DIR_SIZE];
static struct container_cgroup cgroup;
static struct control_channel channel;
static int monitor_fd;

static void put(const char *name, const char *text)
{
	int fd = openat(cgroup.dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	BUG_ON(fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text));
	(void)close(fd);
}

static void check_file(const char *name, const char *want)
{
	char text[64];

	is_int(control_file_read(cgroup.dir_fd, name, text, sizeof(text)), 0);
	is_str(text, want);
}

static void set_up(void)
{
	int pair[2];

	scratch_dir_make(directory);
	cgroup.dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	BUG_ON(mkdirat(cgroup.dir_fd, "outer", 0700) < 0);
	cgroup.outer_fd = openat(cgroup.dir_fd, "outer", O_PATH | O_DIRECTORY | O_CLOEXEC);
	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0);
	control_channel_init(&channel, pair[0]);
	monitor_fd = pair[1];
}

static void tear_down(void)
{
	(void)close(channel.fd);
	(void)close(monitor_fd);
	(void)close(cgroup.outer_fd);
	(void)close(cgroup.dir_fd);
	scratch_dir_remove(directory);
}

static bool receive(struct protocol_frame *ret)
{
	return recv(monitor_fd, ret, sizeof(*ret), MSG_WAITALL | MSG_DONTWAIT) ==
	       (ssize_t)sizeof(*ret);
}

static void check_done(uint32_t code, const char *text)
{
	struct protocol_frame frame = { 0 };

	ok(receive(&frame));
	is_int(frame.type, PROTOCOL_DONE);
	is_int(frame.code, code);
	is_str(frame.text, text);
	ok(!receive(&frame));
}

/* @controls: the list of an update. */
static void update(bool is_checked, json_t *controls)
{
	json_t *message = json_pack("{s:b, s:{s:[], s:o}}", "checkMemory", is_checked, "resources",
				    "devices", "controls", controls);

	BUG_ON(!message);
	is_int(resource_requests_update(&cgroup, &channel, message), 0);
	json_decref(message);
}

static json_t *limits(const char *memory)
{
	return json_pack("[{s:s, s:s, s:s}, {s:s, s:s, s:s}]", "file", "pids.max", "value", "7",
			 "field", "p.l", "file", "memory.max", "value", memory, "field", "m.l");
}

static void test_update(void)
{
	set_up();
	put("pids.max", "");
	put("memory.max", "");
	put("memory.current", "5000\n");
	update(false, limits("4999"));
	check_done(0, "");
	check_file("pids.max", "7");
	check_file("memory.max", "4999");
	put("pids.max", "");
	update(true, limits("4998"));
	check_done(EINVAL, "m.l: 4998 bytes are less than the 5000 in use");
	check_file("pids.max", "");
	check_file("memory.max", "4999");
	update(true, limits("5000"));
	check_done(0, "");
	check_file("memory.max", "5000");
	put("memory.max", "");
	update(true, limits("max"));
	check_done(0, "");
	check_file("memory.max", "max");
	update(false,
	       json_pack("[{s:s, s:s, s:s}]", "file", "no.such", "value", "1", "field", "x.y"));
	check_done(ENOENT, "x.y: write \"1\" to no.such: no such file or directory");
	update(false, json_string(""));
	check_done(EINVAL, "resources: \"controls\" is missing or not a list");
	tear_down();
}

/* Parts end where lines do, and say together what the file says. */
static void test_statistics(void)
{
	static char text[3000], said[2 * sizeof(text)];
	size_t nr_said = 0;
	struct protocol_frame frame;
	unsigned int nr_parts = 0;
	size_t len = 0;

	for (unsigned int i = 0; len < sizeof(text) - 30; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "name_%u %u\n", i, i);
	set_up();
	put("memory.stat", text);
	put("outer/memory.max", "123\n");
	is_int(resource_requests_statistics(&cgroup, &channel), 0);
	while (receive(&frame) && frame.type == PROTOCOL_PART) {
		bool is_stat = !strncmp(frame.text, "memory.stat ", 12);

		nr_parts++;
		if (is_stat)
			nr_said += (size_t)snprintf(said + nr_said, sizeof(said) - nr_said, "%s",
						    frame.text + 12);
		else
			is_str(frame.text, "memory.bound 123\n");
		ok(frame.text[strlen(frame.text) - 1] == '\n');
	}
	is_int(nr_parts, 5);
	is_str(said, text);
	is_int(frame.type, PROTOCOL_DONE);
	is_int(frame.code, 0);
	ok(!receive(&frame));

	/* The monitor is gone. */
	(void)shutdown(monitor_fd, SHUT_RDWR);
	is_int(resource_requests_statistics(&cgroup, &channel), -EPIPE);
	tear_down();
}

int main(void)
{
	test_update();
	test_statistics();
	return tap_done();
}
