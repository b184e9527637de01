/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/file_server/operations.h"

enum node_need {
	NODE_NONE,	/* header.nodeid is not looked at */
	NODE_ANY,	/* it must be a node the guest knows */
	NODE_DIRECTORY, /* and a directory */
};

struct operation {
	operation_fn *serve; /* NULL: none of ours */
	enum node_need node;
	size_t arguments_size; /* of the fixed part in union fuse_arguments */
	bool has_no_reply;
};

/* What every client sends; the flags added since 7.36 are of no interest. */
#define INIT_SIZE offsetof(struct fuse_init_in, flags2)

#define SIZE_OF(name) sizeof(struct fuse_##name##_in)

/* clang-format off */
static const struct operation operations[] = {
	[FUSE_LOOKUP]	   = { serve_lookup, NODE_DIRECTORY, 0, false },
	[FUSE_FORGET]	   = { serve_forget, NODE_NONE, SIZE_OF(forget), true },
	[FUSE_BATCH_FORGET] = { serve_batch_forget, NODE_NONE, SIZE_OF(batch_forget), true },
	[FUSE_GETATTR]	   = { serve_getattr, NODE_ANY, SIZE_OF(getattr), false },
	[FUSE_SETATTR]	   = { serve_setattr, NODE_ANY, SIZE_OF(setattr), false },
	[FUSE_READLINK]	   = { serve_readlink, NODE_ANY, 0, false },
	[FUSE_SYMLINK]	   = { serve_symlink, NODE_DIRECTORY, 0, false },
	[FUSE_MKNOD]	   = { serve_mknod, NODE_DIRECTORY, SIZE_OF(mknod), false },
	[FUSE_MKDIR]	   = { serve_mkdir, NODE_DIRECTORY, SIZE_OF(mkdir), false },
	[FUSE_UNLINK]	   = { serve_unlink, NODE_DIRECTORY, 0, false },
	[FUSE_RMDIR]	   = { serve_rmdir, NODE_DIRECTORY, 0, false },
	[FUSE_RENAME]	   = { serve_rename, NODE_DIRECTORY, SIZE_OF(rename), false },
	[FUSE_RENAME2]	   = { serve_rename2, NODE_DIRECTORY, SIZE_OF(rename2), false },
	[FUSE_LINK]	   = { serve_link, NODE_DIRECTORY, SIZE_OF(link), false },
	[FUSE_OPEN]	   = { serve_open, NODE_ANY, SIZE_OF(open), false },
	[FUSE_READ]	   = { serve_read, NODE_NONE, SIZE_OF(read), false },
	[FUSE_WRITE]	   = { serve_write, NODE_NONE, SIZE_OF(write), false },
	[FUSE_STATFS]	   = { serve_statfs, NODE_ANY, 0, false },
	[FUSE_RELEASE]	   = { serve_release, NODE_NONE, SIZE_OF(release), false },
	[FUSE_FSYNC]	   = { serve_fsync, NODE_NONE, SIZE_OF(fsync), false },
	[FUSE_SETXATTR]	   = { serve_setxattr, NODE_ANY, FUSE_COMPAT_SETXATTR_IN_SIZE, false },
	[FUSE_GETXATTR]	   = { serve_getxattr, NODE_ANY, SIZE_OF(getxattr), false },
	[FUSE_LISTXATTR]   = { serve_listxattr, NODE_ANY, SIZE_OF(getxattr), false },
	[FUSE_REMOVEXATTR] = { serve_removexattr, NODE_ANY, 0, false },
	[FUSE_FLUSH]	   = { serve_flush, NODE_NONE, SIZE_OF(flush), false },
	[FUSE_INIT]	   = { serve_init, NODE_NONE, INIT_SIZE, false },
	[FUSE_OPENDIR]	   = { serve_opendir, NODE_DIRECTORY, SIZE_OF(open), false },
	[FUSE_READDIR]	   = { serve_readdir, NODE_DIRECTORY, SIZE_OF(read), false },
	[FUSE_READDIRPLUS] = { serve_readdirplus, NODE_DIRECTORY, SIZE_OF(read), false },
	[FUSE_RELEASEDIR]  = { serve_releasedir, NODE_NONE, SIZE_OF(release), false },
	[FUSE_FSYNCDIR]	   = { serve_fsyncdir, NODE_NONE, SIZE_OF(fsync), false },
	[FUSE_CREATE]	   = { serve_create, NODE_DIRECTORY, SIZE_OF(create), false },
	[FUSE_TMPFILE]	   = { serve_tmpfile, NODE_DIRECTORY, SIZE_OF(create), false },
	[FUSE_INTERRUPT]   = { serve_interrupt, NODE_NONE, 0, true },
	[FUSE_DESTROY]	   = { serve_destroy, NODE_NONE, 0, false },
	[FUSE_IOCTL]	   = { serve_ioctl, NODE_NONE, 0, false },
	[FUSE_FALLOCATE]   = { serve_fallocate, NODE_NONE, SIZE_OF(fallocate), false },
	[FUSE_LSEEK]	   = { serve_lseek, NODE_NONE, SIZE_OF(lseek), false },
	[FUSE_COPY_FILE_RANGE] = { serve_copy_file_range, NODE_NONE, SIZE_OF(copy_file_range),
				   false },
	[FUSE_SYNCFS]	   = { serve_syncfs, NODE_ANY, 0, false },
	/*
	 * All others give ENOSYS, upon which the client does by itself what it can and asks no
	 * more: GETLK, SETLK, SETLKW (locks are the guest kernel's), ACCESS (so are permissions),
	 * POLL (files are always ready), BMAP, SETUPMAPPING and REMOVEMAPPING (there is no DAX).
	 */
};
/* clang-format on */

