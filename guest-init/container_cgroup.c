/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "guest-init/control_files.h"
#include "guest-init/device_filter.h"
#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

#define CONTROLLERS "+cpuset +cpu +io +memory +pids"

static int cgroup_write(int dir_fd, const char *file, const char *value, struct failure *err)
{
	int r = control_file_write(dir_fd, file, value);

	return r ? failure_set(err, -r, "control group: write \"%s\" to %s", value, file) : 0;
}

static int cgroup_make(int parent_fd, const char *name, struct failure *err)
{
	int fd;

	if (mkdirat(parent_fd, name, 0755))
		return failure_set(err, errno, "control group: create \"%s\"", name);
	fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? failure_set(err, errno, "control group: open \"%s\"", name) : fd;
}

/* What the kernel keeps free for itself, in bytes. */
static uint64_t cgroup_kept_free(void)
{
	AUTO_CLOSE int fd = open("/proc/sys/vm/min_free_kbytes", O_RDONLY | O_CLOEXEC);
	char text[24] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	return strtoull(text, NULL, 10) << 10;
}

/* Leave the guest itself the reserve. */
static int cgroup_bound_memory(int dir_fd, struct failure *err)
{
	uint64_t reserve = CONTAINER_CGROUP_RESERVE + cgroup_kept_free();
	struct sysinfo info;
	uint64_t total;
	char value[24];

	if (sysinfo(&info))
		return failure_set(err, errno, "control group: size of memory");
	total = (uint64_t)info.totalram * info.mem_unit;
	if (total <= reserve)
		return failure_invalid(err, "control group: %" PRIu64 " bytes are too few", total);
	(void)snprintf(value, sizeof(value), "%" PRIu64, total - reserve);
	return cgroup_write(dir_fd, "memory.max", value, err);
}

/*
 * The hierarchy is mounted nowhere: its descriptor is enough, and a container inherits no mount of
 * it. "nsdelegate" keeps a container from the files and the borders of the group that is the root
 * of its namespace, also when it may write to what is below.
 */
static int cgroup_make_both(struct container_cgroup *cgroup, struct failure *err)
{
	AUTO_CLOSE int root_fd = mount_object_create("cgroup2", "cgroup2",
						     "nsdelegate,memory_recursiveprot", "", 0, err);
	int r;

	if (root_fd < 0)
		return failure_prefix(err, "control groups");
	r = cgroup_write(root_fd, "cgroup.subtree_control", CONTROLLERS, err);
	if (r)
		return r;
	cgroup->outer_fd = cgroup_make(root_fd, "workload", err);
	if (cgroup->outer_fd < 0)
		return cgroup->outer_fd;
	r = cgroup_bound_memory(cgroup->outer_fd, err);
	if (!r)
		r = cgroup_write(cgroup->outer_fd, "cgroup.subtree_control", CONTROLLERS, err);
	if (r)
		return r;
	cgroup->dir_fd = cgroup_make(cgroup->outer_fd, "container", err);
	if (cgroup->dir_fd < 0)
		return cgroup->dir_fd;
	cgroup->events_fd = openat(cgroup->outer_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	return cgroup->events_fd < 0 ? failure_set(err, errno, "control group: memory.events") : 0;
}

int container_cgroup_create(struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err)
{
	int r;

	cgroup->outer_fd = -1;
	cgroup->dir_fd = -1;
	cgroup->events_fd = -1;
	r = cgroup_make_both(cgroup, err);
	return r ? r : container_cgroup_update(cgroup, plan, err);
}

int container_cgroup_update(const struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err)
{
	return control_files_write(cgroup->dir_fd, plan, err);
}

int container_cgroup_give(const struct container_cgroup *cgroup, uint32_t uid, struct failure *err)
{
	/* "" is the directory. What the kernel lists in /sys/kernel/cgroup/delegate. */
	static const char *const files[] = { "", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control", "memory.oom.group" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (fchownat(cgroup->dir_fd, files[i], uid, (gid_t)-1,
			     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) &&
		    errno != ENOENT)
			return failure_set(err, errno, "control group: give \"%s\" to user %u",
					   files[i], uid);
	return 0;
}

int container_cgroup_filter_devices(const struct container_cgroup *cgroup,
				    const struct resource_plan *plan, struct failure *err)
{
	return device_filter_install(cgroup->outer_fd, plan->device_rules, plan->nr_device_rules,
				     err);
}

uint32_t container_cgroup_oom_kills(const struct container_cgroup *cgroup)
{
	static const char name[] = "\noom_kill ";
	char text[256];
	ssize_t n = pread(cgroup->events_fd, text, sizeof(text) - 1, 0);
	const char *line;

	if (n <= 0)
		return 0;
	text[n] = 0;
	line = strstr(text, name);
	return line ? (uint32_t)strtoul(line + strlen(name), NULL, 10) : 0;
}
