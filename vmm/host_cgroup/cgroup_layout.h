/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_layout.h - which control group hierarchies this host has, and where
 *
 * A host has the unified hierarchy (version 2), or one hierarchy for each controller or few
 * controllers (version 1) and one of systemd's without any, or both kinds side by side (hybrid).
 * Which ones there are is in /proc/self/cgroup, where they are mounted in /proc/self/mountinfo.
 *
 * Thread: any; an object belongs to one thread.
 * Trust:  both texts are the kernel's; the mount points in them are the host administrator's.
 * Spec:   cgroups(7), proc(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vmm/base/error.h"

#define CGROUP_HIERARCHIES_MAX 32 /* the kernel has half as many controllers */

/* Bits for the controllers that something is asked of. */
enum cgroup_controller {
	CGROUP_MEMORY = 1 << 0,
	CGROUP_CPU = 1 << 1,
	CGROUP_CPUACCT = 1 << 2, /* version 1; in version 2 every control group counts its time */
	CGROUP_CPUSET = 1 << 3,
	CGROUP_PIDS = 1 << 4,
	CGROUP_IO = 1 << 5, /* blkio in version 1 */
	CGROUP_FREEZER = 1 << 6,
};

struct cgroup_hierarchy {
	bool is_unified;
	unsigned int controllers; /* version 1: those bound to it */
	char *mount_point;
	char *own; /* the caller's control group: "/…" below the mount point; NULL: not visible */
};

struct cgroup_layout {
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
	size_t nr_hierarchies;
};

/* The bits of the controllers in @names, which @separator separates. */
unsigned int cgroup_controllers_parse(const char *names, char separator);

/*
 * Find the hierarchies in the texts of /proc/self/cgroup and /proc/self/mountinfo. Those that are
 * not mounted are left out. Of several mounts of one hierarchy the first is taken that shows all of
 * it or at least the caller's control group, and, when @is_usable is given, for which that holds.
 *
 * Fills *@ret, which cgroup_layout_clear() releases also on failure.
 */
int cgroup_layout_parse(const char *self_cgroup, const char *mountinfo,
			bool (*is_usable)(const char *mount_point, bool is_unified),
			struct cgroup_layout *ret, struct error *err);

/* The same for this process; an error when there is no hierarchy at all. */
int cgroup_layout_load(struct cgroup_layout *ret, struct error *err);

/* True when the unified hierarchy is the only one. */
bool cgroup_layout_is_unified(const struct cgroup_layout *layout);

void cgroup_layout_clear(struct cgroup_layout *layout);
