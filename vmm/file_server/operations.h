/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations.h - one function per FUSE operation
 *
 * Each is called with the request's fixed arguments copied and, where the table in dispatch.c
 * says so, its node found; it appends what follows the reply header. Returns 0 or a negative errno
 * value, which becomes the reply (what was appended is then dropped), or OPERATION_LATER.
 *
 * Spec: <linux/fuse.h>
 */
#pragma once

#include "vmm/file_server/server.h"

/* What an operation returns that cannot be answered yet and did nothing. */
#define OPERATION_LATER 1

typedef int operation_fn(struct file_server *server, struct fuse_request *request,
			 struct fuse_reply *reply);

/* session.c */
operation_fn serve_init;
operation_fn serve_destroy;
operation_fn serve_interrupt;
operation_fn serve_ioctl;

/* nodes.c */
operation_fn serve_lookup;
operation_fn serve_forget;
operation_fn serve_batch_forget;
operation_fn serve_getattr;
operation_fn serve_setattr;
operation_fn serve_readlink;
operation_fn serve_statfs;
operation_fn serve_syncfs;

/* create.c */
operation_fn serve_create;
operation_fn serve_tmpfile;
operation_fn serve_mknod;
operation_fn serve_mkdir;
operation_fn serve_symlink;

/* names.c */
operation_fn serve_link;
operation_fn serve_unlink;
operation_fn serve_rmdir;
operation_fn serve_rename;
operation_fn serve_rename2;

/* files.c */
operation_fn serve_open;
operation_fn serve_read;
operation_fn serve_write;
operation_fn serve_flush;
operation_fn serve_release;
operation_fn serve_fsync;
operation_fn serve_fallocate;
operation_fn serve_lseek;
operation_fn serve_copy_file_range;

/* directories.c */
operation_fn serve_opendir;
operation_fn serve_readdir;
operation_fn serve_readdirplus;
operation_fn serve_releasedir;
operation_fn serve_fsyncdir;

/* xattrs.c */
operation_fn serve_setxattr;
operation_fn serve_getxattr;
operation_fn serve_listxattr;
operation_fn serve_removexattr;
