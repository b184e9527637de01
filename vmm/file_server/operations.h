/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations.h - one function per FUSE operation
 *
 * Each is called with the request's fixed arguments copied and, where the table in dispatch.c
 * says so, its node found; it appends what follows the reply header. Returns 0 or a negative errno
 * value, which becomes the reply (what was appended is then dropped).
 *
 * Spec: <linux/fuse.h>
 */
#pragma once

#include "vmm/file_server/server.h"

typedef int (*operation_fn)(struct file_server *server, struct fuse_request *request,
			    struct fuse_reply *reply);

/* session.c */
int serve_init(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_destroy(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_interrupt(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_ioctl(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* nodes.c */
int serve_lookup(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_forget(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_batch_forget(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_getattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_setattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_readlink(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_statfs(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_syncfs(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* create.c */
int serve_create(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_tmpfile(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_mknod(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_mkdir(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_symlink(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* names.c */
int serve_link(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_unlink(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_rmdir(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_rename(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_rename2(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* files.c */
int serve_open(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_read(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_write(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_flush(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_release(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_fsync(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_fallocate(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_lseek(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_copy_file_range(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* directories.c */
int serve_opendir(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_readdir(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_readdirplus(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_releasedir(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_fsyncdir(struct file_server *, struct fuse_request *, struct fuse_reply *);

/* xattrs.c */
int serve_setxattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_getxattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_listxattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
int serve_removexattr(struct file_server *, struct fuse_request *, struct fuse_reply *);
