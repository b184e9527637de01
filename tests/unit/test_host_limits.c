/* SPDX-License-Identifier: Apache-2.0 */
/* test_host_limits.c - numbers of config.json in the files of both versions of control groups */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/host_cgroup/cgroup_file.h"
#include "vmm/host_cgroup/host_limits.h"
#include "vmm/host_cgroup/host_usage.h"

static char top[SCRATCH_DIR_SIZE];
static struct host_cgroup cgroup;
static struct error err;

/* A control group with one directory that has these controllers and files with @content. */
static void set_up(bool is_unified, unsigned int controllers, const char *const *files,
		   const char *content)
{
	scratch_dir_make(top);
	cgroup = (struct host_cgroup){ .nr_dirs = 1 };
	cgroup.dirs[0] = (struct host_cgroup_dir){ .path = strdup(top),
						   .controllers = controllers,
						   .is_unified = is_unified };
	for (; *files; files++) {
		char path[256];
		FILE *file;

		(void)snprintf(path, sizeof(path), "%s/%s", top, *files);
		file = fopen(path, "w");
		ok(file && fputs(content, file) >= 0);
		if (file)
			(void)fclose(file);
	}
}

static void tear_down(void)
{
	host_cgroup_clear(&cgroup);
	scratch_dir_remove(top);
}

static void file_is(const char *name, const char *want)
{
	char text[256] = "";

	is_int(cgroup_file_read(top, name, text, sizeof(text)), 0);
	is_str(text, want);
}

#define ALL (CGROUP_MEMORY | CGROUP_CPU | CGROUP_CPUSET | CGROUP_PIDS | CGROUP_IO)
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct block_io_device read_bps = { 8, 16, 1000 }, write_iops = { 8, 0, 0 },
			      weight_device = { 8, 0, 1000 };

static const struct container_block_io all_io = {
	.weight = 500,
	.lists = {
		[BLOCK_IO_WEIGHT] = { &weight_device, 1 },
		[BLOCK_IO_READ_BPS] = { &read_bps, 1 },
	},
};

static const struct host_limits all_limits = {
	.memory = 100,
	.memory_reservation = 50,
	.memory_swap = 300,
	.tasks = 12,
	.cpu_shares = 1024,
	.cpu_quota = 150000,
	.has_cpu_burst = true,
	.cpu_burst = 1000,
	.has_cpu_idle = true,
	.is_cpu_idle = true,
	.cpus = "0-1",
	.mems = "0",
	.io = &all_io,
};

static void test_unified(void)
{
	set_up(true, ALL,
	       FILES("memory.max", "memory.low", "memory.swap.max", "pids.max", "cpu.weight",
		     "cpu.max", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems",
		     "io.weight", "io.max"),
	       "");
	is_int(host_limits_apply(&cgroup, &all_limits, &err), 0);
	file_is("memory.max", "100");
	file_is("memory.low", "50");
	file_is("memory.swap.max", "200"); /* without the memory */
	file_is("pids.max", "12");
	file_is("cpu.weight", "39");
	file_is("cpu.max", "150000 100000");
	file_is("cpu.max.burst", "1000");
	file_is("cpu.idle", "1");
	file_is("cpuset.cpus", "0-1");
	file_is("cpuset.mems", "0");
	file_is("io.weight", "8:0 10000"); /* the last that was written */
	file_is("io.max", "8:16 rbps=1000");
	tear_down();
}

