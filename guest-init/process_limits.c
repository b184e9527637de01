/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest-init/kernel_settings.h"
#include "guest-init/scope.h"

#define NR_OPEN_DEFAULT 1048576u /* fs.nr_open of a kernel that just booted */
#define NR_OPEN_MAX 2147483584u	 /* the kernel's bound for it */

static int limits_set_oom_score(pid_t pid, int32_t score)
{
	AUTO_CLOSE int fd = -1;
	char path[64] = "/proc/self/oom_score_adj";
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", score);

	if (pid)
		(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return -errno;
	return 0;
}

/*
 * Engines take their own open file limit for the container's, which the host's init system has
 * often raised above what a kernel allows at first.
 */
static int limits_raise_nr_open(const struct plan_rlimit *rlimit)
{
	char text[16];

	if (rlimit->resource != RLIMIT_NOFILE || rlimit->hard <= NR_OPEN_DEFAULT ||
	    rlimit->hard > NR_OPEN_MAX)
		return 0;
	/* A multiple of the number of bits in a word, or the kernel refuses it. */
	(void)snprintf(text, sizeof(text), "%u", ((unsigned int)rlimit->hard + 63) & ~63u);
	return kernel_settings_write("fs/nr_open", text);
}

/* To lower a limit takes no privileges. */
static int limits_raise_hard(pid_t pid, const struct plan_rlimit *limit)
{
	__rlimit_resource_t resource = (__rlimit_resource_t)limit->resource;
	struct rlimit rlimit;

	if (prlimit(pid, resource, NULL, &rlimit))
		return -errno;
	if (limit->hard <= rlimit.rlim_max)
		return 0;
	rlimit.rlim_max = limit->hard;
	return prlimit(pid, resource, &rlimit, NULL) ? -errno : 0;
}

int process_limits_prepare(pid_t pid, const struct plan_process *process, struct failure *err)
{
	int r = 0;

	if (process->oom_score_adj != PLAN_OOM_SCORE_UNSET)
		r = limits_set_oom_score(pid, process->oom_score_adj);
	if (r)
		return failure_set(err, -r, "process.oomScoreAdj %d", process->oom_score_adj);
	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct plan_rlimit *limit = &process->rlimits[i];

		r = limits_raise_nr_open(limit);
		if (r)
			return failure_set(err, -r, "process.rlimits: raise fs.nr_open");
		r = limits_raise_hard(pid, limit);
		if (r)
			return failure_set(err, -r, "process.rlimits[%zu]: resource %u", i,
					   limit->resource);
	}
	return 0;
}

int process_limits_apply(const struct plan_process *process, struct failure *err)
{
	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct plan_rlimit *limit = &process->rlimits[i];
		const struct rlimit rlimit = { .rlim_cur = limit->soft, .rlim_max = limit->hard };

		if (setrlimit((__rlimit_resource_t)limit->resource, &rlimit))
			return failure_set(err, errno, "process.rlimits[%zu]: resource %u", i,
					   limit->resource);
	}
	return 0;
}
