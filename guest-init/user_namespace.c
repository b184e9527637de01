/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/user_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

#include "guest-init/process_limits.h"
#include "guest-init/process_scheduling.h"
#include "guest-init/scope.h"

#define MAP_TEXT_SIZE 4096 /* a page: the kernel takes less, in one write */

/* Returns the length, or -E2BIG. */
static ssize_t map_print(const struct id_map *map, char *text, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < map->nr_ranges; i++) {
		const struct id_range *range = &map->ranges[i];

		len += (size_t)snprintf(text + len, size - len, "%u %u %u\n", range->inside,
					range->outside, range->count);
		if (len >= size)
			return -E2BIG;
	}
	return (ssize_t)len;
}

static int map_write(pid_t pid, const char *file, const struct id_map *map)
{
	char path[64];
	char text[MAP_TEXT_SIZE];
	ssize_t len = map_print(map, text, sizeof(text));
	AUTO_CLOSE int fd = -1;

	if (len < 0)
		return (int)len;
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, (size_t)len) != len ? -errno : 0;
}

int user_namespace_admit(pid_t pid, const struct container_plan *plan, struct failure *err)
{
	int r = map_write(pid, "uid_map", &plan->uid_map);

	if (r)
		return failure_set(err, -r, "linux.uidMappings");
	r = map_write(pid, "gid_map", &plan->gid_map);
	if (r)
		return failure_set(err, -r, "linux.gidMappings");
	r = process_limits_prepare(pid, &plan->process, err);
	return r ? r : process_scheduling_set(pid, &plan->process, err);
}

int user_namespace_become_root(struct failure *err)
{
	if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return failure_set(err, errno, "become root of the user namespace");
	return 0;
}
