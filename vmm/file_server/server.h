/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - what the operations of the file server share; not for code outside file_server/
 *
 * Thread: the serving thread.
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vmm/file_server/file_server.h"
#include "vmm/file_server/fuse_message.h"
#include "vmm/file_server/handle_table.h"
#include "vmm/file_server/inode_table.h"

/* For what is looked at before it goes into a reply: directory entries, attribute names. */
#define SERVER_SCRATCH_SIZE 65536

/*
 * What a guest may choose about a host descriptor. Not O_APPEND: where a write goes is said in
 * each write request. Not O_DIRECT: the alignment of our buffers is not the guest's affair.
 */
#define SERVER_GUEST_OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC | O_NOATIME)

/*
 * How many answers may wait for something at a time: requests have to get through meanwhile, of
 * which there are FS_CHANNEL_SLOTS.
 */
#define FILE_SERVER_DEFERRED_MAX 4

/* O_NONBLOCK: a "regular" file of a pseudo file system may block. */
#define SERVER_OWN_OPEN_FLAGS (O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct file_server {
	struct file_server_options options;
	struct inode_table inodes;
	struct handle_table handles;
	int proc_fd_dir;	  /* the caller's /proc/self/fd */
	uint32_t max_descriptors; /* nodes and handles together */
	uint32_t init_flags;	  /* FUSE_INIT flags agreed on */
	bool is_initialised;	  /* INIT has been answered */
	bool has_thread;	  /* file_server_enter_thread() was called */
	struct fs_channel_message deferred[FILE_SERVER_DEFERRED_MAX]; /* to be served again */
	unsigned int nr_deferred;
	uint8_t scratch[SERVER_SCRATCH_SIZE] __attribute__((aligned(8)));
};

/* The name of @fd in /proc/self/fd. */
#define SERVER_FD_NAME_SIZE 12
void server_fd_name(int fd, char name[SERVER_FD_NAME_SIZE]);

/* Whether @mount_id is one of those that the options name. */
bool server_is_bind_mount(const struct file_server *server, uint64_t mount_id);

/* How many nodes or handles there may be, counting the descriptors of the respective others. */
uint32_t server_max_nodes(const struct file_server *server);
uint32_t server_max_handles(const struct file_server *server);

/*
 * Whether half of the descriptors are taken by nodes. Names told from then on are not to be
 * remembered when unused, and READDIRPLUS makes no nodes known: a guest that walks more files than
 * there are descriptors slows down and does not fail.
 */
bool server_is_crowded(const struct file_server *server);

/* How long the guest may rely on @entry and its attributes, unless it is a socket's. */
void server_set_timeouts(const struct file_server *server, struct fuse_entry_out *entry);

/*
 * Open the node @inode itself (not a name that may lead elsewhere by now) with the flags of an
 * open request. Only regular files and directories are ever opened: a device, FIFO or socket of
 * the host gives -ENXIO, a symbolic link -ELOOP. Returns a descriptor or a negative errno value.
 */
int server_open_inode(const struct file_server *server, const struct inode *inode,
		      uint32_t guest_flags);

/*
 * The node @name of directory @parent, as an O_PATH descriptor: one component, not followed.
 * Returns a descriptor or a negative errno value.
 */
int server_open_name(const struct inode *parent, const char *name);

/*
 * Count a lookup of @fd (O_PATH; taken, also on failure), found in directory @parent, and describe
 * it in @ret_entry. Returns 0 or a negative errno value.
 */
int server_enter(struct file_server *server, const struct inode *parent, int fd,
		 struct fuse_entry_out *ret_entry);

/* server_enter() of a name of @parent. */
int server_enter_name(struct file_server *server, const struct inode *parent, const char *name,
		      struct fuse_entry_out *ret_entry);
