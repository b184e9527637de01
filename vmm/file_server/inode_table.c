/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/inode_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "vmm/base/bug.h"
#include "vmm/base/fd.h"

#define INODE_TABLE_FIRST_BUCKETS 256

int inode_stat(int fd, struct statx *ret_stat)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID,
		  ret_stat) < 0)
		return -errno;
	return 0;
}

static struct inode_key key_of(const struct statx *stat)
{
	return (struct inode_key){
		.mount_id = (stat->stx_mask & STATX_MNT_ID) ? stat->stx_mnt_id : 0,
		.device = makedev(stat->stx_dev_major, stat->stx_dev_minor),
		.number = stat->stx_ino,
	};
}

bool inode_is_other_mount(const struct inode *parent, const struct statx *stat)
{
	struct inode_key key = key_of(stat);

	if (key.mount_id != parent->key.mount_id)
		return true;
	/* A btrfs subvolume is a mount in all but name. overlayfs has odd devices for files only.
	 */
	return S_ISDIR(stat->stx_mode) && key.device != parent->key.device;
}

/*
 * Few file systems use the upper 16 bits of their numbers, so these tell them apart. Where one does
 * (overlayfs with xino), two numbers may meet, as hashes may.
 */
static uint64_t mark_of(const struct inode *parent, const struct statx *stat)
{
	uint64_t device = key_of(stat).device;

	if (!inode_is_other_mount(parent, stat) || device == parent->key.device)
		return parent->number_mark;
	return (1 + device % UINT16_MAX) << 48;
}

uint64_t inode_number(const struct inode *inode, uint64_t number)
{
	return number ^ inode->number_mark;
}

static bool keys_are_equal(const struct inode_key *a, const struct inode_key *b)
{
	return a->number == b->number && a->device == b->device && a->mount_id == b->mount_id;
}

static struct inode **bucket_of(const struct inode_table *table, const struct inode_key *key)
{
	/* Multiplicative hashing; the guest can at worst slow down its own server. */
	uint64_t hash = (key->number ^ key->device << 32 ^ key->mount_id << 48) *
			UINT64_C(0x9e3779b97f4a7c15);

	return &table->buckets[(hash >> 32) & (table->nr_buckets - 1)];
}

static void hash_insert(struct inode_table *table, struct inode *inode)
{
	struct inode **bucket = bucket_of(table, &inode->key);

	inode->next = *bucket;
	*bucket = inode;
}

static void hash_remove(struct inode_table *table, struct inode *inode)
{
	struct inode **link = bucket_of(table, &inode->key);

	while (*link != inode)
		link = &(*link)->next;
	*link = inode->next;
}

static void hash_grow(struct inode_table *table)
{
	uint32_t nr_old = table->nr_buckets;
	struct inode **old = table->buckets;
	struct inode **buckets = calloc((size_t)nr_old * 2, sizeof(struct inode *));

	/* Longer chains are only slower. */
	if (!buckets)
		return;
	table->buckets = buckets;
	table->nr_buckets = nr_old * 2;
	for (uint32_t index = 0; index < nr_old; index++) {
		struct inode *inode = old[index];

		while (inode) {
			struct inode *next = inode->next;

			hash_insert(table, inode);
			inode = next;
		}
	}
	free(old);
}

static struct inode *hash_find(const struct inode_table *table, const struct inode_key *key)
{
	struct inode *inode = *bucket_of(table, key);

	while (inode && !keys_are_equal(&inode->key, key))
		inode = inode->next;
	return inode;
}

/*
 * The known inode that is the node with @key now. overlayfs can give a file another device and
 * inode number when it is first written to, and another file may still have the old ones (lower
 * hard links): a match counts only if the descriptor confirms it.
 */
static struct inode *find_by_key(struct inode_table *table, const struct inode_key *key)
{
	struct inode *inode;

	while ((inode = hash_find(table, key))) {
		struct statx now;
		struct inode_key key_now;

		if (inode_stat(inode->fd, &now) < 0)
			return NULL;
		key_now = key_of(&now);
		if (keys_are_equal(&key_now, key))
			return inode;
		hash_remove(table, inode);
		inode->key = key_now;
		hash_insert(table, inode);
	}
	return NULL;
}

static int add(struct inode_table *table, int *fd, const struct statx *stat,
	       struct inode **ret_inode)
{
	AUTO_FREE struct inode *inode = calloc(1, sizeof(*inode));

	if (!inode)
		return -ENOMEM;
	inode->key = key_of(stat);
	inode->type = stat->stx_mode & S_IFMT;
	inode->nodeid = id_table_add(&table->ids, inode);
	if (inode->nodeid == 0)
		return -ENOMEM;
	inode->fd = fd_take(fd);
	if (table->ids.nr_used > table->nr_buckets)
		hash_grow(table);
	hash_insert(table, inode);
	*ret_inode = pointer_take(inode);
	return 0;
}

static void drop(struct inode_table *table, struct inode *inode)
{
	hash_remove(table, inode);
	id_table_remove(&table->ids, inode->nodeid);
	fd_close(&inode->fd);
	free(inode);
}

int inode_table_init(struct inode_table *table, int root_fd)
{
	AUTO_CLOSE int fd = root_fd;
	struct inode *root;
	struct statx stat;
	int ret;

	*table = (struct inode_table){ .nr_buckets = INODE_TABLE_FIRST_BUCKETS };
	id_table_init(&table->ids);
	ret = inode_stat(fd, &stat);
	if (ret < 0)
		return ret;
	table->buckets = calloc(table->nr_buckets, sizeof(struct inode *));
	if (!table->buckets)
		return -ENOMEM;
	ret = add(table, &fd, &stat, &root);
	if (ret < 0)
		return ret;
	BUG_ON(root->nodeid != FUSE_ROOT_ID);
	return 0;
}

void inode_table_clear(struct inode_table *table)
{
	for (uint32_t index = 0; index < table->ids.nr_slots; index++) {
		struct inode *inode = table->ids.slots[index].object;

		if (inode && inode->nodeid != FUSE_ROOT_ID)
			drop(table, inode);
	}
}

void inode_table_fini(struct inode_table *table)
{
	struct inode *root = inode_table_find(table, FUSE_ROOT_ID);

	inode_table_clear(table);
	if (root)
		drop(table, root);
	free(table->buckets);
	table->buckets = NULL;
	id_table_fini(&table->ids);
}

struct inode *inode_table_find(const struct inode_table *table, uint64_t nodeid)
{
	return id_table_find(&table->ids, nodeid);
}

int inode_table_enter(struct inode_table *table, const struct inode *parent, int fd,
		      const struct statx *stat, uint32_t max_nodes, struct inode **ret_inode)
{
	AUTO_CLOSE int owned_fd = fd;
	struct inode_key key = key_of(stat);
	struct inode *inode = find_by_key(table, &key);

	if (!inode) {
		int ret;

		if (table->ids.nr_used >= max_nodes)
			return -ENFILE;
		ret = add(table, &owned_fd, stat, &inode);
		if (ret < 0)
			return ret;
		inode->number_mark = mark_of(parent, stat);
		inode->is_mount_root = inode_is_other_mount(parent, stat);
	}
	inode->nr_lookups++;
	*ret_inode = inode;
	return 0;
}

void inode_table_forget(struct inode_table *table, uint64_t nodeid, uint64_t nr_lookups)
{
	struct inode *inode = inode_table_find(table, nodeid);

	if (!inode || nodeid == FUSE_ROOT_ID)
		return;
	if (nr_lookups < inode->nr_lookups)
		inode->nr_lookups -= nr_lookups;
	else
		drop(table, inode);
}
