/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/statistics_event.h"

#include "vmm/base/checked_math.h"

#define NS_PER_US 1000

/* JSON has no larger integers here. */
static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)min_u64(value, INT64_MAX));
}

static json_t *nanoseconds(uint64_t us)
{
	return number(us > INT64_MAX / NS_PER_US ? INT64_MAX : us * NS_PER_US);
}

static json_t *cpu(const struct guest_statistics *guest)
{
	return json_pack("{s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o}}", "usage", "total",
			 nanoseconds(guest->cpu_usage_us), "kernel",
			 nanoseconds(guest->cpu_system_us), "user", nanoseconds(guest->cpu_user_us),
			 "throttling", "periods", number(guest->nr_periods), "throttledPeriods",
			 number(guest->nr_throttled), "throttledTime",
			 nanoseconds(guest->throttled_us));
}

/* A guest has no swap, and counts the kernel's memory as memory. */
static json_t *memory(const struct guest_statistics *guest)
{
	uint64_t limit = min_u64(guest->memory_max, guest->memory_bound);
	json_t *usage = json_pack("{s:o, s:o, s:o, s:o}", "limit", number(limit), "usage",
				  number(guest->memory), "max", number(guest->memory_peak),
				  "failcnt", number(guest->nr_memory_max));
	json_t *stat = guest->memory_stat ? json_incref(guest->memory_stat) : json_object();

	return json_pack("{s:o, s:o, s:{s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i}, s:o}", "cache",
			 number(guest->memory_file), "usage", usage, "swap", "limit", 0, "failcnt",
			 0, "kernel", "limit", 0, "failcnt", 0, "kernelTCP", "limit", 0, "failcnt",
			 0, "raw", stat);
}

/* Without a limit there is no member "limit". */
static json_t *pids(const struct guest_statistics *guest)
{
	json_t *limit = guest->pids_max < INT64_MAX ? number(guest->pids_max) : NULL;

	return json_pack("{s:o, s:o*}", "current", number(guest->nr_pids), "limit", limit);
}

static json_t *machine(const struct host_usage *vm, uint64_t memory_bytes)
{
	return json_pack("{s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o, s:o}, s:{s:o}, s:o}", "cpu",
			 "total", number(vm->cpu_ns), "kernel", number(vm->cpu_system_ns), "user",
			 number(vm->cpu_user_ns), "memory", "guest", number(memory_bytes), "usage",
			 number(vm->memory_bytes), "max", number(vm->memory_max_bytes), "swap",
			 number(vm->swap_bytes), "pids", "current", number(vm->nr_tasks),
			 "oomKills", number(vm->nr_oom_kills));
}

json_t *statistics_event(const char *id, const struct guest_statistics *guest,
			 const struct host_usage *vm, uint64_t memory_bytes)
{
	json_t *data = json_pack("{s:o, s:{}, s:o, s:o, s:{}, s:{}, s:{}, s:n, s:o}", "cpu",
				 cpu(guest), "cpuset", "memory", memory(guest), "pids", pids(guest),
				 "blkio", "hugetlb", "intel_rdt", "network_interfaces", "vm",
				 machine(vm, memory_bytes));

	return json_pack("{s:s, s:s, s:o}", "type", "stats", "id", id, "data", data);
}
