/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/host_usage.h"

#include <stddef.h>
#include <unistd.h>

#include "vmm/host_cgroup/cgroup_file.h"

#define NS_PER_US 1000
#define NS_PER_S 1000000000

static void read_memory(const struct host_cgroup_dir *dir, struct host_usage *usage)
{
	uint64_t sum;

	if (dir->is_unified) {
		(void)cgroup_file_read_number(dir->path, "memory.current", &usage->memory_bytes);
		(void)cgroup_file_read_number(dir->path, "memory.peak", &usage->memory_max_bytes);
		(void)cgroup_file_read_number(dir->path, "memory.swap.current", &usage->swap_bytes);
		(void)cgroup_file_read_key(dir->path, "memory.events", "oom_kill",
					   &usage->nr_oom_kills);
		return;
	}
	(void)cgroup_file_read_number(dir->path, "memory.usage_in_bytes", &usage->memory_bytes);
	(void)cgroup_file_read_number(dir->path, "memory.max_usage_in_bytes",
				      &usage->memory_max_bytes);
	if (cgroup_file_read_number(dir->path, "memory.memsw.usage_in_bytes", &sum) == 0 &&
	    sum > usage->memory_bytes)
		usage->swap_bytes = sum - usage->memory_bytes;
}

static void read_cpu_v1(const struct host_cgroup_dir *dir, struct host_usage *usage)
{
	uint64_t ticks_per_s = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t ticks;

	(void)cgroup_file_read_number(dir->path, "cpuacct.usage", &usage->cpu_ns);
	if (cgroup_file_read_key(dir->path, "cpuacct.stat", "user", &ticks) == 0)
		usage->cpu_user_ns = ticks * (NS_PER_S / ticks_per_s);
	if (cgroup_file_read_key(dir->path, "cpuacct.stat", "system", &ticks) == 0)
		usage->cpu_system_ns = ticks * (NS_PER_S / ticks_per_s);
}

static void read_cpu_v2(const struct host_cgroup_dir *dir, struct host_usage *usage)
{
	uint64_t us;

	if (cgroup_file_read_key(dir->path, "cpu.stat", "usage_usec", &us) == 0)
		usage->cpu_ns = us * NS_PER_US;
	if (cgroup_file_read_key(dir->path, "cpu.stat", "user_usec", &us) == 0)
		usage->cpu_user_ns = us * NS_PER_US;
	if (cgroup_file_read_key(dir->path, "cpu.stat", "system_usec", &us) == 0)
		usage->cpu_system_ns = us * NS_PER_US;
}

void host_usage_read(const struct host_cgroup *cgroup, struct host_usage *ret)
{
	const struct host_cgroup_dir *memory = host_cgroup_find(cgroup, CGROUP_MEMORY);
	const struct host_cgroup_dir *cpuacct = host_cgroup_find(cgroup, CGROUP_CPUACCT);
	const struct host_cgroup_dir *pids = host_cgroup_find(cgroup, CGROUP_PIDS);

	*ret = (struct host_usage){ 0 };
	if (memory)
		read_memory(memory, ret);
	if (pids)
		(void)cgroup_file_read_number(pids->path, "pids.current", &ret->nr_tasks);
	if (cpuacct) {
		read_cpu_v1(cpuacct, ret);
		return;
	}
	/* Version 2 counts the time of every control group. */
	for (size_t i = 0; i < cgroup->nr_dirs; i++)
		if (cgroup->dirs[i].is_unified)
			read_cpu_v2(&cgroup->dirs[i], ret);
}
