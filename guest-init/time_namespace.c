/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/time_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "guest-init/scope.h"

static int time_set_offset(const struct plan_time_offset *offset)
{
	AUTO_CLOSE int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	char line[80];
	int len = snprintf(line, sizeof(line), "%.16s %" PRId64 " %" PRIu32 "\n", offset->clock,
			   offset->seconds, offset->nanoseconds);

	return fd < 0 || write(fd, line, (size_t)len) != len ? -errno : 0;
}

int time_namespace_enter(const struct container_plan *plan, struct failure *err)
{
	AUTO_CLOSE int fd = -1;

	if (!(plan->namespaces & CLONE_NEWTIME))
		return 0;
	if (unshare(CLONE_NEWTIME))
		return failure_set(err, errno, "create a time namespace");
	for (size_t i = 0; i < plan->nr_time_offsets; i++) {
		const struct plan_time_offset *offset = &plan->time_offsets[i];
		int r = time_set_offset(offset);

		if (r)
			return failure_set(err, -r, "linux.timeOffsets.%s: %" PRId64 " s",
					   offset->clock, offset->seconds);
	}
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME))
		return failure_set(err, errno, "enter the time namespace");
	return 0;
}
