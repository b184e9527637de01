/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/file_server.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/base/bug.h"
#include "vmm/base/descriptor_limit.h"
#include "vmm/base/fd.h"
#include "vmm/file_server/server.h"

/* Left for the rest of the process, and for the one or two a request needs for a moment. */
#define RESERVED_DESCRIPTORS 64
#define MIN_DESCRIPTORS 128

#define DEFERRED_MS 100

static int descriptor_budget(uint32_t *ret_max, struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set(err, errno, "read the limit on open files");
	if (limit.rlim_cur < MIN_DESCRIPTORS)
		return error_invalid(err, "the limit on open files, %llu, is too low to serve any",
				     (unsigned long long)limit.rlim_cur);
	if (limit.rlim_cur > DESCRIPTOR_LIMIT_MAX)
		limit.rlim_cur = DESCRIPTOR_LIMIT_MAX;
	*ret_max = (uint32_t)limit.rlim_cur - RESERVED_DESCRIPTORS;
	return 0;
}

int file_server_init(struct file_server **ret_server, int root_fd, int proc_self_fd_dir,
		     const struct file_server_options *options, struct error *err)
{
	AUTO_CLOSE int owned_root_fd = root_fd;
	struct file_server *server = calloc(1, sizeof(*server));
	struct inode *root;
	int ret;

	if (!server)
		return error_set(err, ENOMEM, "start the file server");
	server->options = *options;
	server->proc_fd_dir = proc_self_fd_dir;
	handle_table_init(&server->handles);
	ret = descriptor_budget(&server->max_descriptors, err);
	if (ret == 0) {
		ret = inode_table_init(&server->inodes, fd_take(&owned_root_fd));
		if (ret < 0)
			(void)error_set(err, -ret, "look at the exported directory");
	}
	if (ret < 0) {
		file_server_free(server);
		return ret;
	}
	root = inode_table_find(&server->inodes, FUSE_ROOT_ID);
	root->is_in_bind = server_is_bind_mount(server, root->key.mount_id);
	*ret_server = server;
	return 0;
}

void file_server_free(struct file_server *server)
{
	if (!server)
		return;
	handle_table_fini(&server->handles);
	inode_table_fini(&server->inodes);
	free(server);
}

int file_server_enter_thread(struct file_server *server, struct error *err)
{
	sigset_t signals;

	if (unshare(CLONE_FS) < 0)
		return error_set(err, errno, "give the file server a working directory of its own");
	if (fchdir(server->proc_fd_dir) < 0)
		return error_set(err, errno, "enter /proc/self/fd");
	(void)umask(0);
	/* A limit on file sizes, or the end of the monitor, is an errno here. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGXFSZ);
	(void)sigaddset(&signals, SIGPIPE);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0)
		return error_set(err, EINVAL, "block signals of the file server");
	server->has_thread = true;
	return 0;
}

/* Serve one request, or put it aside. */
static int serve_message(struct file_server *server, const struct fs_channel *channel,
			 const struct fs_channel_message *message)
{
	size_t reply_len =
		file_server_handle(server, fs_channel_request(channel, message->slot), message->len,
				   fs_channel_reply(channel, message->slot), FS_CHANNEL_AREA_SIZE);

	if (reply_len != FILE_SERVER_LATER)
		return fs_channel_send(channel, message->slot, (uint32_t)reply_len);
	BUG_ON(server->nr_deferred == FILE_SERVER_DEFERRED_MAX);
	server->deferred[server->nr_deferred++] = *message;
	return 0;
}

static int serve_deferred(struct file_server *server, const struct fs_channel *channel)
{
	struct fs_channel_message deferred[FILE_SERVER_DEFERRED_MAX];
	unsigned int nr = server->nr_deferred;
	int ret = 0;

	memcpy(deferred, server->deferred, sizeof(deferred));
	server->nr_deferred = 0;
	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = serve_message(server, channel, &deferred[i]);
	return ret;
}

/* Whether there is a request within the time after which what was put aside is tried again. */
static bool has_request(const struct fs_channel *channel)
{
	struct pollfd pollfd = { .fd = channel->socket_fd, .events = POLLIN };

	return poll(&pollfd, 1, DEFERRED_MS) > 0;
}

int file_server_run(struct file_server *server, const struct fs_channel *channel)
{
	for (;;) {
		struct fs_channel_message message;
		int ret = 0;

		if (!server->nr_deferred || has_request(channel)) {
			ret = fs_channel_receive(channel, &message);
			if (ret <= 0)
				return ret;
			ret = serve_message(server, channel, &message);
		}
		if (!ret)
			ret = serve_deferred(server, channel);
		if (ret < 0)
			return ret == -EPIPE ? 0 : ret;
	}
}
