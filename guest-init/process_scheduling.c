/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_scheduling.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

static int scheduling_set_policy(pid_t pid, const struct plan_scheduler *scheduler)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = scheduler->policy,
		.sched_flags = scheduler->flags,
		.sched_nice = scheduler->nice,
		.sched_priority = scheduler->priority,
		.sched_runtime = scheduler->runtime,
		.sched_deadline = scheduler->deadline,
		.sched_period = scheduler->period,
	};

	return (int)syscall(SYS_sched_setattr, pid, &attr, 0);
}

/* The kernel takes a mask with processors that do not exist, and leaves those out. */
static int scheduling_set_cpus(uint32_t cpus, const char *name, struct failure *err)
{
	uint64_t wanted = cpus, actual = 0;

	if (syscall(SYS_sched_setaffinity, 0, sizeof(wanted), &wanted) ||
	    syscall(SYS_sched_getaffinity, 0, sizeof(actual), &actual) < 0)
		return failure_set(err, errno, "process.execCPUAffinity.%s", name);
	if (actual != wanted)
		return failure_invalid(err,
				       "process.execCPUAffinity.%s: there are only processors "
				       "%#llx",
				       name, (unsigned long long)actual);
	return 0;
}

int process_scheduling_prepare(const struct plan_process *process, struct failure *err)
{
	return process->initial_cpus ? scheduling_set_cpus(process->initial_cpus, "initial", err)
				     : 0;
}

/* Without processors for the end, those for the start give way to what a process normally has. */
int process_scheduling_finish(const struct plan_process *process, struct failure *err)
{
	const uint64_t all = UINT64_MAX;

	if (process->final_cpus)
		return scheduling_set_cpus(process->final_cpus, "final", err);
	if (process->initial_cpus && syscall(SYS_sched_setaffinity, 0, sizeof(all), &all))
		return failure_set(err, errno, "process.execCPUAffinity.initial");
	return 0;
}

int process_scheduling_set(pid_t pid, const struct plan_process *process, struct failure *err)
{
	if (process->scheduler.is_given && scheduling_set_policy(pid, &process->scheduler))
		return failure_set(err, errno, "process.scheduler");
	if (process->io_priority &&
	    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, process->io_priority))
		return failure_set(err, errno, "process.ioPriority");
	return 0;
}
