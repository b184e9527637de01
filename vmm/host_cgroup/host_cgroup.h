/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_cgroup.h - the control group on the host that a container's processes are in
 *
 * It bounds the container process, the monitor and the exec processes together, and it is where
 * engines read usage and look for OOM kills. One directory in each hierarchy of the host.
 *
 * Its life, so that a kill at any instant leaves nothing that cannot be found again: it is planned,
 * and the plan is recorded; made, and the inode numbers are recorded; then processes join. Removal
 * believes the inode numbers: a directory of the same path that somebody else has made since is
 * left alone. Parents that had to be made are left to the next container.
 *
 * Thread: any; an object belongs to one thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/host_cgroup/cgroup_layout.h"

enum cgroup_manager {
	CGROUP_MANAGER_CGROUPFS, /* cgroupsPath is a plain path */
	CGROUP_MANAGER_SYSTEMD,	 /* cgroupsPath is slice:prefix:name */
	CGROUP_MANAGER_DISABLED, /* stay in the caller's control group */
};

struct host_cgroup_dir {
	char *path;		  /* absolute, on the host */
	uint64_t inode;		  /* 0: not made yet */
	unsigned int controllers; /* bits of enum cgroup_controller; known once it is made */
	bool is_unified;
	size_t mount_len; /* of the mount point in path; 0: not known */
};

struct host_cgroup {
	struct host_cgroup_dir dirs[CGROUP_HIERARCHIES_MAX];
	size_t nr_dirs;		    /* 0: the container stays in the caller's */
	struct host_cgroup_dir oom; /* see oom_report.h; without path: none */
};

struct host_cgroup_request {
	enum cgroup_manager manager; /* not DISABLED */
	const char *cgroups_path;    /* of config.json; NULL: not given */
	const char *id;
	bool is_rootless; /* the caller's part of systemd's tree is its user's */
};

/*
 * Work out where the control group will be. Fills *@ret, which host_cgroup_clear() releases also on
 * failure.
 */
int host_cgroup_plan(const struct host_cgroup_request *request, const struct cgroup_layout *layout,
		     struct host_cgroup *ret, struct error *err);

/*
 * Make it, with every controller that there is. One that exists and is empty is replaced; one with
 * processes in it is an error. On failure nothing that was made is left.
 */
int host_cgroup_make(struct host_cgroup *cgroup, struct error *err);

/*
 * Its directory in the hierarchy of version 2, opened to be born into; the caller closes it. -1:
 * there is none, or it is somebody else's.
 */
int host_cgroup_open_unified(const struct host_cgroup *cgroup);

/*
 * Move this process into it; where @is_in_unified it is there already as far as version 2 goes.
 * Its later children are born there.
 */
int host_cgroup_join(const struct host_cgroup *cgroup, bool is_in_unified, struct error *err);

/*
 * Kill every process in it and remove it; what is not ours (any more) stays. Waits up to
 * @timeout_ms for the processes' end. What was planned and not known to be made is removed if it
 * is empty.
 */
int host_cgroup_remove(const struct host_cgroup *cgroup, unsigned int timeout_ms,
		       struct error *err);

/* The directory where @controller can be asked for something, or NULL. */
const struct host_cgroup_dir *host_cgroup_find(const struct host_cgroup *cgroup,
					       enum cgroup_controller controller);

void host_cgroup_clear(struct host_cgroup *cgroup);

/* As JSON, for the container's record: a new object, NULL without memory. */
json_t *host_cgroup_to_json(const struct host_cgroup *cgroup);

/*
 * Back again; @json may be NULL or damaged. Fills *@ret, which host_cgroup_clear() releases also on
 * failure.
 */
int host_cgroup_from_json(const json_t *json, struct host_cgroup *ret, struct error *err);
