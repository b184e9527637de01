/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/protocol.h"
#include "vmm/base/bug.h"
#include "vmm/base/clock.h"
#include "vmm/file_server/host_sockets.h"

/* Longer than guest-init takes on a busy host; it may also be taken over and never listen. */
#define HOLD_MS 10000

static bool is_reachable(const struct file_server *server, const struct inode *inode)
{
	return S_ISSOCK(inode->type) && inode->is_in_bind && server->options.sockets;
}

static enum host_socket_state state_of(const struct file_server *server, const struct inode *inode,
				       int64_t *ret_offered_ms)
{
	uint64_t nodeid;

	return host_sockets_state(server->options.sockets, inode->socket_id, ret_offered_ms,
				  &nodeid);
}

bool sockets_are_pending(const struct file_server *server, const struct inode *inode)
{
	int64_t offered_ms;

	if (!is_reachable(server, inode) || inode->is_dead_socket)
		return false;
	return !inode->socket_id || state_of(server, inode, &offered_ms) != HOST_SOCKET_LISTENING;
}

bool sockets_must_wait(struct file_server *server, struct inode *inode)
{
	int64_t offered_ms = 0;
	enum host_socket_state state;

	if (!is_reachable(server, inode) || inode->is_dead_socket ||
	    !host_sockets_are_enabled(server->options.sockets))
		return false;
	/* Any other working directory would make the descriptor's number mean something else. */
	BUG_ON(!server->has_thread);
	if (!inode->socket_id) {
		inode->is_dead_socket = !host_sockets_is_alive(inode->fd);
		if (inode->is_dead_socket)
			return false;
		inode->socket_id =
			host_sockets_offer(server->options.sockets, inode->fd, inode->nodeid);
		if (!inode->socket_id)
			return false;
	}
	state = state_of(server, inode, &offered_ms);
	inode->is_dead_socket = state == HOST_SOCKET_NONE;
	if (state != HOST_SOCKET_OFFERED && state != HOST_SOCKET_BOUND)
		return false;
	return clock_now_ms() - offered_ms < HOLD_MS &&
	       server->nr_deferred < FILE_SERVER_DEFERRED_MAX;
}

/* The number in @name, or 0. */
static uint32_t parse_name(const struct inode *parent, const char *name)
{
	static const char prefix[] = PROTOCOL_SOCKET_NAME;
	unsigned long number;
	char *end;

	if (parent->nodeid != FUSE_ROOT_ID || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	name += sizeof(prefix) - 1;
	if (*name < '1' || *name > '9')
		return 0;
	number = strtoul(name, &end, 10);
	return *end || number > PROTOCOL_SOCKET_ID_MAX ? 0 : (uint32_t)number;
}

int sockets_enter_offered(struct file_server *server, const struct inode *parent, const char *name,
			  struct fuse_entry_out *ret_entry)
{
	uint32_t id = parse_name(parent, name);
	const struct inode *inode;
	int64_t offered_ms;
	uint64_t nodeid;
	int ret, fd;

	if (!id || !server->options.sockets ||
	    host_sockets_state(server->options.sockets, id, &offered_ms, &nodeid) ==
		    HOST_SOCKET_NONE)
		return -ENOENT;
	inode = inode_table_find(&server->inodes, nodeid);
	if (!inode || inode->socket_id != id) {
		/* The guest has forgotten it since. */
		host_sockets_withdraw(server->options.sockets, id);
		return -ESTALE;
	}
	fd = fcntl(inode->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = server_enter(server, inode, fd, ret_entry); /* found as what it is, nowhere else */
	if (ret < 0)
		return ret;
	if (ret_entry->nodeid != nodeid) {
		inode_table_forget(&server->inodes, ret_entry->nodeid, 1);
		return -ESTALE;
	}
	/* The name is for this one moment. */
	ret_entry->entry_valid = 0;
	ret_entry->entry_valid_nsec = 0;
	host_sockets_advance(server->options.sockets, id, HOST_SOCKET_BOUND);
	return 0;
}

bool sockets_is_offered_name(struct file_server *server, const struct inode *parent,
			     const char *name)
{
	uint32_t id = parse_name(parent, name);
	enum host_socket_state state;
	int64_t offered_ms;
	uint64_t nodeid;

	if (!id || !server->options.sockets)
		return false;
	state = host_sockets_state(server->options.sockets, id, &offered_ms, &nodeid);
	if (state == HOST_SOCKET_BOUND)
		host_sockets_advance(server->options.sockets, id, HOST_SOCKET_LISTENING);
	return state != HOST_SOCKET_NONE;
}
