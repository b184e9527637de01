/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse_client.h - a FUSE client in a box: a temporary tree, a file server on it, and its messages
 *
 * The tree is DIRECTORY/export; DIRECTORY itself holds "canary", which nothing the client sends
 * may ever change. Each request is sent from a heap block of exactly its length, so that the
 * address sanitizer sees a read beyond it. Shared by the unit tests and the fuzzer.
 *
 * A server whose checks are broken must be found out, not let loose: while a request is served the
 * thread's root directory is DIRECTORY, so that "/etc" and "../../.." lead no further than there.
 * This takes root, without which there is no client.
 */
#pragma once

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/file_server/file_server.h"

#define FUSE_CLIENT_CANARY "do not touch"

struct fuse_client {
	struct file_server *server;
	int proc_fd;
	int directory_fd;
	int outside_fd; /* the machine's own root directory */
	int export_fd;	/* for looking at the tree from the host's side */
	char directory[64];
	uint32_t uid; /* of the next requests */
	uint32_t gid;
	uint64_t unique;
	/* Told of the block with a request before it is served, of NULL after it; or NULL. */
	void (*on_request)(uint8_t *block, size_t len);
	size_t request_len;
	size_t reply_len; /* of the last reply, without its header */
	uint8_t request[FS_CHANNEL_AREA_SIZE];
	uint8_t reply[FS_CHANNEL_AREA_SIZE];
};

/* Make a tree and a server that has not seen INIT. Returns NULL when the machine does not let us.
 */
struct fuse_client *fuse_client_new(const char *parent_directory);

/* The same with options of one's own for the server. */
struct fuse_client *fuse_client_new_with(const char *parent_directory,
					 const struct file_server_options *options);

/* Make both, and send INIT offering every flag. */
struct fuse_client *fuse_client_start(void);

/* Stop the server and remove the tree. */
void fuse_client_free(struct fuse_client *client);

/* Whether the canary is as it was and alone outside the export. */
bool fuse_client_canary_lives(const struct fuse_client *client);

/* Go inside, and out again: around file_server_handle() when it is not sent a request by these. */
void fuse_client_confine(const struct fuse_client *client);
void fuse_client_release_confined(const struct fuse_client *client);

/* Remove everything below the export, from the host's side. */
void fuse_client_empty_tree(const struct fuse_client *client);

/* Begin a request, add to it, and send it. */
void fuse_client_begin(struct fuse_client *client, uint32_t opcode, uint64_t nodeid);
void fuse_client_add(struct fuse_client *client, const void *bytes, size_t len);
void fuse_client_add_string(struct fuse_client *client, const char *string);

/*
 * Returns the reply's error (0 or negative), 1 when there was no reply, or FUSE_CLIENT_LATER when
 * the server has yet to answer; the reply's payload is in fuse_client_payload(). A reply that is
 * malformed in itself gives -EBADMSG.
 */
#define FUSE_CLIENT_LATER 2
int fuse_client_send(struct fuse_client *client);

/* Like fuse_client_send(), of the bytes as they are: the header's length is the caller's. */
int fuse_client_send_raw(struct fuse_client *client);

/* The last reply without its header, client->reply_len bytes. */
const void *fuse_client_payload(const struct fuse_client *client);

/* A whole request: fixed arguments (or NULL) and up to two strings (or NULL). Returns like send. */
int fuse_client_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
		     const void *arguments, size_t arguments_len, const char *string1,
		     const char *string2);

/* Frequent ones. Each returns 0 or the negative error; outputs are written on success. */
int fuse_client_init(struct fuse_client *client, uint32_t flags);
int fuse_client_lookup(struct fuse_client *client, uint64_t parent, const char *name,
		       struct fuse_entry_out *ret_entry);
void fuse_client_forget(struct fuse_client *client, uint64_t nodeid, uint64_t nr_lookups);
int fuse_client_getattr(struct fuse_client *client, uint64_t nodeid, struct fuse_attr *ret_attr);
int fuse_client_create(struct fuse_client *client, uint64_t parent, const char *name,
		       uint32_t flags, uint32_t mode, struct fuse_entry_out *ret_entry,
		       uint64_t *ret_fh);
int fuse_client_open(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint32_t flags,
		     uint64_t *ret_fh);
int fuse_client_release(struct fuse_client *client, uint32_t opcode, uint64_t fh);
int fuse_client_write(struct fuse_client *client, uint64_t fh, uint64_t offset, const char *text,
		      uint32_t flags, uint32_t write_flags);
/* Returns the bytes read, in fuse_client_payload(), or the negative error. */
int fuse_client_read(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint64_t fh,
		     uint64_t offset, uint32_t size);
