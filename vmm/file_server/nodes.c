/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>

#include "vmm/base/fd.h"
#include "vmm/file_server/attributes.h"
#include "vmm/file_server/operations.h"
#include "vmm/file_server/sockets.h"

#define NSEC_PER_SEC 1000000000

int serve_lookup(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	char name[NAME_MAX + 1];
	struct fuse_entry_out entry;
	int ret = fuse_request_take_name(request, name);

	if (ret < 0)
		return ret;
	if (sockets_is_offered_name(server, request->inode, name)) {
		entry = (struct fuse_entry_out){ .nodeid = 0 };
		return fuse_reply_append(reply, &entry, sizeof(entry));
	}
	ret = server_enter_name(server, request->inode, name, &entry);
	if (ret == -ENOENT) {
		/* Node 0: "there is none", which the client remembers as long as a name. */
		entry = (struct fuse_entry_out){ .nodeid = 0 };
		server_set_timeouts(server, &entry);
	} else if (ret < 0) {
		return ret;
	}
	return fuse_reply_append(reply, &entry, sizeof(entry));
}

int serve_forget(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	(void)reply;
	inode_table_forget(&server->inodes, request->header.nodeid, request->in.forget.nlookup);
	return 0;
}

int serve_batch_forget(struct file_server *server, struct fuse_request *request,
		       struct fuse_reply *reply)
{
	(void)reply;
	/* Ends at the end of the request, however large a count it claims. */
	for (uint32_t index = 0; index < request->in.batch_forget.count; index++) {
		struct fuse_forget_one one;

		if (fuse_request_take(request, &one, sizeof(one)) < 0)
			return 0;
		inode_table_forget(&server->inodes, one.nodeid, one.nlookup);
	}
	return 0;
}

static int append_attributes(struct file_server *server, const struct inode *inode,
			     struct fuse_reply *reply)
{
	struct fuse_attr_out out = { .attr_valid = 0 };
	struct statx stat;
	int ret = inode_stat(inode->fd, &stat);

	if (ret < 0)
		return ret;
	if (!sockets_are_pending(server, inode)) {
		out.attr_valid = server->options.cache_timeout_ms / 1000;
		out.attr_valid_nsec = server->options.cache_timeout_ms % 1000 * 1000000;
	}
	attributes_fill(&stat, inode_number(inode, stat.stx_ino), &out.attr);
	return fuse_reply_append(reply, &out, sizeof(out));
}

int serve_getattr(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	if (sockets_must_wait(server, request->inode))
		return OPERATION_LATER;
	/* The node is as good as a handle of it: it stays the same file when its names go. */
	return append_attributes(server, request->inode, reply);
}

static int set_owner(const struct inode *inode, const struct fuse_setattr_in *in)
{
	uid_t uid = (in->valid & FATTR_UID) ? in->uid : (uid_t)-1;
	gid_t gid = (in->valid & FATTR_GID) ? in->gid : (gid_t)-1;

	/* For anything but a directory this also clears the suid and sgid bits and capabilities. */
	return fchownat(inode->fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_mode(const struct file_server *server, const struct inode *inode, uint32_t mode)
{
	char name[SERVER_FD_NAME_SIZE];

	server_fd_name(inode->fd, name);
	return fchmodat(server->proc_fd_dir, name, mode & 07777, 0) < 0 ? -errno : 0;
}

static int resize(int fd, const struct fuse_setattr_in *in)
{
	if (in->valid & FATTR_KILL_SUIDGID) {
		int ret = attributes_kill_suid_sgid(fd);

		if (ret < 0)
			return ret;
	}
	return ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
}

static int set_size(struct file_server *server, const struct inode *inode,
		    const struct fuse_setattr_in *in)
{
	AUTO_CLOSE int fd = -1;

	if (!S_ISREG(inode->type))
		return S_ISDIR(inode->type) ? -EISDIR : -EINVAL;
	if (in->valid & FATTR_FH) {
		const struct handle *handle =
			handle_table_find(&server->handles, HANDLE_FILE, in->fh);

		return handle ? resize(handle->fd, in) : -EBADF;
	}
	fd = server_open_inode(server, inode, O_WRONLY);
	return fd < 0 ? fd : resize(fd, in);
}

static struct timespec time_to_set(uint32_t valid, uint32_t set, uint32_t now, uint64_t seconds,
				   uint32_t nanoseconds)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (valid & set)
		return (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = nanoseconds };
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(const struct file_server *server, const struct inode *inode,
		     const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
		time_to_set(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_to_set(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	char name[SERVER_FD_NAME_SIZE];

	if (in->atimensec >= NSEC_PER_SEC || in->mtimensec >= NSEC_PER_SEC)
		return -EINVAL;
	server_fd_name(inode->fd, name);
	return utimensat(server->proc_fd_dir, name, times, 0) < 0 ? -errno : 0;
}

int serve_setattr(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	const struct fuse_setattr_in *in = &request->in.setattr;
	const struct inode *inode = request->inode;
	int ret = 0;

	/* The owner first, as it clears bits of the mode; times last, as a new size sets them. */
	if (in->valid & (FATTR_UID | FATTR_GID))
		ret = set_owner(inode, in);
	if (ret == 0 && in->valid & FATTR_MODE)
		ret = set_mode(server, inode, in->mode);
	if (ret == 0 && in->valid & FATTR_SIZE)
		ret = set_size(server, inode, in);
	if (ret == 0 && in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW))
		ret = set_times(server, inode, in);
	return ret < 0 ? ret : append_attributes(server, inode, reply);
}

int serve_readlink(struct file_server *server, struct fuse_request *request,
		   struct fuse_reply *reply)
{
	char target[PATH_MAX];
	ssize_t len;

	(void)server;
	if (!S_ISLNK(request->inode->type))
		return -EINVAL;
	len = readlinkat(request->inode->fd, "", target, sizeof(target));
	if (len < 0)
		return -errno;
	return fuse_reply_append(reply, target, (size_t)len);
}

int serve_statfs(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	struct fuse_statfs_out out;
	struct statfs stat;

	(void)server;
	if (fstatfs(request->inode->fd, &stat) < 0)
		return -errno;
	out = (struct fuse_statfs_out){
		.st = {
			.blocks = stat.f_blocks,
			.bfree = stat.f_bfree,
			.bavail = stat.f_bavail,
			.files = stat.f_files,
			.ffree = stat.f_ffree,
			.bsize = (uint32_t)stat.f_bsize,
			.namelen = (uint32_t)stat.f_namelen,
			.frsize = (uint32_t)stat.f_frsize,
		},
	};
	return fuse_reply_append(reply, &out, sizeof(out));
}

static int sync_mount(const struct file_server *server, const struct inode *inode)
{
	AUTO_CLOSE int fd = server_open_inode(server, inode, O_RDONLY);

	if (fd == -ENXIO)
		return 0; /* a socket that was mounted: its data is nowhere */
	if (fd < 0)
		return fd;
	return syncfs(fd) < 0 ? -errno : 0;
}

/*
 * To the client all mounts are one file system, which it asks to sync by its root. What is mounted
 * in the guest is known here.
 */
int serve_syncfs(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct id_table *ids = &server->inodes.ids;
	int ret = sync_mount(server, request->inode);

	(void)reply;
	for (uint32_t index = 0; index < ids->nr_slots; index++) {
		const struct inode *inode = ids->slots[index].object;
		int r = 0;

		if (inode && inode->is_mount_root &&
		    inode->key.device != request->inode->key.device)
			r = sync_mount(server, inode);
		if (ret == 0)
			ret = r;
	}
	return ret;
}
