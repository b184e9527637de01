/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_places.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "guest-init/container_devices.h"
#include "guest-init/mount_object.h"
#include "guest-init/scope.h"
#include "guest-init/shared_tree.h"

#define DEVICES_PATH "/devices"
#define SYSFS_PATH "/sys"

/*
 * A user namespace may mount a sysfs only where one is to be seen already, entirely. (So for proc,
 * of which guest-init has one.)
 */
static int places_show_sysfs(struct failure *err)
{
	if (mkdir(SYSFS_PATH, 0755) && errno != EEXIST)
		return failure_set(err, errno, "create %s", SYSFS_PATH);
	if (mount("sysfs", SYSFS_PATH, "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL))
		return failure_set(err, errno, "mount %s", SYSFS_PATH);
	return 0;
}

static int places_copy_tree(struct container_places *places, struct failure *err)
{
	AUTO_CLOSE int fd = open(places->tree, O_PATH | O_DIRECTORY | O_CLOEXEC);

	places->tree_fd = fd < 0 ? -errno : mount_object_clone(fd, true);
	return places->tree_fd < 0 ? failure_set(err, -places->tree_fd, "copy the shared tree") : 0;
}

int container_places_make(struct container_places *places, const struct container_plan *plan,
			  struct failure *err)
{
	int r;

	places->tree = SHARED_TREE_PATH;
	places->root = SHARED_TREE_ROOT;
	places->devices = DEVICES_PATH;
	places->tree_fd = -1;
	r = shared_tree_mount(err);
	if (!r)
		r = container_devices_prepare(places->devices, plan, err);
	if (r || !(plan->namespaces & CLONE_NEWUSER))
		return r;
	r = places_show_sysfs(err);
	return r ? r : places_copy_tree(places, err);
}

void container_places_release(struct container_places *places)
{
	fd_close(&places->tree_fd);
}
