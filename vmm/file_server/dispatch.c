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
	operation_fn *serve;   /* NULL: none of ours */
	size_t arguments_size; /* of the fixed part in union fuse_arguments */
	enum node_need node;
	bool has_no_reply;
};

/* What every client sends; the flags added since 7.36 are of no interest. */
#define INIT_SIZE offsetof(struct fuse_init_in, flags2)

#define SIZE_OF(name) sizeof(struct fuse_##name##_in)

/* clang-format off */
static const struct operation operations[] = {
	[FUSE_LOOKUP]	   = { serve_lookup, 0, NODE_DIRECTORY, false },
	[FUSE_FORGET]	   = { serve_forget, SIZE_OF(forget), NODE_NONE, true },
	[FUSE_BATCH_FORGET] = { serve_batch_forget, SIZE_OF(batch_forget), NODE_NONE, true },
	[FUSE_GETATTR]	   = { serve_getattr, SIZE_OF(getattr), NODE_ANY, false },
	[FUSE_SETATTR]	   = { serve_setattr, SIZE_OF(setattr), NODE_ANY, false },
	[FUSE_READLINK]	   = { serve_readlink, 0, NODE_ANY, false },
	[FUSE_SYMLINK]	   = { serve_symlink, 0, NODE_DIRECTORY, false },
	[FUSE_MKNOD]	   = { serve_mknod, SIZE_OF(mknod), NODE_DIRECTORY, false },
	[FUSE_MKDIR]	   = { serve_mkdir, SIZE_OF(mkdir), NODE_DIRECTORY, false },
	[FUSE_UNLINK]	   = { serve_unlink, 0, NODE_DIRECTORY, false },
	[FUSE_RMDIR]	   = { serve_rmdir, 0, NODE_DIRECTORY, false },
	[FUSE_RENAME]	   = { serve_rename, SIZE_OF(rename), NODE_DIRECTORY, false },
	[FUSE_RENAME2]	   = { serve_rename2, SIZE_OF(rename2), NODE_DIRECTORY, false },
	[FUSE_LINK]	   = { serve_link, SIZE_OF(link), NODE_DIRECTORY, false },
	[FUSE_OPEN]	   = { serve_open, SIZE_OF(open), NODE_ANY, false },
	[FUSE_READ]	   = { serve_read, SIZE_OF(read), NODE_NONE, false },
	[FUSE_WRITE]	   = { serve_write, SIZE_OF(write), NODE_NONE, false },
	[FUSE_STATFS]	   = { serve_statfs, 0, NODE_ANY, false },
	[FUSE_RELEASE]	   = { serve_release, SIZE_OF(release), NODE_NONE, false },
	[FUSE_FSYNC]	   = { serve_fsync, SIZE_OF(fsync), NODE_NONE, false },
	[FUSE_SETXATTR]	   = { serve_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, NODE_ANY, false },
	[FUSE_GETXATTR]	   = { serve_getxattr, SIZE_OF(getxattr), NODE_ANY, false },
	[FUSE_LISTXATTR]   = { serve_listxattr, SIZE_OF(getxattr), NODE_ANY, false },
	[FUSE_REMOVEXATTR] = { serve_removexattr, 0, NODE_ANY, false },
	[FUSE_FLUSH]	   = { serve_flush, SIZE_OF(flush), NODE_NONE, false },
	[FUSE_INIT]	   = { serve_init, INIT_SIZE, NODE_NONE, false },
	[FUSE_OPENDIR]	   = { serve_opendir, SIZE_OF(open), NODE_DIRECTORY, false },
	[FUSE_READDIR]	   = { serve_readdir, SIZE_OF(read), NODE_DIRECTORY, false },
	[FUSE_READDIRPLUS] = { serve_readdirplus, SIZE_OF(read), NODE_DIRECTORY, false },
	[FUSE_RELEASEDIR]  = { serve_releasedir, SIZE_OF(release), NODE_NONE, false },
	[FUSE_FSYNCDIR]	   = { serve_fsyncdir, SIZE_OF(fsync), NODE_NONE, false },
	[FUSE_CREATE]	   = { serve_create, SIZE_OF(create), NODE_DIRECTORY, false },
	[FUSE_TMPFILE]	   = { serve_tmpfile, SIZE_OF(create), NODE_DIRECTORY, false },
	[FUSE_INTERRUPT]   = { serve_interrupt, 0, NODE_NONE, true },
	[FUSE_DESTROY]	   = { serve_destroy, 0, NODE_NONE, false },
	[FUSE_IOCTL]	   = { serve_ioctl, 0, NODE_NONE, false },
	[FUSE_FALLOCATE]   = { serve_fallocate, SIZE_OF(fallocate), NODE_NONE, false },
	[FUSE_LSEEK]	   = { serve_lseek, SIZE_OF(lseek), NODE_NONE, false },
	[FUSE_COPY_FILE_RANGE] = { serve_copy_file_range, SIZE_OF(copy_file_range), NODE_NONE,
				   false },
	[FUSE_SYNCFS]	   = { serve_syncfs, 0, NODE_ANY, false },
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
	if (ret == OPERATION_LATER)
		return FILE_SERVER_LATER;
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
