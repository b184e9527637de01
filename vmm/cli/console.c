/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/cli/descriptor_socket.h"

int console_pty_open(struct console_pty *ret_pty, uint16_t rows, uint16_t columns,
		     struct error *err)
{
	AUTO_CLOSE int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int slave = -1;
	const struct winsize size = { .ws_row = rows, .ws_col = columns };
	struct termios attributes;

	if (master < 0 || unlockpt(master) < 0)
		return error_set(err, errno, "open a pseudo-terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &attributes) < 0)
		return error_set(err, errno, "open a pseudo-terminal");
	cfmakeraw(&attributes);
	if (tcsetattr(slave, TCSANOW, &attributes) < 0)
		return error_set(err, errno, "set up a pseudo-terminal");
	if (rows && columns)
		(void)ioctl(slave, TIOCSWINSZ, &size);
	ret_pty->master_fd = fd_take(&master);
	ret_pty->slave_fd = fd_take(&slave);
	return 0;
}

void console_pty_close(struct console_pty *pty)
{
	fd_close(&pty->master_fd);
	fd_close(&pty->slave_fd);
}

int console_pty_send(const struct console_pty *pty, const char *socket_path, struct error *err)
{
	AUTO_CLOSE int fd = descriptor_socket_connect("--console-socket", socket_path, err);
	char name[64];

	if (fd < 0)
		return fd;
	if (ptsname_r(pty->master_fd, name, sizeof(name)))
		return error_set(err, errno, "name the pseudo-terminal");
	return descriptor_socket_send("--console-socket", fd, pty->master_fd, name, err);
}

void console_size(uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
			*rows = size.ws_row;
			*columns = size.ws_col;
			return;
		}
}

void console_pty_resize(const struct console_pty *pty)
{
	struct winsize size = { 0 };

	console_size(&size.ws_row, &size.ws_col);
	if (pty->master_fd >= 0 && size.ws_row)
		(void)ioctl(pty->master_fd, TIOCSWINSZ, &size);
}
