/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/free_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

#define ORDER_PATH "module/page_reporting/parameters/page_reporting_order"
#define HUGE_PAGE_ORDER 9u /* of the host: 2 MiB */

unsigned int free_memory_order(uint64_t nr_pages)
{
	unsigned int order = HUGE_PAGE_ORDER;

	/* So that reports end only when less than a third is free. */
	while (order > 0 && (uint64_t)FREE_MEMORY_BLOCKS << order > nr_pages / 3)
		order--;
	return order;
}

int free_memory_set_order(struct failure *err)
{
	AUTO_CLOSE int sysfs_fd = mount_object_create("sysfs", "sysfs", "", "", 0, err);
	AUTO_CLOSE int fd = -1;
	struct sysinfo info;

	if (sysfs_fd < 0)
		return sysfs_fd;
	fd = openat(sysfs_fd, ORDER_PATH, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || sysinfo(&info) ||
	    dprintf(fd, "%u",
		    free_memory_order((uint64_t)info.totalram * info.mem_unit /
				      (uint64_t)sysconf(_SC_PAGESIZE))) < 0)
		return failure_set(err, errno, "set the order of free page reporting");
	return 0;
}
