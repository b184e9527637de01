/* SPDX-License-Identifier: Apache-2.0 */
/* test_descriptor_socket.c - what an engine gets of --pidfd-socket, and when it does not listen */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/cli/descriptor_socket.h"

#define OPTION "--pidfd-socket"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct error err;

/* The one descriptor of a message whose payload is @want. */
static int receive(int fd, const char *want)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char payload[64] = "";
	struct iovec iovec = { payload, sizeof(payload) - 1 };
	struct msghdr message = {
		.msg_iov = &iovec,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int received = -1;

	is_int(recvmsg(fd, &message, MSG_CMSG_CLOEXEC), strlen(want));
	is_str(payload, want);
	is_int(message.msg_flags & MSG_CTRUNC, 0);
	if (ok(message.msg_controllen >= CMSG_LEN(sizeof(int)) &&
	       control.header.cmsg_level == SOL_SOCKET && control.header.cmsg_type == SCM_RIGHTS &&
	       control.header.cmsg_len == CMSG_LEN(sizeof(int))))
		memcpy(&received, CMSG_DATA(&control.header), sizeof(int));
	return received;
}

/* The descriptor is that of the process: it tells its end. */
static void test_pidfd(int listener)
{
	AUTO_CLOSE int ours = descriptor_socket_connect(OPTION, address.sun_path, &err);
	AUTO_CLOSE int theirs = accept(listener, NULL, NULL);
	AUTO_CLOSE int pidfd = -1;
	struct pollfd pollfd = { .events = POLLIN };
	pid_t child = fork();

	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	is_int(descriptor_socket_send_pidfd(ours, child, PIDFD_OF_CONTAINER, &err), 0);
	pidfd = receive(theirs, "standard");
	pollfd.fd = pidfd;
	is_int(poll(&pollfd, 1, 0), 0);
	is_int(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
	is_int(poll(&pollfd, 1, 10000), 1);
	is_int(waitpid(child, NULL, 0), child);

	is_int(descriptor_socket_send_pidfd(ours, child, PIDFD_OF_EXEC, &err), -ESRCH);
	ok(strstr(err.text, "--pidfd-socket: open process ") == err.text);
	is_int(descriptor_socket_send_pidfd(ours, getpid(), PIDFD_OF_EXEC, &err), 0);
	fd_close(&pidfd);
	pidfd = receive(theirs, "setns");
	ok(pidfd >= 0);
}

static void test_nobody_listens(int listener)
{
	AUTO_CLOSE int ours = descriptor_socket_connect(OPTION, address.sun_path, &err);
	char long_path[sizeof(address.sun_path) + 1];
	int theirs = accept(listener, NULL, NULL);

	(void)close(theirs);
	is_int(descriptor_socket_send_pidfd(ours, getpid(), PIDFD_OF_EXEC, &err), -EPIPE);
	is_str(err.text, "--pidfd-socket: send a descriptor: broken pipe");

	is_int(descriptor_socket_connect(OPTION, "/no/such/socket", &err), -ENOENT);
	is_str(err.text, "--pidfd-socket: connect to '/no/such/socket': no such file or directory");
	is_int(descriptor_socket_connect(OPTION, "/dev/null", &err), -ECONNREFUSED);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = 0;
	is_int(descriptor_socket_connect(OPTION, long_path, &err), -ENAMETOOLONG);
}

int main(void)
{
	AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char directory[SCRATCH_DIR_SIZE];

	scratch_dir_make(directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	if (ok(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       listen(listener, 1) == 0)) {
		test_pidfd(listener);
		test_nobody_listens(listener);
	}
	scratch_dir_remove(directory);
	return tap_done();
}
