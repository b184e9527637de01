/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: what the guest creates belongs to the guest's user, and has exactly the mode
 * its kernel asks for. We create it as ourselves without the suid and sgid bits (it must not be
 * set-user-ID of our own user for an instant), hand it over, and then add those bits. The umask
 * comes with the request and is set for the call, so that the file system decides between it and
 * a default ACL as it would for a local process. A step that fails undoes the creation.
 */
#include <errno.h>
#include <fcntl.h>

#include "vmm/base/fd.h"
#include "vmm/file_server/attributes.h"
#include "vmm/file_server/operations.h"
#include "vmm/file_server/sockets.h"

#define LATE_MODE_BITS (S_ISUID | S_ISGID)
#define EARLY_MODE_BITS (S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX)

static bool is_setgid_directory(const struct inode *inode)
{
	struct statx stat;

	return inode_stat(inode->fd, &stat) == 0 && stat.stx_mode & S_ISGID;
}

/* Give the new node @fd (O_PATH) in @request's directory to its user and complete its @mode. */
static int hand_over(const struct file_server *server, const struct fuse_request *request, int fd,
		     uint32_t mode)
{
	char fd_name[SERVER_FD_NAME_SIZE];
	uid_t uid = request->header.uid;
	gid_t gid = request->header.gid;
	struct statx stat;
	int ret = inode_stat(fd, &stat);

	if (ret < 0)
		return ret;
	/* In a set-group-ID directory the kernel has chosen the group already. */
	if (stat.stx_gid != gid && is_setgid_directory(request->inode))
		gid = stat.stx_gid;
	if ((stat.stx_uid != uid || stat.stx_gid != gid) &&
	    fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!(mode & LATE_MODE_BITS) || S_ISDIR(stat.stx_mode))
		return 0;
	server_fd_name(fd, fd_name);
	return fchmodat(server->proc_fd_dir, fd_name,
			(stat.stx_mode & EARLY_MODE_BITS) | (mode & LATE_MODE_BITS), 0) < 0
		       ? -errno
		       : 0;
}

