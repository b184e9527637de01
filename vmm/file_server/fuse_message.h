/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse_message.h - one FUSE request read with bounds, one reply built with bounds
 *
 * Trust: the bytes of a request are shared with a hostile writer. fuse_copy_in() is the only way
 *        from there to memory that decisions are made on.
 * Spec:  <linux/fuse.h>
 */
#pragma once

#include <limits.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inode;

/* The fixed part of each request that has one. */
union fuse_arguments {
	struct fuse_forget_in forget;
	struct fuse_batch_forget_in batch_forget;
	struct fuse_getattr_in getattr;
	struct fuse_setattr_in setattr;
	struct fuse_mknod_in mknod;
	struct fuse_mkdir_in mkdir;
	struct fuse_rename_in rename;
	struct fuse_rename2_in rename2;
	struct fuse_link_in link;
	struct fuse_open_in open;
	struct fuse_create_in create;
	struct fuse_read_in read;
	struct fuse_write_in write;
	struct fuse_release_in release;
	struct fuse_flush_in flush;
	struct fuse_fsync_in fsync;
	struct fuse_setxattr_in setxattr;
	struct fuse_getxattr_in getxattr;
	struct fuse_init_in init;
	struct fuse_fallocate_in fallocate;
	struct fuse_lseek_in lseek;
	struct fuse_copy_file_range_in copy_file_range;
};

struct fuse_request {
	struct fuse_in_header header; /* our copy */
	union fuse_arguments in;      /* our copy, zero beyond what the request has */
	struct inode *inode;	      /* of header.nodeid; NULL when the operation has none */
	const uint8_t *bytes;	      /* what follows the arguments, shared */
	size_t left;		      /* bytes there */
};

struct fuse_reply {
	uint8_t *payload; /* what follows the reply header; written, never read */
	size_t size;	  /* bytes there is room for */
	size_t len;	  /* bytes used */
};

/* Copy @len bytes out of shared memory, once: later reads of @copy never go back to @shared. */
void fuse_copy_in(void *copy, const uint8_t *shared, size_t len);

/* Copy the next @len bytes of the request. Returns 0 or -EINVAL when there are fewer. */
int fuse_request_take(struct fuse_request *request, void *copy, size_t len);

/*
 * The next @len bytes of the request in place, for the kernel to read: NULL when there are fewer.
 */
const uint8_t *fuse_request_take_data(struct fuse_request *request, size_t len);

/*
 * Copy the next string with its NUL. Returns 0, -EINVAL when it is empty or has no end, or
 * -ENAMETOOLONG when it does not fit @size bytes.
 */
int fuse_request_take_string(struct fuse_request *request, char *copy, size_t size);

/*
 * Copy the next string, which must be the name of a directory entry: one component, not empty,
 * ".", ".." and without "/". Returns like fuse_request_take_string().
 */
int fuse_request_take_name(struct fuse_request *request, char copy[NAME_MAX + 1]);

/* Bytes that can still be appended. */
size_t fuse_reply_left(const struct fuse_reply *reply);

/* Append @len bytes. Returns 0, or -ERANGE when there is no room. */
int fuse_reply_append(struct fuse_reply *reply, const void *bytes, size_t len);