static const struct operation *find_operation(uint32_t opcode)
{
	if (opcode >= ARRAY_SIZE(operations) || !operations[opcode].serve)
		return NULL;
	return &operations[opcode];
}

static int find_node(const struct file_server *server, enum node_need need,
		     struct fuse_request *request)
{
	if (need == NODE_NONE)
		return 0;
	request->inode = inode_table_find(&server->inodes, request->header.nodeid);
	if (!request->inode)
		return -ESTALE;
	if (need == NODE_DIRECTORY && !S_ISDIR(request->inode->type))
		return -ENOTDIR;
	return 0;
}

static int serve(struct file_server *server, const struct operation *operation,
		 struct fuse_request *request, struct fuse_reply *reply)
{
	int ret;

	if (!operation)
		return -ENOSYS;
	if (!server->is_initialised && operation->serve != serve_init)
		return -EIO;
	ret = find_node(server, operation->node, request);
	if (ret == 0)
		ret = fuse_request_take(request, &request->in, operation->arguments_size);
	if (ret == 0)
		ret = operation->serve(server, request, reply);
	/* The limit that was hit is not one of the guest's process. */
	return ret == -EMFILE ? -ENFILE : ret;
}

size_t file_server_handle(struct file_server *server, const uint8_t *request_bytes,
			  size_t request_len, uint8_t *reply_bytes, size_t reply_size)
{
	struct fuse_request request = { .bytes = request_bytes, .left = request_len };
	struct fuse_reply reply = { .payload = reply_bytes + sizeof(struct fuse_out_header),
				    .size = reply_size - sizeof(struct fuse_out_header) };
	struct fuse_out_header header;
	const struct operation *operation;
	int ret;

	if (reply_size < FILE_SERVER_REPLY_MIN ||
	    fuse_request_take(&request, &request.header, sizeof(request.header)) < 0)
		return 0;
	operation = find_operation(request.header.opcode);
	ret = request.header.len == request_len ? serve(server, operation, &request, &reply)
						: -EINVAL;
	if (operation && operation->has_no_reply)
		return 0;
	if (ret < 0)
		reply.len = 0;
	header = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(header) + reply.len),
		.error = ret,
		.unique = request.header.unique,
	};
	memcpy(reply_bytes, &header, sizeof(header));
	return header.len;
}
