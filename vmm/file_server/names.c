/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/file_server/operations.h"

int serve_link(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct inode *old = inode_table_find(&server->inodes, request->in.link.oldnodeid);
	char fd_name[SERVER_FD_NAME_SIZE];
	char name[NAME_MAX + 1];
	struct fuse_entry_out entry;
	int ret = fuse_request_take_name(request, name);

	if (ret < 0)
		return ret;
	if (!old)
		return -ESTALE;
	server_fd_name(old->fd, fd_name);
	/* Through /proc/self/fd, as linking an O_PATH descriptor itself takes one more privilege.
	 */
	if (linkat(server->proc_fd_dir, fd_name, request->inode->fd, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	ret = server_enter_name(server, request->inode, name, &entry);
	return ret < 0 ? ret : fuse_reply_append(reply, &entry, sizeof(entry));
}

static int remove_name(struct fuse_request *request, int flags)
{
	char name[NAME_MAX + 1];
	int ret = fuse_request_take_name(request, name);

	if (ret < 0)
		return ret;
	return unlinkat(request->inode->fd, name, flags) < 0 ? -errno : 0;
}

int serve_unlink(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	(void)server;
	(void)reply;
	return remove_name(request, 0);
}

int serve_rmdir(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	(void)server;
	(void)reply;
	return remove_name(request, AT_REMOVEDIR);
}

static int rename_name(struct file_server *server, struct fuse_request *request,
		       uint64_t new_nodeid, uint32_t flags)
{
	const struct inode *new_parent = inode_table_find(&server->inodes, new_nodeid);
	char old_name[NAME_MAX + 1];
	char new_name[NAME_MAX + 1];
	int ret = fuse_request_take_name(request, old_name);

	if (ret == 0)
		ret = fuse_request_take_name(request, new_name);
	if (ret < 0)
		return ret;
	if (!new_parent)
		return -ESTALE;
	if (renameat2(request->inode->fd, old_name, new_parent->fd, new_name, flags) < 0)
		return -errno;
	return 0;
}

int serve_rename(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	(void)reply;
	return rename_name(server, request, request->in.rename.newdir, 0);
}

int serve_rename2(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	const struct fuse_rename2_in *in = &request->in.rename2;

	(void)reply;
	if (in->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return rename_name(server, request, in->newdir, in->flags);
}
