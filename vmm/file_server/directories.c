/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a reply is filled from one or more getdents64 calls, each asked for no more
 * than surely fits. A name that does not fit nevertheless is left for the next request: the
 * descriptor goes back to the offset cookie of the last name that was told. The guest goes on
 * with that cookie, which is the host file system's own; so nothing is skipped or told twice, and
 * no state grows with the size of a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/file_server/operations.h"

/* The kernel refuses a buffer that cannot hold the next name; the longest record takes 280. */
#define MIN_HOST_BYTES 512

/* Of a handle's descriptor, which is beyond what was told. No file system has this cookie. */
#define POSITION_UNKNOWN UINT64_MAX

int serve_opendir(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	/*
	 * Not FOPEN_CACHE_DIR: names from the client's cache come without attributes, and these it
	 * would then have to look up one by one.
	 */
	struct fuse_open_out out = { 0 };
	int fd = server_open_inode(server, request->inode,
				   request->in.open.flags & (O_ACCMODE | O_NOATIME));
	int ret;

	if (fd < 0)
		return fd;
	ret = handle_table_add(&server->handles, HANDLE_DIRECTORY, fd, server_max_handles(server),
			       &out.fh);
	return ret < 0 ? ret : fuse_reply_append(reply, &out, sizeof(out));
}

static struct handle *find_directory(const struct file_server *server, uint64_t fh)
{
	return handle_table_find(&server->handles, HANDLE_DIRECTORY, fh);
}

static bool is_dot_or_dot_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* One READDIRPLUS lookup. Failing is no error: the name is told, without a node (id 0). */
static void look_up(struct file_server *server, const struct inode *directory, const char *name,
		    struct fuse_entry_out *ret_entry)
{
	*ret_entry = (struct fuse_entry_out){ .nodeid = 0 };
	if (is_dot_or_dot_dot(name) || server_is_crowded(server))
		return;
	if (server_enter_name(server, directory, name, ret_entry) < 0)
		*ret_entry = (struct fuse_entry_out){ .nodeid = 0 };
}

/* Append one name. Returns false when it does not fit. */
static bool append_name(struct file_server *server, const struct inode *directory,
			const struct dirent64 *host, bool is_plus, struct fuse_reply *reply)
{
	static const uint8_t padding[sizeof(uint64_t)];
	size_t name_len = strlen(host->d_name);
	size_t record_len = FUSE_REC_ALIGN(FUSE_NAME_OFFSET + name_len);
	struct fuse_dirent guest = {
		.ino = inode_number(directory, host->d_ino),
		.off = (uint64_t)host->d_off,
		.namelen = (uint32_t)name_len,
		.type = host->d_type,
	};

	if (record_len + (is_plus ? sizeof(struct fuse_entry_out) : 0) > fuse_reply_left(reply))
		return false;
	/* The number of what is above the export is nobody's business, and "/.." is "/" anyway. */
	if (directory->nodeid == FUSE_ROOT_ID && !strcmp(host->d_name, ".."))
		guest.ino = directory->key.number;
	if (is_plus) {
		struct fuse_entry_out entry;

		look_up(server, directory, host->d_name, &entry);
		(void)fuse_reply_append(reply, &entry, sizeof(entry));
	}
	(void)fuse_reply_append(reply, &guest, FUSE_NAME_OFFSET);
	(void)fuse_reply_append(reply, host->d_name, name_len);
	(void)fuse_reply_append(reply, padding, record_len - FUSE_NAME_OFFSET - name_len);
	return true;
}

static int seek(struct handle *handle, uint64_t position)
{
	if (handle->position == position)
		return 0;
	if (lseek(handle->fd, (off_t)position, SEEK_SET) < 0)
		return -errno;
	handle->position = position;
	return 0;
}

/*
 * How much to read from the host for @room bytes of reply: records of one-letter names grow most,
 * from 24 bytes to 32, or to 160 with their attributes.
 */
static size_t host_bytes_for(size_t room, bool is_plus)
{
	return is_plus ? room / 160 * 24 : room / 32 * 24;
}

static int read_names(struct file_server *server, struct fuse_request *request, bool is_plus,
		      struct fuse_reply *reply)
{
	const struct fuse_read_in *in = &request->in.read;
	struct handle *handle = find_directory(server, in->fh);
	int ret;

	if (!handle)
		return -EBADF;
	reply->size = min_u64(reply->size, in->size);
	ret = seek(handle, in->offset);
	if (ret < 0)
		return ret;
	for (;;) {
		size_t wanted = host_bytes_for(fuse_reply_left(reply), is_plus);
		ssize_t len;

		/* What little room is left is not worth another call. */
		if (wanted < MIN_HOST_BYTES && reply->len > 0)
			return 0;
		if (wanted < MIN_HOST_BYTES)
			wanted = MIN_HOST_BYTES;
		len = getdents64(handle->fd, server->scratch,
				 min_u64(wanted, sizeof(server->scratch)));
		/* Names already told stand (their lookups are counted); the error comes again. */
		if (len < 0 && reply->len == 0)
			return -errno;
		if (len <= 0)
			return 0;
		for (ssize_t offset = 0; offset < len;) {
			/* The kernel aligns records to 8 bytes, and so is the buffer. */
			const struct dirent64 *host = (const void *)(server->scratch + offset);

			if (!append_name(server, request->inode, host, is_plus, reply)) {
				handle->position = POSITION_UNKNOWN;
				return reply->len > 0 ? 0 : -EINVAL;
			}
			handle->position = (uint64_t)host->d_off;
			offset += host->d_reclen;
		}
	}
}

int serve_readdir(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	return read_names(server, request, false, reply);
}

int serve_readdirplus(struct file_server *server, struct fuse_request *request,
		      struct fuse_reply *reply)
{
	return read_names(server, request, true, reply);
}

int serve_releasedir(struct file_server *server, struct fuse_request *request,
		     struct fuse_reply *reply)
{
	struct handle *handle = find_directory(server, request->in.release.fh);

	(void)reply;
	if (!handle)
		return -EBADF;
	handle_table_remove(&server->handles, handle);
	return 0;
}

int serve_fsyncdir(struct file_server *server, struct fuse_request *request,
		   struct fuse_reply *reply)
{
	const struct fuse_fsync_in *in = &request->in.fsync;
	const struct handle *handle = find_directory(server, in->fh);
	int ret;

	(void)reply;
	if (!handle)
		return -EBADF;
	ret = (in->fsync_flags & FUSE_FSYNC_FDATASYNC) ? fdatasync(handle->fd) : fsync(handle->fd);
	return ret < 0 ? -errno : 0;
}
