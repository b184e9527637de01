/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.h - unix sockets of the host as the guest's file system meets them; see protocol.h for
 * how guest-init takes their place; not for code outside file_server/
 *
 * Theory of operation: connect(2) in the guest looks a name up and then checks whether it may write
 * to the node. As long as guest-init does not listen at a socket, its attributes are given out for
 * no time at all, so that this check asks for them: this is when the socket is offered, and the
 * answer waits until guest-init listens, HOLD_MS at most. What nobody uses is never offered.
 *
 * Thread: the serving thread.
 */
#pragma once

#include "vmm/file_server/server.h"

/* Whether the guest must not rely on the attributes of @inode. */
bool sockets_are_pending(const struct file_server *server, const struct inode *inode);

/* Whether the answer to who asks for the attributes of @inode has to wait. May offer it. */
bool sockets_must_wait(struct file_server *server, struct inode *inode);

/*
 * guest-init makes a socket @name in directory @parent: if this is the name of one on offer, count
 * a lookup of that and describe it in @ret_entry. Returns 0, -ENOENT if it is no such name, or
 * another negative errno value.
 */
int sockets_enter_offered(struct file_server *server, const struct inode *parent, const char *name,
			  struct fuse_entry_out *ret_entry);

/*
 * Whether @name in directory @parent is that of a socket on offer, which nobody is to find there.
 * If guest-init has made it, it listens by now.
 */
bool sockets_is_offered_name(struct file_server *server, const struct inode *parent,
			     const char *name);
