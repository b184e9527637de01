/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "vmm/base/fd.h"
#include "vmm/file_server/attributes.h"
#include "vmm/file_server/sockets.h"

void server_fd_name(int fd, char name[SERVER_FD_NAME_SIZE])
{
	(void)snprintf(name, SERVER_FD_NAME_SIZE, "%d", fd);
}

uint32_t server_max_nodes(const struct file_server *server)
{
	return server->max_descriptors - server->handles.ids.nr_used;
}

uint32_t server_max_handles(const struct file_server *server)
{
	return server->max_descriptors - server->inodes.ids.nr_used;
}

int server_open_inode(const struct file_server *server, const struct inode *inode,
		      uint32_t guest_flags)
{
	char name[SERVER_FD_NAME_SIZE];
	int fd;

	if (S_ISLNK(inode->type))
		return -ELOOP;
	if (!S_ISREG(inode->type) && !S_ISDIR(inode->type))
		return -ENXIO;
	server_fd_name(inode->fd, name);
	/*
	 * The entry in /proc/self/fd leads to the inode of the O_PATH descriptor, wherever its
	 * names have gone.
	 */
	fd = openat(server->proc_fd_dir, name,
		    (int)(guest_flags & SERVER_GUEST_OPEN_FLAGS) | SERVER_OWN_OPEN_FLAGS);
	return fd < 0 ? -errno : fd;
}

int server_open_name(const struct inode *parent, const char *name)
{
	int fd = openat(parent->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A proc file system describes the host's processes, this one's memory among them. */
static bool is_proc(int fd)
{
	struct statfs stat;

	return fstatfs(fd, &stat) < 0 || stat.f_type == PROC_SUPER_MAGIC;
}

bool server_is_crowded(const struct file_server *server)
{
	return server->inodes.ids.nr_used >= server->max_descriptors / 2;
}

void server_set_timeouts(const struct file_server *server, struct fuse_entry_out *entry)
{
	uint64_t seconds = server->options.cache_timeout_ms / 1000;
	uint32_t nanoseconds = server->options.cache_timeout_ms % 1000 * 1000000;

	entry->attr_valid = seconds;
	entry->attr_valid_nsec = nanoseconds;
	/* The client drops a name that is no longer valid as soon as nobody uses it, and its node.
	 */
	if (server_is_crowded(server))
		return;
	entry->entry_valid = seconds;
	entry->entry_valid_nsec = nanoseconds;
}

bool server_is_bind_mount(const struct file_server *server, uint64_t mount_id)
{
	for (size_t i = 0; i < server->options.nr_bind_mounts; i++)
		if (server->options.bind_mounts[i] == mount_id)
			return true;
	return false;
}

int server_enter(struct file_server *server, const struct inode *parent, int fd,
		 struct fuse_entry_out *ret_entry)
{
	AUTO_CLOSE int owned_fd = fd;
	struct inode *inode;
	struct statx stat;
	int ret = inode_stat(owned_fd, &stat);

	if (ret < 0)
		return ret;
	if (inode_is_other_mount(parent, &stat) && is_proc(owned_fd))
		return -EACCES;
	ret = inode_table_enter(&server->inodes, parent, fd_take(&owned_fd), &stat,
				server_max_nodes(server), &inode);
	if (ret < 0)
		return ret;
	/* A mount is found in one place only: all ways to a node give the same answer. */
	inode->is_in_bind = parent->is_in_bind || (inode_is_other_mount(parent, &stat) &&
						   server_is_bind_mount(server, stat.stx_mnt_id));
	*ret_entry = (struct fuse_entry_out){ .nodeid = inode->nodeid };
	server_set_timeouts(server, ret_entry);
	if (sockets_are_pending(server, inode)) {
		ret_entry->attr_valid = 0;
		ret_entry->attr_valid_nsec = 0;
	}
	attributes_fill(&stat, inode_number(inode, stat.stx_ino), &ret_entry->attr);
	return 0;
}

int server_enter_name(struct file_server *server, const struct inode *parent, const char *name,
		      struct fuse_entry_out *ret_entry)
{
	int fd = server_open_name(parent, name);

	if (fd < 0)
		return fd;
	return server_enter(server, parent, fd, ret_entry);
}
