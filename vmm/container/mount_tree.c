/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/mount_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/container/mount_point.h"
#include "vmm/container/mount_source.h"
#include "vmm/sandbox/namespaces.h"

/* No device is ever opened and nothing is ever executed through the exported tree. */
#define TREE_ATTRIBUTES (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID)

static int set_attributes(int tree_fd, uint64_t attributes, unsigned int flags)
{
	struct mount_attr attr = { .attr_set = attributes };

	return mount_setattr(tree_fd, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr));
}

/* A detached copy of what is mounted at @source_fd of the host, which errors call @path. */
static int clone_tree(int source_fd, const char *path, bool is_recursive, bool is_readonly,
		      bool is_recursive_readonly, struct error *err)
{
	unsigned int recursive = is_recursive ? AT_RECURSIVE : 0;
	AUTO_CLOSE int fd = open_tree(
		source_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive);

	if (fd < 0)
		return error_set(err, errno, "open '%s'", path);
	if (set_attributes(fd, TREE_ATTRIBUTES, recursive) < 0 ||
	    (is_readonly && set_attributes(fd, MOUNT_ATTR_RDONLY, 0) < 0) ||
	    (is_recursive_readonly && set_attributes(fd, MOUNT_ATTR_RDONLY, AT_RECURSIVE) < 0))
		return error_set(err, errno, "set the mount attributes of '%s'", path);
	return fd_take(&fd);
}

