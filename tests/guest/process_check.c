/* SPDX-License-Identifier: Apache-2.0 */
/* process_check.c - what the kernel says about the process that runs it, for a comparison */
#include <errno.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define NR_LIMITS 16

static void show_limits(void)
{
	for (int i = 0; i < NR_LIMITS; i++) {
		struct rlimit limit = { 0, 0 };

		if (getrlimit((__rlimit_resource_t)i, &limit))
			(void)printf("limit %d: %s\n", i, strerrordesc_np(errno));
		else
			(void)printf("limit %d: %lld %lld\n", i, (long long)limit.rlim_cur,
				     (long long)limit.rlim_max);
	}
}

static void show_capabilities(void)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "re");

	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
		    !strncmp(line, "Groups", 6) || !strncmp(line, "Uid", 3) ||
		    !strncmp(line, "Gid", 3) || !strncmp(line, "Seccomp:", 8))
			(void)fputs(line, stdout);
	if (status)
		(void)fclose(status);
}

static void show_scheduling(void)
{
	struct sched_attr attr = { .size = 0 };
	struct utsname names;
	uint64_t cpus = 0; /* of the first 64 */

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0))
		(void)printf("sched_getattr: %s\n", strerrordesc_np(errno));
	(void)printf("scheduler: policy %u flags %llu nice %d priority %u times %llu %llu %llu\n",
		     attr.sched_policy, (unsigned long long)attr.sched_flags, attr.sched_nice,
		     attr.sched_priority, (unsigned long long)attr.sched_runtime,
		     (unsigned long long)attr.sched_deadline,
		     (unsigned long long)attr.sched_period);
	(void)printf("io priority: %ld\n", syscall(SYS_ioprio_get, 1, 0));
	(void)syscall(SYS_sched_getaffinity, 0, sizeof(cpus), &cpus);
	(void)printf("processors: %llx\n", (unsigned long long)cpus);
	(void)printf("personality: %x\n", (unsigned int)personality(0xffffffff));
	if (!uname(&names))
		(void)printf("machine: %s\n", names.machine);
}

static void show_clocks(void)
{
	struct timespec monotonic, boot;

	(void)clock_gettime(CLOCK_MONOTONIC, &monotonic);
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	(void)printf("clocks: %lld %lld days\n", (long long)monotonic.tv_sec / 86400,
		     (long long)boot.tv_sec / 86400);
}

int main(void)
{
	mode_t mask = umask(0);

	(void)printf("umask: %03o\n", mask);
	show_capabilities();
	show_limits();
	show_scheduling();
	show_clocks();
	return 0;
}
