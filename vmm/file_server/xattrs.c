/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes have no system call that takes a directory descriptor and a name, and O_PATH
 * descriptors are refused: the serving thread's working directory is /proc/self/fd, where the
 * descriptor's number is a path that leads to the node itself, without opening it.
 */
#include <errno.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/file_server/operations.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool is_acl(const char *name)
{
	return !strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT);
}

/*
 * Whether the guest may know of attribute @name. Not security.* except file capabilities: labels of
 * SELinux, IMA and the like belong to the host's policy, and the guest has its own.
 */
static bool is_served(const char *name)
{
	return !strncmp(name, "user.", 5) || !strncmp(name, "trusted.", 8) ||
	       !strcmp(name, "security.capability") || is_acl(name);
}

static int take_attribute_name(struct fuse_request *request, char name[XATTR_NAME_MAX + 1])
{
	int ret = fuse_request_take_string(request, name, XATTR_NAME_MAX + 1);

	if (ret < 0)
		return ret == -ENAMETOOLONG ? -ERANGE : ret;
	return is_served(name) ? 0 : -EOPNOTSUPP;
}

static void node_path(const struct file_server *server, const struct fuse_request *request,
		      char path[SERVER_FD_NAME_SIZE])
{
	/* Any other working directory would make the path mean something else. */
	BUG_ON(!server->has_thread);
	server_fd_name(request->inode->fd, path);
}

static int clear_sgid(const struct file_server *server, const struct inode *inode)
{
	char fd_name[SERVER_FD_NAME_SIZE];
	struct statx stat;
	int ret = inode_stat(inode->fd, &stat);

	if (ret < 0)
		return ret;
	if (!(stat.stx_mode & S_ISGID))
		return 0;
	server_fd_name(inode->fd, fd_name);
	return fchmodat(server->proc_fd_dir, fd_name, stat.stx_mode & 07777 & ~S_ISGID, 0) < 0
		       ? -errno
		       : 0;
}

/* tmpfs keeps any number of trusted attributes, in memory that nobody is charged for. */
static bool is_endless(const struct inode *inode, const char *name)
{
	struct statfs stat;

	return !strncmp(name, "trusted.", 8) &&
	       (fstatfs(inode->fd, &stat) < 0 || stat.f_type == TMPFS_MAGIC);
}

int serve_setxattr(struct file_server *server, struct fuse_request *request,
		   struct fuse_reply *reply)
{
	const struct fuse_setxattr_in *in = &request->in.setxattr;
	char path[SERVER_FD_NAME_SIZE];
	char name[XATTR_NAME_MAX + 1];
	uint32_t more[2] = { 0 }; /* setxattr_flags, padding */
	const uint8_t *value;
	int ret = 0;

	(void)reply;
	if (server->init_flags & FUSE_SETXATTR_EXT)
		ret = fuse_request_take(request, more, sizeof(more));
	if (ret == 0)
		ret = take_attribute_name(request, name);
	if (ret < 0)
		return ret;
	value = fuse_request_take_data(request, in->size);
	if (!value)
		return -EINVAL;
	if (is_endless(request->inode, name))
		return -EOPNOTSUPP;
	node_path(server, request, path);
	if (setxattr(path, name, value, in->size, (int)in->flags) < 0)
		return -errno;
	/* The kernel would do it for a process outside the group, were it not for our CAP_FSETID.
	 */
	if (more[0] & FUSE_SETXATTR_ACL_KILL_SGID && !strcmp(name, ACL_ACCESS))
		return clear_sgid(server, request->inode);
	return 0;
}

static int append_size(struct fuse_reply *reply, size_t size)
{
	struct fuse_getxattr_out out = { .size = (uint32_t)size };

	return fuse_reply_append(reply, &out, sizeof(out));
}

int serve_getxattr(struct file_server *server, struct fuse_request *request,
		   struct fuse_reply *reply)
{
	size_t room = min_u64(request->in.getxattr.size, fuse_reply_left(reply));
	char path[SERVER_FD_NAME_SIZE];
	char name[XATTR_NAME_MAX + 1];
	ssize_t len;
	int ret = take_attribute_name(request, name);

	if (ret < 0)
		return ret;
	node_path(server, request, path);
	len = getxattr(path, name, room ? reply->payload : NULL, room);
	/* A file system without access lists has none to check; the client would refuse access. */
	if (len < 0 && errno == EOPNOTSUPP && is_acl(name))
		return -ENODATA;
	if (len < 0)
		return -errno;
	if (room == 0)
		return append_size(reply, (size_t)len);
	reply->len = (size_t)len;
	return 0;
}

/* Drop from the @len bytes of names at @names what is not served. Returns the bytes left. */
static size_t filter_names(char *names, size_t len)
{
	size_t kept = 0;

	for (size_t offset = 0; offset < len;) {
		size_t name_len = strnlen(names + offset, len - offset - 1) + 1;

		if (is_served(names + offset)) {
			memmove(names + kept, names + offset, name_len);
			kept += name_len;
		}
		offset += name_len;
	}
	return kept;
}

int serve_listxattr(struct file_server *server, struct fuse_request *request,
		    struct fuse_reply *reply)
{
	char *names = (char *)server->scratch;
	char path[SERVER_FD_NAME_SIZE];
	ssize_t len;
	size_t kept;

	node_path(server, request, path);
	len = listxattr(path, names, SERVER_SCRATCH_SIZE);
	if (len < 0)
		return -errno;
	kept = filter_names(names, (size_t)len);
	if (request->in.getxattr.size == 0)
		return append_size(reply, kept);
	if (kept > request->in.getxattr.size)
		return -ERANGE;
	return fuse_reply_append(reply, names, kept);
}

int serve_removexattr(struct file_server *server, struct fuse_request *request,
		      struct fuse_reply *reply)
{
	char path[SERVER_FD_NAME_SIZE];
	char name[XATTR_NAME_MAX + 1];
	int ret = take_attribute_name(request, name);

	(void)reply;
	if (ret < 0)
		return ret;
	node_path(server, request, path);
	return removexattr(path, name) < 0 ? -errno : 0;
}
