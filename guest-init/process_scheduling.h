/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_scheduling.h - how the kernel shares processors and disks with a process
 *
 * Spec: OCI runtime-spec, config.md "scheduler", "ioPriority", "execCPUAffinity";
 * sched_setattr(2), ioprio_set(2), sched_setaffinity(2).
 */
#pragma once

#include "guest-init/container_plan.h"

/* Move the calling process, which is to join a container, to the processors it starts on. */
int process_scheduling_prepare(const struct plan_process *process, struct failure *err);

/*
 * Give the calling process the processors, the scheduler and the I/O priority of the plan. Most of
 * them need privileges, so it comes before those are dropped.
 */
int process_scheduling_apply(const struct plan_process *process, struct failure *err);
