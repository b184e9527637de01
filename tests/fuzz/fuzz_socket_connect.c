/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_socket_connect.c - the container process, which connects to sockets of the host for a
 * monitor that was taken over
 *
 * Each CONNECT has one answer, with a connection or an error; only what was offered is connected
 * to. What breaks the rules ends the channel. No descriptor is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fake_program.h"
#include "tests/unit/scratch_dir.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/container/socket_connect.h"

#define MAX_STEPS 64
#define DESCRIPTORS_MAX 1024

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LISTENING, DEAD, DATAGRAM, NR_SOCKETS };

static char directory[SCRATCH_DIR_SIZE];
static int home_fd, proc_fd;
static int listener_fd;
static int node_fds[NR_SOCKETS]; /* O_PATH */

static struct fake_program program;
static struct socket_connect side;
static int monitor_fd;
static uint32_t offered[MAX_STEPS];
static unsigned int nr_offered;
static unsigned int nr_asked; /* CONNECTs sent that break no rule and wait for an answer */
static bool is_broken;

static int make_socket(int index, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%d", directory, index);
	BUG_ON(fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0);
	node_fds[index] = open(address.sun_path, O_PATH | O_CLOEXEC);
	BUG_ON(node_fds[index] < 0);
	return fd;
}

static unsigned int count_descriptors(void)
{
	unsigned int nr = 0;

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static void offer(void)
{
	uint32_t id = host_sockets_offer(side.table,
					 node_fds[fake_program_byte(&program) % NR_SOCKETS], 7);

	if (id)
		offered[nr_offered++] = id;
}

/* Mostly a message that means something. */
static void ask(void)
{
	uint8_t how = fake_program_byte(&program);
	struct socket_message message = {
		.type = how % 8 ? SOCKET_CONNECT : SOCKET_ENABLE,
		.request = fake_program_word(&program),
	};
	int passed_fd = -1;

	message.socket = nr_offered ? offered[fake_program_byte(&program) % nr_offered] : 1;
	if (how == 8)
		message.socket = fake_program_word(&program);
	if (how == 9)
		message.type = (uint32_t)fake_program_number(&program, SOCKET_CONNECT + 1);
	if (how == 10)
		passed_fd = node_fds[LISTENING];
	if (how == 11) {
		(void)send(monitor_fd, &message, 1 + fake_program_byte(&program) % 15,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		is_broken = true;
		return;
	}
	if (socket_channel_send(monitor_fd, &message, passed_fd) < 0)
		return;
	is_broken |=
		passed_fd >= 0 || (message.type != SOCKET_CONNECT && message.type != SOCKET_ENABLE);
	nr_asked += !is_broken && message.type == SOCKET_CONNECT;
}

/* Take what the container process said. */
static void take_answers(void)
{
	struct socket_message message;
	int fd;

	while (socket_channel_receive(monitor_fd, &message, &fd) == 1) {
		BUG_ON(message.type != SOCKET_OFFER && message.type != SOCKET_WITHDRAW &&
		       message.type != SOCKET_CONNECTED);
		if (message.type == SOCKET_CONNECTED) {
			BUG_ON(message.code < 0 || (message.code == 0) != (fd >= 0));
			BUG_ON(nr_asked == 0);
			nr_asked--;
		} else {
			BUG_ON(fd >= 0);
		}
		fd_close(&fd);
	}
}

static void take_connections(void)
{
	int fd;

	while ((fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		(void)close(fd);
}

static void step(void)
{
	switch (fake_program_byte(&program) % 8) {
	case 0:
		offer();
		return;
	case 1:
		take_connections();
		return;
	case 2:
		take_answers();
		return;
	case 3:
	case 4:
		socket_connect_serve(&side);
		return;
	default:
		ask();
		return;
	}
}

static void clean_up(void)
{
	scratch_dir_remove(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd;

	(void)argc;
	(void)argv;
	scratch_dir_make(directory);
	(void)atexit(clean_up);
	home_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	listener_fd = make_socket(LISTENING, SOCK_STREAM);
	BUG_ON(home_fd < 0 || proc_fd < 0 || listen(listener_fd, 1) < 0);
	fd = make_socket(DEAD, SOCK_STREAM);
	(void)close(fd);
	(void)make_socket(DATAGRAM, SOCK_DGRAM); /* stays open */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int nr_before = count_descriptors();
	struct error err;
	int channel_fd;

	program = (struct fake_program){ data, size };
	nr_offered = 0;
	nr_asked = 0;
	is_broken = false;
	BUG_ON(socket_channel_create(&monitor_fd, &channel_fd, &err) < 0);
	BUG_ON(socket_connect_init(&side, channel_fd, &err) < 0);
	BUG_ON(socket_connect_start(&side, proc_fd, &err) < 0);
	host_sockets_enable(side.table);
	for (unsigned int i = 0; i < MAX_STEPS && !fake_program_is_done(&program); i++)
		step();
	for (unsigned int i = 0; i < MAX_STEPS; i++)
		socket_connect_serve(&side);
	take_answers();
	BUG_ON((side.channel_fd < 0) != is_broken || nr_asked);
	take_connections();
	host_sockets_free(side.table);
	(void)close(channel_fd);
	(void)close(monitor_fd);
	(void)close(side.root_fd);
	BUG_ON(count_descriptors() != nr_before);
	return fchdir(home_fd);
}
