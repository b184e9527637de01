/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/shared_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/scope.h"

int shared_tree_mount(struct failure *err)
{
	if (mkdir(SHARED_TREE_PATH, 0755) || mkdir(SHARED_TREE_ROOT, 0755))
		return failure_set(err, errno, "create the mount point of the root file system");
	if (mount(SHARED_TREE_TAG, SHARED_TREE_PATH, "virtiofs", 0, NULL))
		return failure_set(err, errno, "mount the root file system");
	return 0;
}

/*
 * Nothing has to be flushed: every process that mapped or wrote a file has ended, and virtio-fs
 * writes through, mapped pages at the latest when their mapping ends. A sync here would sync the
 * host's whole file system.
 */
void shared_tree_unmount(void)
{
	(void)umount2(SHARED_TREE_PATH, MNT_DETACH);
}
