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
 * The sync comes first and by itself: the mounts of a namespace whose last process ended are
 * dropped a moment later, and until then unmounting writes nothing back.
 */
void shared_tree_unmount(void)
{
	AUTO_CLOSE int fd = open(SHARED_TREE_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)syncfs(fd);
	fd_close(&fd);
	(void)umount2(SHARED_TREE_PATH, MNT_DETACH);
}
