/* SPDX-License-Identifier: Apache-2.0 */
/* test_console_pty.c - a container's pty: raw, sized, sent to an engine */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/cli/console.h"

static struct error err;

static void test_open(void)
{
	struct termios attributes;
	struct console_pty pty;
	struct winsize size;
	char bytes[8];

	is_int(console_pty_open(&pty, 33, 111, &err), 0);
	ok(ioctl(pty.slave_fd, TIOCGWINSZ, &size) == 0);
	is_int(size.ws_row, 33);
	is_int(size.ws_col, 111);
	ok(tcgetattr(pty.slave_fd, &attributes) == 0);
	is_int(attributes.c_lflag & (ECHO | ICANON | ISIG), 0);
	is_int(attributes.c_oflag & OPOST, 0);
	/* Bytes pass as they are. */
	ok(write(pty.slave_fd, "a\n", 2) == 2);
	is_int(read(pty.master_fd, bytes, sizeof(bytes)), 2);
	ok(write(pty.master_fd, "\003b", 2) == 2);
	is_int(read(pty.slave_fd, bytes, sizeof(bytes)), 2);
	ok(fcntl(pty.master_fd, F_GETFD) & FD_CLOEXEC);
	ok(fcntl(pty.slave_fd, F_GETFD) & FD_CLOEXEC);
	console_pty_close(&pty);
	ok(pty.master_fd == -1 && pty.slave_fd == -1);
	console_pty_close(&pty);
}

/* What an engine does: receive one descriptor. Returns it, or -1. */
static int receive_descriptor(int listener)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	char name[64];
	struct iovec payload = { name, sizeof(name) };
	struct msghdr message = { .msg_iov = &payload,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int connection = accept(listener, NULL, NULL), fd = -1;
	ssize_t n = recvmsg(connection, &message, 0);

	ok(n > 0 && strncmp(name, "/dev/pts/", 9) == 0);
	is_int(control.header.cmsg_type, SCM_RIGHTS);
	is_int(control.header.cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	is_int(recvmsg(connection, &message, 0), 0); /* the end */
	(void)close(connection);
	return fd;
}

static void test_send(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char directory[SCRATCH_DIR_SIZE], too_long[sizeof(address.sun_path) + 1], bytes[8];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct console_pty pty;

	scratch_dir_make(directory);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/tty", directory);
	is_int(console_pty_open(&pty, 0, 0, &err), 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), -ENOENT);
	ok(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), -ECONNREFUSED);
	ok(listen(listener, 1) == 0);
	is_int(console_pty_send(&pty, address.sun_path, &err), 0);
	fd = receive_descriptor(listener);
	ok(write(pty.slave_fd, "x", 1) == 1);
	is_int(read(fd, bytes, sizeof(bytes)), 1);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = 0;
	is_int(console_pty_send(&pty, too_long, &err), -ENAMETOOLONG);
	(void)close(fd);
	(void)close(listener);
	console_pty_close(&pty);
	scratch_dir_remove(directory);
}

static void test_size(void)
{
	int master, slave, kept = dup(STDIN_FILENO);
	struct winsize size = { .ws_row = 5, .ws_col = 7 };
	struct console_pty pty;

	ok(openpty(&master, &slave, NULL, NULL, &size) == 0);
	(void)dup2(slave, STDIN_FILENO);
	is_int(console_pty_open(&pty, 1, 2, &err), 0);
	console_pty_resize(&pty);
	ok(ioctl(pty.slave_fd, TIOCGWINSZ, &size) == 0);
	is_int(size.ws_row, 5);
	is_int(size.ws_col, 7);
	/* A terminal without a size says nothing, and neither do streams that are none. */
	size = (struct winsize){ 0 };
	ok(ioctl(slave, TIOCSWINSZ, &size) == 0);
	size.ws_row = 8;
	size.ws_col = 9;
	(void)fflush(stdout);
	if (!isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO)) {
		console_size(&size.ws_row, &size.ws_col);
		is_int(size.ws_row, 8);
		is_int(size.ws_col, 9);
	}
	console_pty_close(&pty);
	console_pty_resize(&pty);
	(void)dup2(kept, STDIN_FILENO);
	(void)close(kept);
	(void)close(slave);
	(void)close(master);
}

int main(void)
{
	(void)alarm(60);
	test_open();
	test_send();
	test_size();
	return tap_done();
}
