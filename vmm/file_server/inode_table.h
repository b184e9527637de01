/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode_table.h - the files, directories and other nodes that the guest knows
 *
 * Each is an O_PATH descriptor, found by the node id the guest was given or by what it is on the
 * host: mount, device and inode number. The guest's lookups are counted; when it has taken all
 * of them back the descriptor is closed. The exported root is node FUSE_ROOT_ID and stays.
 *
 * Trust: node ids and counts in forget requests are the guest's and can be any value.
 */
#pragma once

#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vmm/file_server/id_table.h"

struct inode_key {
	uint64_t mount_id;
	uint64_t device;
	uint64_t number;
};

struct inode {
	uint64_t nodeid;
	uint64_t nr_lookups; /* without meaning for the root */
	struct inode_key key;
	uint64_t number_mark; /* of its file system, see inode_number() */
	struct inode *next;   /* in the same bucket */
	bool is_mount_root;   /* of a mount other than that of the directory it was found in */
	bool is_in_bind;      /* below a mount that config.json names, see server_enter() */
	bool is_dead_socket;  /* nobody listens there, nor ever will */
	uint32_t socket_id;   /* of a socket that was offered (host_sockets.h), or 0 */
	int fd;		      /* O_PATH, symbolic links not followed */
	mode_t type;	      /* S_IFMT bits: an inode keeps its type for life */
};

struct inode_table {
	struct id_table ids;
	struct inode **buckets;
	uint32_t nr_buckets; /* a power of two */
};

/* statx() of a descriptor, with what the table needs. Returns 0 or a negative errno value. */
int inode_stat(int fd, struct statx *ret_stat);

/* Make a table whose root is @root_fd (taken, also on failure). Returns 0 or -errno. */
int inode_table_init(struct inode_table *table, int root_fd);

void inode_table_fini(struct inode_table *table);

/* Returns the inode of @nodeid, or NULL. */
struct inode *inode_table_find(const struct inode_table *table, uint64_t nodeid);

/* Whether a node with @stat, found in directory @parent, is the root of another mount. */
bool inode_is_other_mount(const struct inode *parent, const struct statx *stat);

/*
 * What the guest is told in place of the host's inode number @number, on the file system of @inode.
 * All mounts are one file system to the guest, so their numbers are kept apart.
 */
uint64_t inode_number(const struct inode *inode, uint64_t number);

/*
 * Count one lookup of the node @fd (O_PATH; taken, also on failure), whose inode_stat() is
 * @stat and which was found in @parent. A node not yet known is added while there are fewer than
 * @max_nodes.
 *
 * Returns 0, -ENFILE when that many are known, or another negative errno value.
 */
int inode_table_enter(struct inode_table *table, const struct inode *parent, int fd,
		      const struct statx *stat, uint32_t max_nodes, struct inode **ret_inode);

/* Take back @nr_lookups lookups of @nodeid; more than there were count as all. */
void inode_table_forget(struct inode_table *table, uint64_t nodeid, uint64_t nr_lookups);

/* Forget every node except the root. */
void inode_table_clear(struct inode_table *table);
