/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "vmm/file_server/operations.h"

/* Replies and arguments have had the sizes used here since 7.31, which is Linux 5.2. */
#define OLDEST_MINOR 31

#define GUEST_PAGE_SIZE 4096

/*
 * What is asked for, if the client offers it.
 *
 * DONT_MASK with POSIX_ACL: the umask counts only where a directory has no default ACL, and that is
 *     known where the ACL is: create requests bring the umask along.
 * AUTO_INVAL_DATA, and not WRITEBACK_CACHE: what others write on the host must become visible, and
 *     what the guest writes must be on the host when write() returns.
 * HANDLE_KILLPRIV_V2: without it every write in the guest first asks for security.capability.
 * CACHE_SYMLINKS: the target of a symbolic link never changes, and a new link is a new node.
 * Not POSIX_LOCKS, FLOCK_LOCKS: locks are among the guest's processes and live in its kernel.
 * Not SUBMOUNTS: Linux 6.1 knows no ACLs below one, so that a mode which is an ACL's mask would
 *     grant more than the ACL does.
 * Not EXPORT_SUPPORT: it would make "." and ".." names that can be looked up.
 */
#define WANTED_FLAGS                                                                               \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |                \
	 FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |     \
	 FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |            \
	 FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT)

/* INIT begins a session and DESTROY ends one: nothing of an earlier one is left. */
static void forget_session(struct file_server *server)
{
	handle_table_clear(&server->handles);
	inode_table_clear(&server->inodes);
	server->is_initialised = false;
	server->init_flags = 0;
}

int serve_init(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_init_in *in = &request->in.init;
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
				     .minor = FUSE_KERNEL_MINOR_VERSION };

	if (in->major < FUSE_KERNEL_VERSION ||
	    (in->major == FUSE_KERNEL_VERSION && in->minor < OLDEST_MINOR))
		return -EPROTO;
	forget_session(server);
	/* A newer major version: the client comes again with ours. */
	if (in->major > FUSE_KERNEL_VERSION)
		return fuse_reply_append(reply, &out, sizeof(out));
	server->is_initialised = true;
	server->init_flags = in->flags & WANTED_FLAGS;
	out.flags = server->init_flags;
	out.max_readahead = in->max_readahead;
	out.max_background = FS_CHANNEL_SLOTS;
	out.congestion_threshold = FS_CHANNEL_SLOTS * 3 / 4;
	out.max_write = FS_CHANNEL_DATA_MAX;
	out.max_pages = FS_CHANNEL_DATA_MAX / GUEST_PAGE_SIZE;
	out.time_gran = 1;
	return fuse_reply_append(reply, &out, sizeof(out));
}

int serve_destroy(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	(void)request;
	(void)reply;
	forget_session(server);
	return 0;
}

int serve_interrupt(struct file_server *server, struct fuse_request *request,
		    struct fuse_reply *reply)
{
	/* Requests are served in order: the one to interrupt has had its answer. */
	(void)server;
	(void)request;
	(void)reply;
	return 0;
}

int serve_ioctl(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	/* No ioctl of a host file is the guest's to use; ENOTTY is what programs expect then. */
	(void)server;
	(void)request;
	(void)reply;
	return -ENOTTY;
}
