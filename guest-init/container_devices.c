/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "guest-init/container_tree.h"
#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

#define DEFAULT_DEVICE(device_path, device_major, device_minor)                                    \
	{                                                                                          \
		.path = (device_path), .type = "c", .major = (device_major),                       \
		.minor = (device_minor), .mode = 0666                                              \
	}

static const struct plan_device default_devices[] = {
	DEFAULT_DEVICE("/dev/null", 1, 3),    DEFAULT_DEVICE("/dev/zero", 1, 5),
	DEFAULT_DEVICE("/dev/full", 1, 7),    DEFAULT_DEVICE("/dev/random", 1, 8),
	DEFAULT_DEVICE("/dev/urandom", 1, 9), DEFAULT_DEVICE("/dev/tty", 5, 0),
};

static const struct {
	const char *path, *target;
} links[] = {
	{ "/dev/fd", "/proc/self/fd" },	      { "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" }, { "/dev/stderr", "/proc/self/fd/2" },
	{ "/dev/ptmx", "pts/ptmx" },
};

static mode_t devices_type(const struct plan_device *device)
{
	switch (device->type[0]) {
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	default:
		return S_IFCHR;
	}
}

/* A file system of the host's may refuse device nodes: guest-init's own node is bound instead. */
static int devices_bind(int root_fd, const struct plan_device *device)
{
	AUTO_CLOSE int node_fd = open(device->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int target_fd = -1;
	AUTO_CLOSE int mount_fd = -1;
	struct stat st;

	if (node_fd < 0 || fstat(node_fd, &st))
		return -errno;
	if ((st.st_mode & S_IFMT) != devices_type(device) ||
	    st.st_rdev != makedev(device->major, device->minor))
		return -ENODEV;
	target_fd = container_tree_make(root_fd, device->path, true);
	if (target_fd < 0)
		return target_fd;
	mount_fd = mount_object_clone(node_fd, false);
	return mount_fd < 0 ? mount_fd : mount_object_attach(mount_fd, target_fd);
}

static int devices_make_node(int root_fd, const struct plan_device *device)
{
	AUTO_CLOSE int dir_fd = -1;
	const char *name;

	dir_fd = container_tree_make_parent(root_fd, device->path, &name);
	if (dir_fd < 0)
		return dir_fd;
	if (mknodat(dir_fd, name, devices_type(device) | (device->mode & 07777),
		    makedev(device->major, device->minor)))
		return -errno;
	return fchownat(dir_fd, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int devices_make(int root_fd, const struct plan_device *devices, size_t nr_devices,
			struct failure *err)
{
	for (size_t i = 0; i < nr_devices; i++) {
		int r = devices_make_node(root_fd, &devices[i]);

		if (r == -EEXIST) /* the plan's own null device, or the image's */
			continue;
		if (r == -EPERM || r == -EOPNOTSUPP || r == -EROFS)
			r = devices_bind(root_fd, &devices[i]);
		if (r)
			return failure_set(err, -r, "create device \"%s\"", devices[i].path);
	}
	return 0;
}

static int devices_make_link(int root_fd, const char *path, const char *target)
{
	AUTO_CLOSE int dir_fd = -1;
	const char *name;

	dir_fd = container_tree_make_parent(root_fd, path, &name);
	if (dir_fd < 0)
		return dir_fd;
	return symlinkat(target, dir_fd, name) && errno != EEXIST ? -errno : 0;
}

static int devices_make_links(int root_fd, struct failure *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		int r = devices_make_link(root_fd, links[i].path, links[i].target);

		if (r)
			return failure_set(err, -r, "create link \"%s\"", links[i].path);
	}
	return 0;
}

int container_devices_make(int root_fd, const struct container_plan *plan, struct failure *err)
{
	mode_t old_umask;
	int r;

	for (size_t i = 0; i < plan->nr_mounts; i++)
		if (!strcmp(plan->mounts[i].type, "bind") &&
		    !strcmp(plan->mounts[i].destination, "/dev"))
			return 0;
	old_umask = umask(0);
	r = devices_make(root_fd, plan->devices, plan->nr_devices, err);
	if (!r)
		r = devices_make(root_fd, default_devices, ARRAY_SIZE(default_devices), err);
	if (!r)
		r = devices_make_links(root_fd, err);
	(void)umask(old_umask);
	return r;
}
