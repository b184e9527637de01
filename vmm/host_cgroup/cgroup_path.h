/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_path.h - what linux.cgroupsPath means
 *
 * Two spellings, after the two ways in which hosts manage control groups. Plain: a path, absolute
 * below the root of every hierarchy, or relative to the caller's control group. systemd's:
 * "slice:prefix:name", the unit PREFIX-NAME.scope in a slice.
 *
 * Thread: any.
 * Trust:  config.json is the administrator's; no path leaves the hierarchies all the same.
 * Spec:   config-linux.md, "Cgroups Path".
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"
#include "vmm/host_cgroup/cgroup_layout.h"

/*
 * The clean path of a container: "/…" below the root of a hierarchy, or relative and without a
 * leading slash; never empty. @cgroups_path may be NULL or empty: then @id, relative. Heap text in
 * *@ret.
 */
int cgroup_path_plain(const char *cgroups_path, const char *id, char **ret, struct error *err);

/*
 * The same for systemd's spelling: always absolute, below @base ("" for the root: see
 * cgroup_path_user_manager()). By default the scope bulkhead-ID.scope in system.slice, or in
 * user.slice where @base is not empty.
 */
int cgroup_path_systemd(const char *cgroups_path, const char *id, const char *base, char **ret,
			struct error *err);

/*
 * The control group of the systemd that serves the caller's user alone, of which @own is a part
 * ("/user.slice/user-1.slice/user@1.service"). Heap text; "" when there is none, NULL without
 * memory.
 */
char *cgroup_path_user_manager(const char *own);

/*
 * Where @path of the functions above is in the file system. Relative paths begin at the caller's
 * control group, or, when @is_beside is set, at its parent: processes in the caller's own would
 * keep version 2 from giving the new one any controller. Heap text in *@ret.
 */
int cgroup_path_locate(const struct cgroup_hierarchy *hierarchy, const char *path, bool is_beside,
		       char **ret, struct error *err);
