/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_server.h - a directory tree of the host, served to one guest as FUSE messages
 *
 * The guest's virtio-fs client sends requests; each is answered by system calls on the exported
 * tree. A node the guest knows is an O_PATH descriptor here, reached from its parent by one name
 * component: no path is ever resolved twice, and nothing above the exported root can be named.
 *
 * Thread: one. Requests are served one after the other, in order, on the thread that called
 *         file_server_enter_thread(): no table needs a lock, two requests never race for a name,
 *         and the umask and working directory are that thread's own. What this costs is bounded:
 *         a request moves at most FS_CHANNEL_DATA_MAX bytes, or FILE_SERVER_COPY_MAX when the
 *         kernel copies by itself.
 * Trust:  every byte of a request is hostile and may change while it is read. Headers, arguments
 *         and names are copied once and checked as copies; file data goes straight to the kernel.
 * Spec:   <linux/fuse.h> protocol 7.31 to 7.38; virtio 1.2, section 5.11.
 *
 * Privileges used, of the user namespace that owns the exported mounts: CAP_DAC_OVERRIDE,
 * CAP_FOWNER, CAP_CHOWN, CAP_FSETID, and where the container may use them CAP_MKNOD (device nodes)
 * and CAP_SETFCAP (file capabilities). What is missing shows up as EPERM in the guest. Permission
 * checks are the guest kernel's. The system calls of the serving thread are listed in
 * vmm/sandbox/file_server_calls.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/backend/fs_channel.h"
#include "vmm/base/error.h"

/* The smallest reply area file_server_handle() accepts, in bytes. */
#define FILE_SERVER_REPLY_MIN 8192

/* What file_server_handle() returns for a request whose answer has to wait. */
#define FILE_SERVER_LATER SIZE_MAX

/* The most bytes one COPY_FILE_RANGE request copies; the client asks again for the rest. */
#define FILE_SERVER_COPY_MAX (UINT64_C(16) * 1024 * 1024)

struct file_server;
struct host_sockets;

struct file_server_options {
	/*
	 * How long the guest may rely on names, attributes and absent names without asking again,
	 * in milliseconds: the time a change made on the host takes to be seen in the guest.
	 */
	uint32_t cache_timeout_ms;

	/* Unix sockets of the host that the guest may connect to; NULL: none. Borrowed. */
	struct host_sockets *sockets;

	/*
	 * The mounts below which those sockets are, by their ids (statx(2), stx_mnt_id), with what
	 * is mounted below them in turn. Borrowed.
	 */
	const uint64_t *bind_mounts;
	size_t nr_bind_mounts;
};

/*
 * Make a server for the tree below @root_fd, an O_PATH descriptor of a directory (taken, also on
 * failure). @proc_self_fd_dir is an O_PATH descriptor of this process's own /proc/self/fd, which
 * stays the caller's and open; it must not be one inherited over a fork.
 */
int file_server_init(struct file_server **ret_server, int root_fd, int proc_self_fd_dir,
		     const struct file_server_options *options, struct error *err);

/* Close every descriptor of the guest's and release the server. Accepts NULL. */
void file_server_free(struct file_server *server);

/*
 * Make the calling thread the one that serves: it gets a umask and a working directory of its own
 * (extended attributes have no system call that takes a directory descriptor), and no longer
 * receives SIGXFSZ or SIGPIPE. Needs unshare, fchdir, umask and rt_sigprocmask: before sealing.
 */
int file_server_enter_thread(struct file_server *server, struct error *err);

/*
 * Serve one request: @request_len bytes at @request_bytes, which others may write to meanwhile.
 * The answer goes to @reply_bytes, where there is room for @reply_size, FILE_SERVER_REPLY_MIN at
 * least.
 *
 * Returns the length of the reply, or 0 when the request has none (FUSE_FORGET, or too short to
 * say whom to answer), or FILE_SERVER_LATER: then nothing was done, and the same request is to be
 * handed in again, after other requests or some 100 ms. This is for at most
 * FILE_SERVER_DEFERRED_MAX requests (server.h) at a time, if file_server_run() is what counts them.
 */
size_t file_server_handle(struct file_server *server, const uint8_t *request_bytes,
			  size_t request_len, uint8_t *reply_bytes, size_t reply_size);

/*
 * Serve the requests of @channel (mapped) until the monitor is gone. Returns 0 then, or a
 * negative errno value when the channel breaks its own rules.
 */
int file_server_run(struct file_server *server, const struct fs_channel *channel);
