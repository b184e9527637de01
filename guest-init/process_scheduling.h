/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_scheduling.h - how the kernel shares processors and disks with a process
 *
 * Spec: OCI runtime-spec, config.md "scheduler", "ioPriority", "execCPUAffinity";
 * sched_setattr(2), ioprio_set(2), sched_setaffinity(2).
 */
#pragma once

#include <sys/types.h>

#include "guest-init/container_plan.h"

/* Move the calling process, which is to join a container, to the processors it starts on. */
int process_scheduling_prepare(const struct plan_process *process, struct failure *err);

/* Give the calling process the processors that it ends up with. */
int process_scheduling_finish(const struct plan_process *process, struct failure *err);

/*
 * Give process @pid (0: the caller) the scheduler and the I/O priority of the plan, which may take
 * privileges in the guest's first user namespace.
 */
int process_scheduling_set(pid_t pid, const struct plan_process *process, struct failure *err);