static void test_unlimited(void)
{
	const struct container_block_io io = {
		.lists = { [BLOCK_IO_WRITE_IOPS] = { &write_iops, 1 } },
	};
	const struct host_limits limits = {
		.memory = -1,
		.memory_swap = -1,
		.tasks = -1,
		.cpu_quota = -1,
		.cpu_period = 50000,
		.io = &io,
	};

	set_up(true, ALL, FILES("memory.max", "memory.swap.max", "pids.max", "cpu.max", "io.max"),
	       "");
	is_int(host_limits_apply(&cgroup, &limits, &err), 0);
	file_is("memory.max", "max");
	file_is("memory.swap.max", "max");
	file_is("pids.max", "max");
	file_is("cpu.max", "max 50000");
	file_is("io.max", "8:0 wiops=max");
	tear_down();
	set_up(false, ALL,
	       FILES("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max",
		     "cpu.cfs_quota_us", "cpu.cfs_period_us", "blkio.throttle.write_iops_device"),
	       "");
	is_int(host_limits_apply(&cgroup, &limits, &err), 0);
	file_is("memory.limit_in_bytes", "-1");
	file_is("memory.memsw.limit_in_bytes", "-1");
	file_is("pids.max", "max");
	file_is("cpu.cfs_quota_us", "-1");
	file_is("cpu.cfs_period_us", "50000");
	file_is("blkio.throttle.write_iops_device", "8:0 0");
	tear_down();
}

static void test_version_1(void)
{
	set_up(false, ALL,
	       FILES("memory.limit_in_bytes", "memory.soft_limit_in_bytes",
		     "memory.memsw.limit_in_bytes", "pids.max", "cpu.shares", "cpu.cfs_quota_us",
		     "cpu.cfs_burst_us", "cpu.idle", "cpuset.cpus", "cpuset.mems",
		     "blkio.bfq.weight", "blkio.bfq.weight_device",
		     "blkio.throttle.read_bps_device"),
	       "");
	is_int(host_limits_apply(&cgroup, &all_limits, &err), 0);
	file_is("memory.limit_in_bytes", "100");
	file_is("memory.soft_limit_in_bytes", "50");
	file_is("memory.memsw.limit_in_bytes", "300"); /* with the memory */
	file_is("pids.max", "12");
	file_is("cpu.shares", "1024");
	file_is("cpu.cfs_quota_us", "150000");
	file_is("cpu.cfs_burst_us", "1000");
	file_is("cpu.idle", "1");
	file_is("cpuset.cpus", "0-1");
	file_is("blkio.bfq.weight", "500");
	file_is("blkio.bfq.weight_device", "8:0 1000");
	file_is("blkio.throttle.read_bps_device", "8:16 1000");
	tear_down();
}

static void test_shares(void)
{
	static const struct {
		uint64_t shares;
		const char *weight;
	} cases[] = { { 2, "1" }, { 1, "1" }, { 1024, "39" }, { 262144, "10000" } };

	set_up(true, CGROUP_CPU, FILES("cpu.weight"), "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct host_limits limits = { .cpu_shares = cases[i].shares };

		is_int(host_limits_apply(&cgroup, &limits, &err), 0);
		file_is("cpu.weight", cases[i].weight);
	}
	tear_down();
}

/* Apply @limits where there is no controller: the error names @field. */
static void refused(const struct host_limits *limits, const char *field)
{
	char want[128];

	(void)snprintf(want, sizeof(want), "linux.resources.%s", field);
	is_str(host_limits_field(limits), want);
	ok(host_limits_apply(&cgroup, limits, &err) < 0);
	ok(!strncmp(err.text, want, strlen(want)) && strstr(err.text, "controller"));
}

static void test_no_controllers(void)
{
	const struct host_limits done_by_the_vm = {
		.memory = 1,
		.memory_swap = 2,
		.memory_reservation = 1,
		.tasks = 3,
		.cpu_quota = 4,
		.cpu_period = 5,
		.has_cpu_idle = true,
	};
	const struct container_block_io io_weight = { .weight = 10 };
	const struct container_block_io io_throttle = {
		.lists = { [BLOCK_IO_READ_BPS] = { &read_bps, 1 } },
	};
	const struct container_block_io io_weights = {
		.lists = { [BLOCK_IO_WEIGHT] = { &weight_device, 1 } },
	};

	set_up(true, 0, FILES("cgroup.procs"), "");
	is_int(host_limits_apply(&cgroup, &done_by_the_vm, &err), 0);
	ok(!host_limits_field(&done_by_the_vm));
	refused(&(struct host_limits){ .cpu_shares = 2 }, "cpu.shares");
	refused(&(struct host_limits){ .has_cpu_idle = true, .is_cpu_idle = true }, "cpu.idle");
	refused(&(struct host_limits){ .cpus = "0" }, "cpu.cpus");
	refused(&(struct host_limits){ .mems = "0" }, "cpu.mems");
	refused(&(struct host_limits){ .io = &io_weight }, "blockIO.weight");
	refused(&(struct host_limits){ .io = &io_throttle }, "blockIO.throttleReadBpsDevice");
	refused(&(struct host_limits){ .io = &io_weights }, "blockIO.weightDevice");
	tear_down();
}

