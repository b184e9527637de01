/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

/* The name of a prepared node: the devices of the plan come first, then the default ones. */
static void devices_node_name(size_t number, char *ret_name, size_t size)
{
	(void)snprintf(ret_name, size, "%zu", number);
}

static int devices_prepare_node(int dir_fd, size_t number, const struct plan_device *device,
				const struct container_plan *plan, struct failure *err)
{
	char name[24];
	uint32_t uid, gid;

	if (device->type[0] == 'p') /* anybody can make one */
		return 0;
	if (!id_map_outside(&plan->uid_map, device->uid, &uid))
		return failure_invalid(err, "device \"%s\": uid %u is not in linux.uidMappings",
				       device->path, device->uid);
	if (!id_map_outside(&plan->gid_map, device->gid, &gid))
		return failure_invalid(err, "device \"%s\": gid %u is not in linux.gidMappings",
				       device->path, device->gid);
	devices_node_name(number, name, sizeof(name));
	if (mknodat(dir_fd, name, devices_type(device) | (device->mode & 07777),
		    makedev(device->major, device->minor)) ||
	    fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		return failure_set(err, errno, "prepare device \"%s\"", device->path);
	return 0;
}

/* Does not change the umask, which is 0. */
static int devices_prepare_all(int dir_fd, const struct container_plan *plan, struct failure *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->nr_devices && !r; i++)
		r = devices_prepare_node(dir_fd, i, &plan->devices[i], plan, err);
	for (size_t i = 0; i < ARRAY_SIZE(default_devices) && !r; i++)
		r = devices_prepare_node(dir_fd, plan->nr_devices + i, &default_devices[i], plan,
					 err);
	return r;
}

int container_devices_prepare(const char *directory, const struct container_plan *plan,
			      struct failure *err)
{
	AUTO_CLOSE int dir_fd = -1;
	mode_t old_umask;
	int r;

	if (mkdir(directory, 0755))
		return failure_set(err, errno, "create %s", directory);
	dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return failure_set(err, errno, "open %s", directory);
	old_umask = umask(0);
	r = devices_prepare_all(dir_fd, plan, err);
	(void)umask(old_umask);
	return r;
}

static int devices_bind(int root_fd, int dir_fd, size_t number, const struct plan_device *device)
{
	AUTO_CLOSE int node_fd = -1;
	AUTO_CLOSE int target_fd = -1;
	AUTO_CLOSE int mount_fd = -1;
	char name[24];

	devices_node_name(number, name, sizeof(name));
	node_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node_fd < 0)
		return -errno;
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

static int devices_make_one(int root_fd, int dir_fd, size_t number,
			    const struct plan_device *device, struct failure *err)
{
	int r = devices_make_node(root_fd, device);

	if (r == -EEXIST) /* the plan's own null device, or the image's */
		return 0;
	if (device->type[0] != 'p' && (r == -EPERM || r == -EOPNOTSUPP || r == -EROFS))
		r = devices_bind(root_fd, dir_fd, number, device);
	return r ? failure_set(err, -r, "create device \"%s\"", device->path) : 0;
}

static int devices_make_all(int root_fd, int dir_fd, const struct container_plan *plan,
			    struct failure *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->nr_devices && !r; i++)
		r = devices_make_one(root_fd, dir_fd, i, &plan->devices[i], err);
	for (size_t i = 0; i < ARRAY_SIZE(default_devices) && !r; i++)
		r = devices_make_one(root_fd, dir_fd, plan->nr_devices + i, &default_devices[i],
				     err);
	return r;
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

int container_devices_make(int root_fd, const char *directory, const struct container_plan *plan,
			   struct failure *err)
{
	AUTO_CLOSE int dir_fd = -1;
	mode_t old_umask;
	int r;

	for (size_t i = 0; i < plan->nr_mounts; i++)
		if (!strcmp(plan->mounts[i].type, "bind") &&
		    !strcmp(plan->mounts[i].destination, "/dev"))
			return 0;
	dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return failure_set(err, errno, "open %s", directory);
	old_umask = umask(0);
	r = devices_make_all(root_fd, dir_fd, plan, err);
	if (!r)
		r = devices_make_links(root_fd, err);
	(void)umask(old_umask);
	return r;
}
