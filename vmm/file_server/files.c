/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/file_server/attributes.h"
#include "vmm/file_server/operations.h"

int serve_open(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_open_in *in = &request->in.open;
	/* The client drops cached data by itself when size or mtime changed (AUTO_INVAL_DATA). */
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
	AUTO_CLOSE int fd = -1;
	int ret;

	if (S_ISDIR(request->inode->type))
		return -EISDIR;
	fd = server_open_inode(server, request->inode, in->flags);
	if (fd < 0)
		return fd;
	if (in->open_flags & FUSE_OPEN_KILL_SUIDGID) {
		ret = attributes_kill_suid_sgid(fd);
		if (ret < 0)
			return ret;
	}
	/* Closing what was not written has nothing to report. */
	if ((in->flags & O_ACCMODE) == O_RDONLY)
		out.open_flags |= FOPEN_NOFLUSH;
	ret = handle_table_add(&server->handles, HANDLE_FILE, fd_take(&fd),
			       server_max_handles(server), &out.fh);
	return ret < 0 ? ret : fuse_reply_append(reply, &out, sizeof(out));
}

static struct handle *find_file(const struct file_server *server, uint64_t fh)
{
	return handle_table_find(&server->handles, HANDLE_FILE, fh);
}

int serve_read(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_read_in *in = &request->in.read;
	const struct handle *handle = find_file(server, in->fh);

	if (!handle)
		return -EBADF;
	if (in->size > FS_CHANNEL_DATA_MAX || in->size > fuse_reply_left(reply) ||
	    in->offset > (uint64_t)INT64_MAX - in->size)
		return -EINVAL;
	/* A short reply means end of file to the client: only the end of file ends this early. */
	while (reply->len < in->size) {
		ssize_t nr_read = pread(handle->fd, reply->payload + reply->len,
					in->size - reply->len, (off_t)(in->offset + reply->len));

		if (nr_read < 0 && errno == EINTR)
			continue;
		if (nr_read < 0)
			return -errno;
		if (nr_read == 0)
			break;
		reply->len += (size_t)nr_read;
	}
	return 0;
}

/*
 * Whether a write appends is said in each request, but RWF_APPEND is not the way to pass it on:
 * overlayfs of Linux 6.1 knows only the O_APPEND of the descriptor.
 */
static int set_append(int fd, bool is_append)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_APPEND) == !is_append)
		return 0;
	return flags < 0 || fcntl(fd, F_SETFL, flags ^ O_APPEND) < 0 ? -errno : 0;
}

int serve_write(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_write_in *in = &request->in.write;
	const struct handle *handle = find_file(server, in->fh);
	const uint8_t *data = fuse_request_take_data(request, in->size);
	struct fuse_write_out out = { 0 };
	ssize_t written;
	int ret = 0;

	if (!handle)
		return -EBADF;
	if (!data || in->offset > INT64_MAX)
		return -EINVAL;
	if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
		ret = attributes_kill_suid_sgid(handle->fd);
	/*
	 * A page of a shared mapping (FUSE_WRITE_CACHE) comes with whatever handle of the file is
	 * at hand, and belongs where its offset says.
	 */
	if (ret == 0)
		ret = set_append(handle->fd,
				 in->flags & O_APPEND && !(in->write_flags & FUSE_WRITE_CACHE));
	if (ret < 0)
		return ret;
	written = pwrite(handle->fd, data, in->size, (off_t)in->offset);
	if (written < 0)
		return -errno;
	out.size = (uint32_t)written;
	return fuse_reply_append(reply, &out, sizeof(out));
}

int serve_flush(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct handle *handle = find_file(server, request->in.flush.fh);
	int fd;

	(void)reply;
	if (!handle)
		return -EBADF;
	/* Network file systems report write errors (quota, space) to close: let them. */
	fd = fcntl(handle->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || close(fd) < 0)
		return -errno;
	return 0;
}

int serve_release(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	struct handle *handle = find_file(server, request->in.release.fh);

	(void)reply;
	if (!handle)
		return -EBADF;
	handle_table_remove(&server->handles, handle);
	return 0;
}

int serve_fsync(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_fsync_in *in = &request->in.fsync;
	const struct handle *handle = find_file(server, in->fh);
	int ret;

	(void)reply;
	if (!handle)
		return -EBADF;
	ret = (in->fsync_flags & FUSE_FSYNC_FDATASYNC) ? fdatasync(handle->fd) : fsync(handle->fd);
	return ret < 0 ? -errno : 0;
}

/*
 * For changes whose requests have no flag that says whether the caller holds CAP_FSETID: taken to
 * be so for root alone.
 */
static int kill_suid_sgid_of_others(const struct fuse_request *request, int fd)
{
	return request->header.uid == 0 ? 0 : attributes_kill_suid_sgid(fd);
}

int serve_fallocate(struct file_server *server, struct fuse_request *request,
		    struct fuse_reply *reply)
{
	const struct fuse_fallocate_in *in = &request->in.fallocate;
	const struct handle *handle = find_file(server, in->fh);
	int ret;

	(void)reply;
	if (!handle)
		return -EBADF;
	ret = kill_suid_sgid_of_others(request, handle->fd);
	if (ret < 0)
		return ret;
	if (fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0)
		return -errno;
	return 0;
}

int serve_lseek(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_lseek_in *in = &request->in.lseek;
	const struct handle *handle = find_file(server, in->fh);
	struct fuse_lseek_out out;
	off_t offset;

	if (!handle)
		return -EBADF;
	if (in->whence != SEEK_DATA && in->whence != SEEK_HOLE && in->whence != SEEK_END)
		return -EINVAL;
	/* Moves the descriptor's own position, which nothing uses. */
	offset = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	if (offset < 0)
		return -errno;
	out = (struct fuse_lseek_out){ .offset = (uint64_t)offset };
	return fuse_reply_append(reply, &out, sizeof(out));
}

int serve_copy_file_range(struct file_server *server, struct fuse_request *request,
			  struct fuse_reply *reply)
{
	const struct fuse_copy_file_range_in *in = &request->in.copy_file_range;
	const struct handle *from = find_file(server, in->fh_in);
	const struct handle *to = find_file(server, in->fh_out);
	off_t from_offset = (off_t)in->off_in;
	off_t to_offset = (off_t)in->off_out;
	struct fuse_write_out out;
	ssize_t copied;
	int ret;

	if (!from || !to)
		return -EBADF;
	ret = kill_suid_sgid_of_others(request, to->fd);
	/* Here the offset says where, whatever an earlier write has left. */
	if (ret == 0)
		ret = set_append(to->fd, false);
	if (ret < 0)
		return ret;
	copied = copy_file_range(from->fd, &from_offset, to->fd, &to_offset,
				 min_u64(in->len, FILE_SERVER_COPY_MAX), (unsigned int)in->flags);
	if (copied < 0)
		return -errno;
	out = (struct fuse_write_out){ .size = (uint32_t)copied };
	return fuse_reply_append(reply, &out, sizeof(out));
}