/* Files that an older kernel, or one without the option, does not have. */
static void test_no_files(void)
{
	const struct host_limits no_swap_accounting = { .memory = 1, .memory_swap = 2 };
	const struct host_limits burst = { .has_cpu_burst = true, .cpu_burst = 5 };
	const struct host_limits no_burst = { .has_cpu_burst = true, .has_cpu_idle = true };
	const struct container_block_io io = { .weight = 10 };
	const struct host_limits io_weight = { .io = &io };

	set_up(true, ALL, FILES("memory.max"), "");
	is_int(host_limits_apply(&cgroup, &no_swap_accounting, &err), 0);
	is_int(host_limits_apply(&cgroup, &no_burst, &err), 0);
	is_int(host_limits_apply(&cgroup, &burst, &err), -ENOENT);
	ok(strstr(err.text, "linux.resources.cpu.burst: write '5' to ") != NULL);
	is_int(host_limits_apply(&cgroup, &io_weight, &err), -ENOENT);
	ok(strstr(err.text, "linux.resources.blockIO.weight: ") != NULL);
	tear_down();
}

static void test_usage(void)
{
	struct host_usage usage;

	set_up(true, CGROUP_MEMORY | CGROUP_PIDS, FILES("memory.current", "pids.current"), "7\n");
	host_usage_read(&cgroup, &usage);
	ok(usage.memory_bytes == 7 && usage.nr_tasks == 7 && usage.cpu_ns == 0);
	tear_down();
	set_up(true, CGROUP_MEMORY, FILES("cpu.stat", "memory.events"),
	       "usage_usec 5\nuser_usec 3\nsystem_usec 2\noom 1\noom_kill 9\n");
	host_usage_read(&cgroup, &usage);
	ok(usage.cpu_ns == 5000 && usage.cpu_user_ns == 3000 && usage.cpu_system_ns == 2000);
	is_int(usage.nr_oom_kills, 9);
	tear_down();
	set_up(false, CGROUP_MEMORY | CGROUP_CPUACCT,
	       FILES("cpuacct.usage", "memory.usage_in_bytes", "memory.memsw.usage_in_bytes",
		     "memory.max_usage_in_bytes"),
	       "11\n");
	host_usage_read(&cgroup, &usage);
	ok(usage.cpu_ns == 11 && usage.memory_bytes == 11 && usage.memory_max_bytes == 11);
	is_int(usage.swap_bytes, 0);
	tear_down();
}

static void test_numbers(void)
{
	uint64_t number = 1;

	set_up(true, 0, FILES("x"), "a 1\nab 2\nb max\n");
	is_int(cgroup_file_read_key(top, "x", "ab", &number), 0);
	is_int(number, 2);
	is_int(cgroup_file_read_key(top, "x", "b", &number), 0);
	ok(number == UINT64_MAX);
	is_int(cgroup_file_read_key(top, "x", "abc", &number), -ENODATA);
	is_int(cgroup_file_read_number(top, "x", &number), -EPROTO);
	is_int(cgroup_file_read_number(top, "y", &number), -ENOENT);
	tear_down();
	set_up(true, 0, FILES("x"), "-5\n");
	is_int(cgroup_file_read_number(top, "x", &number), -EPROTO);
	tear_down();
}

int main(void)
{
	test_unified();
	test_unlimited();
	test_version_1();
	test_shares();
	test_no_controllers();
	test_no_files();
	test_usage();
	test_numbers();
	return tap_done();
}