/* What follows mknod, mkdir and symlink: @name exists now; make it a node the guest knows. */
static int enter_created(struct file_server *server, const struct fuse_request *request,
			 const char *name, uint32_t mode, struct fuse_reply *reply)
{
	AUTO_CLOSE int fd = server_open_name(request->inode, name);
	struct fuse_entry_out entry;
	int ret = fd;

	if (ret >= 0)
		ret = hand_over(server, request, fd, mode);
	if (ret >= 0)
		ret = server_enter(server, request->inode, fd_take(&fd), &entry);
	if (ret < 0) {
		(void)unlinkat(request->inode->fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
		return ret;
	}
	return fuse_reply_append(reply, &entry, sizeof(entry));
}

int serve_mknod(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_mknod_in *in = &request->in.mknod;
	struct fuse_entry_out entry;
	char name[NAME_MAX + 1];
	int ret = fuse_request_take_name(request, name);

	if (ret < 0)
		return ret;
	if (S_ISDIR(in->mode) || S_ISLNK(in->mode))
		return -EINVAL;
	ret = S_ISSOCK(in->mode) ? sockets_enter_offered(server, request->inode, name, &entry)
				 : -ENOENT;
	if (ret != -ENOENT)
		return ret < 0 ? ret : fuse_reply_append(reply, &entry, sizeof(entry));
	(void)umask(in->umask & ACCESSPERMS);
	if (mknodat(request->inode->fd, name, in->mode & (S_IFMT | EARLY_MODE_BITS),
		    attributes_decode_device(in->rdev)) < 0)
		return -errno;
	return enter_created(server, request, name, in->mode, reply);
}

int serve_mkdir(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_mkdir_in *in = &request->in.mkdir;
	char name[NAME_MAX + 1];
	int ret = fuse_request_take_name(request, name);

	if (ret < 0)
		return ret;
	(void)umask(in->umask & ACCESSPERMS);
	if (mkdirat(request->inode->fd, name, in->mode & EARLY_MODE_BITS) < 0)
		return -errno;
	return enter_created(server, request, name, S_IFDIR, reply);
}

int serve_symlink(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	char name[NAME_MAX + 1];
	char target[PATH_MAX];
	int ret = fuse_request_take_name(request, name);

	if (ret == 0)
		ret = fuse_request_take_string(request, target, sizeof(target));
	if (ret < 0)
		return ret;
	/* The target is text for the guest to follow; here nobody ever does. */
	if (symlinkat(target, request->inode->fd, name) < 0)
		return -errno;
	return enter_created(server, request, name, S_IFLNK, reply);
}

/*
 * Tell the guest about the file it now has open as @fd (taken). Reached through the descriptor and
 * not by name, so that node and handle are one and the same file.
 */
static int enter_opened(struct file_server *server, const struct fuse_request *request, int fd,
			struct fuse_reply *reply)
{
	AUTO_CLOSE int file_fd = fd;
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
	char fd_name[SERVER_FD_NAME_SIZE];
	struct fuse_entry_out entry;
	int path_fd;
	int ret;

	server_fd_name(file_fd, fd_name);
	path_fd = openat(server->proc_fd_dir, fd_name, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return -errno;
	ret = server_enter(server, request->inode, path_fd, &entry);
	if (ret < 0)
		return ret;
	ret = handle_table_add(&server->handles, HANDLE_FILE, fd_take(&file_fd),
			       server_max_handles(server), &out.fh);
	if (ret < 0) {
		inode_table_forget(&server->inodes, entry.nodeid, 1);
		return ret;
	}
	(void)fuse_reply_append(reply, &entry, sizeof(entry));
	return fuse_reply_append(reply, &out, sizeof(out));
}

/* Hand over the new open file @fd (taken) and tell the guest. */
static int enter_new_file(struct file_server *server, const struct fuse_request *request, int fd,
			  struct fuse_reply *reply)
{
	AUTO_CLOSE int file_fd = fd;
	int ret = hand_over(server, request, file_fd, request->in.create.mode);

	return ret < 0 ? ret : enter_opened(server, request, fd_take(&file_fd), reply);
}

int serve_create(struct file_server *server, struct fuse_request *request, struct fuse_reply *reply)
{
	const struct fuse_create_in *in = &request->in.create;
	char name[NAME_MAX + 1];
	int ret = fuse_request_take_name(request, name);
	int fd;

	if (ret < 0)
		return ret;
	(void)umask(in->umask & ACCESSPERMS);
	/* O_EXCL also when not asked for: what may exist is never opened before it is looked at. */
	fd = openat(request->inode->fd, name,
		    (int)(in->flags & SERVER_GUEST_OPEN_FLAGS) | SERVER_OWN_OPEN_FLAGS | O_CREAT |
			    O_EXCL | O_NOFOLLOW,
		    in->mode & EARLY_MODE_BITS);
	/* The client then looks the name up anew, and checks whether it may be opened. */
	if (fd < 0 && errno == EEXIST && !(in->flags & O_EXCL))
		return -ESTALE;
	if (fd < 0)
		return -errno;
	ret = enter_new_file(server, request, fd, reply);
	if (ret < 0)
		(void)unlinkat(request->inode->fd, name, 0);
	return ret;
}

int serve_tmpfile(struct file_server *server, struct fuse_request *request,
		  struct fuse_reply *reply)
{
	const struct fuse_create_in *in = &request->in.create;
	int fd;

	(void)umask(in->umask & ACCESSPERMS);
	fd = openat(request->inode->fd, ".",
		    (int)(in->flags & (SERVER_GUEST_OPEN_FLAGS | O_EXCL)) | SERVER_OWN_OPEN_FLAGS |
			    O_TMPFILE,
		    in->mode & EARLY_MODE_BITS);
	if (fd < 0)
		return -errno;
	return enter_new_file(server, request, fd, reply);
}
