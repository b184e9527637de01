/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oom_report.h - an OOM kill inside the guest, shown where engines look for it
 *
 * Engines learn of an OOM kill from memory.events of the container's control group: "oom_kill"
 * rises. The guest's kernel kills inside the guest, which the host does not see. So a process of
 * the container's control group is given to the host's OOM killer in its place.
 *
 * Control groups version 2 alone: in version 1 engines wait on an eventfd that only the container's
 * own limit signals.
 */
#pragma once

#include <sys/types.h>

#include "vmm/host_cgroup/host_cgroup.h"

/*
 * What oom_report_start() will need, to be opened while the host's files can still be seen. It
 * leads nowhere else. The caller's descriptor, or -1 when there cannot be reports.
 */
int oom_report_open(const struct host_cgroup *cgroup);

/*
 * Let "oom_kill" of the caller's control group rise by one. Must be called from a process in it,
 * once per container; @fd is from oom_report_open(). Costs three processes that live for
 * milliseconds (should the kernel not do as expected: OOM_REPORT_SECONDS_MAX) and 1 MiB.
 *
 * Returns at once with the pid of a child, which ends by itself, or a negative errno value; @fd can
 * be closed. As PID 1 of a pid namespace the caller also gets that child's children to wait for.
 */
pid_t oom_report_start(int fd);

#define OOM_REPORT_SECONDS_MAX 10u