static int attach(int tree_fd, int target_fd)
{
	if (move_mount(tree_fd, "", target_fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* A mount keeps its id when it is attached. */
static int mount_id(int tree_fd, uint64_t *ret_id, struct error *err)
{
	struct statx stat;

	if (statx(tree_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stat) < 0)
		return error_set(err, errno, "look at a mount");
	*ret_id = stat.stx_mnt_id;
	return 0;
}

/* A mount point that is missing becomes the property of the container's root. */
static int make_mount_point(int root_fd, const struct container_config *config,
			    const struct container_mount *mount, struct error *err)
{
	const struct mount_point point = {
		.is_file = mount->is_bind && mount->is_file,
		.uid = config->root_uid,
		.gid = config->root_gid,
	};

	return mount_point_make(root_fd, mount->destination, &point, err);
}

static int open_source(const struct container_config *config, const struct container_mount *mount,
		       struct error *err)
{
	char field[64];

	(void)snprintf(field, sizeof(field), "mounts[%zu].source",
		       (size_t)(mount - config->mounts));
	return mount_source_open(mount->source, config->administrator, MOUNT_SOURCE_BIND, field,
				 err);
}

static int bind_mount(int root_fd, const struct container_config *config,
		      const struct container_mount *mount, uint64_t *ret_id, struct error *err)
{
	AUTO_CLOSE int source = open_source(config, mount, err);
	AUTO_CLOSE int tree = -1;
	AUTO_CLOSE int target = -1;
	int r;

	if (source < 0)
		return source;
	tree = clone_tree(source, mount->source, mount->is_recursive, mount->is_readonly,
			  mount->is_recursive_readonly, err);
	if (tree < 0)
		return tree;
	r = mount_id(tree, ret_id, err);
	if (r < 0)
		return r;
	target = make_mount_point(root_fd, config, mount, err);
	if (target < 0)
		return target;
	r = attach(tree, target);
	return r < 0 ? error_set(err, -r, "bind '%s'", mount->source) : 0;
}

/* File systems of the guest below which other things get mounted. */
static bool has_mounts_below(const struct container_mount *mount)
{
	return strcmp(mount->type, "tmpfs") == 0 || strcmp(mount->type, "sysfs") == 0 ||
	       strcmp(mount->type, "proc") == 0;
}

/*
 * An empty tmpfs where the guest will have a file system of its own, so that the mount points of
 * what is mounted below are made in it and not in the rootfs. It looks like the directory it
 * covers, since the guest takes owner and mode of its own tmpfs from there. Returns its descriptor.
 */
static int cover_with_tmpfs(int target_fd, struct error *err)
{
	AUTO_CLOSE int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	AUTO_CLOSE int tree = -1;
	char mode[16], uid[16], gid[16];
	struct stat st;
	int r;

	if (context < 0 || fstat(target_fd, &st) < 0)
		return error_set(err, errno, "prepare a tmpfs");
	(void)snprintf(mode, sizeof(mode), "%o", st.st_mode & 07777);
	(void)snprintf(uid, sizeof(uid), "%u", st.st_uid);
	(void)snprintf(gid, sizeof(gid), "%u", st.st_gid);
	if (fsconfig(context, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "uid", uid, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "gid", gid, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "4k", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set(err, errno, "configure a tmpfs");
	tree = fsmount(context, FSMOUNT_CLOEXEC, TREE_ATTRIBUTES);
	if (tree < 0)
		return error_set(err, errno, "make a tmpfs");
	r = attach(tree, target_fd);
	return r < 0 ? error_set(err, -r, "mount a tmpfs") : fd_take(&tree);
}

/* *@ret_cover is the tmpfs that covers the mount point, or -1. */
static int make_guest_mount_point(int root_fd, const struct container_config *config,
				  const struct container_mount *mount, int *ret_cover,
				  struct error *err)
{
	AUTO_CLOSE int target = make_mount_point(root_fd, config, mount, err);

	if (target < 0)
		return target;
	if (!has_mounts_below(mount) || mount->copies_up)
		return 0; /* what is copied up must stay visible */
	*ret_cover = cover_with_tmpfs(target, err);
	return *ret_cover < 0 ? *ret_cover : 0;
}

static int add_mount(int root_fd, const struct container_config *config,
		     const struct container_mount *mount, uint64_t *ret_bind, int *ret_cover,
		     struct error *err)
{
	int r = mount->is_bind ? bind_mount(root_fd, config, mount, ret_bind, err)
			       : make_guest_mount_point(root_fd, config, mount, ret_cover, err);

	return r < 0 ? error_prefix(err, "mount '%s'", mount->destination) : 0;
}

/*
 * Once all mount points are made, the covers are read-only: what a guest could put there would be
 * this host's memory.
 */
static int add_mounts(int root_fd, const struct container_config *config, uint64_t *ret_binds,
		      size_t *ret_nr_binds, struct error *err)
{
	AUTO_FREE int *covers = calloc(config->nr_mounts + 1, sizeof(*covers));
	size_t nr_covers = 0, nr_binds = 0;
	int r = 0;

	if (!covers)
		return error_set(err, ENOMEM, "mount the container's file systems");
	for (size_t i = 0; i < config->nr_mounts && !r; i++) {
		int cover = -1;

		r = add_mount(root_fd, config, &config->mounts[i], &ret_binds[nr_binds], &cover,
			      err);
		if (cover >= 0)
			covers[nr_covers++] = cover;
		nr_binds += config->mounts[i].is_bind;
	}
	for (size_t i = 0; i < nr_covers; i++) {
		if (!r && set_attributes(covers[i], MOUNT_ATTR_RDONLY, 0) < 0)
			r = error_set(err, errno, "make a tmpfs read-only");
		fd_close(&covers[i]);
	}
	*ret_nr_binds = nr_binds;
	return r;
}

int mount_tree_build(const struct container_config *config, uint64_t *ret_binds,
		     size_t *ret_nr_binds, struct error *err)
{
	AUTO_CLOSE int root = -1;
	AUTO_CLOSE int place = -1;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(err, errno, "make all mounts private");
	place = mount_source_open(config->rootfs, config->administrator, MOUNT_SOURCE_ROOT,
				  "root.path", err);
	if (place < 0)
		return place;
	root = clone_tree(place, config->rootfs, true, false, false, err);
	if (root < 0)
		return error_prefix(err, "root.path");
	/* pivot_root wants a mount point: the tree goes on top of the directory it came from. */
	r = attach(root, place);
	if (r < 0)
		return error_set(err, -r, "root.path: mount '%s'", config->rootfs);
	r = add_mounts(root, config, ret_binds, ret_nr_binds, err);
	return r < 0 ? r : fd_take(&root);
}

int mount_tree_enter(int root_fd, const struct container_config *config, struct error *err)
{
	/* Hooks may have mounted something there. */
	if (set_attributes(root_fd, TREE_ATTRIBUTES, AT_RECURSIVE) < 0)
		return error_set(err, errno, "set the mount attributes of the container's tree");
	if (config->has_readonly_rootfs && set_attributes(root_fd, MOUNT_ATTR_RDONLY, 0) < 0)
		return error_set(err, errno, "root.readonly: make the root read-only");
	return namespaces_change_root(root_fd, err);
}
