/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/pseudo_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guest-init/container_tree.h"
#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

/* The multiplexer of the container's devpts; the image may have put anything in its place. */
static int terminal_open_master(int root_fd)
{
	AUTO_CLOSE int fd = container_tree_open(root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs))
		return -errno;
	return fs.f_type == DEVPTS_SUPER_MAGIC ? fd_take(&fd) : -ENOTTY;
}

int pseudo_terminal_open(struct pseudo_terminal *terminal, int root_fd, uint32_t uid, uint32_t rows,
			 uint32_t columns, struct failure *err)
{
	AUTO_CLOSE int master_fd = terminal_open_master(root_fd);
	AUTO_CLOSE int slave_fd = -1;
	int unlocked = 0;

	if (master_fd < 0)
		return failure_set(err, -master_fd, "open the terminal \"/dev/pts/ptmx\"");
	if (ioctl(master_fd, TIOCSPTLCK, &unlocked))
		return failure_set(err, errno, "unlock the terminal");
	slave_fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave_fd < 0)
		return failure_set(err, errno, "open the slave of the terminal");
	if (fchown(slave_fd, uid, (gid_t)-1))
		return failure_set(err, errno, "change the owner of the terminal");
	if (rows && columns && pseudo_terminal_resize(master_fd, rows, columns))
		return failure_set(err, errno, "set the size of the terminal");
	terminal->master_fd = fd_take(&master_fd);
	terminal->slave_fd = fd_take(&slave_fd);
	return 0;
}

int pseudo_terminal_bind_console(const struct pseudo_terminal *terminal, int root_fd,
				 struct failure *err)
{
	AUTO_CLOSE int target_fd = container_tree_make(root_fd, "/dev/console", true);
	AUTO_CLOSE int mount_fd = -1;
	int r;

	if (target_fd < 0)
		return failure_set(err, -target_fd, "create \"/dev/console\"");
	mount_fd = mount_object_clone(terminal->slave_fd, false);
	r = mount_fd < 0 ? mount_fd : mount_object_attach(mount_fd, target_fd);
	return r ? failure_set(err, -r, "mount the terminal to \"/dev/console\"") : 0;
}

int pseudo_terminal_resize(int master_fd, uint32_t rows, uint32_t columns)
{
	const struct winsize size = {
		.ws_row = (unsigned short)(rows < USHRT_MAX ? rows : USHRT_MAX),
		.ws_col = (unsigned short)(columns < USHRT_MAX ? columns : USHRT_MAX),
	};

	return ioctl(master_fd, TIOCSWINSZ, &size) ? -errno : 0;
}
