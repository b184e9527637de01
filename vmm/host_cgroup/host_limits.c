/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/host_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/host_cgroup/cgroup_file.h"

#define FIELD(name) "linux.resources." name
#define PERIOD_DEFAULT 100000 /* microseconds, the kernel's */
#define VALUE_SIZE 64

#define MIB ((uint64_t)1 << 20)
#define OVERHEAD_FIXED (32 * MIB)
#define OVERHEAD_SHARE 64    /* page tables: one byte for as many of the virtual machine's */
#define GUEST_NODE_SIZE 1024 /* the guest's memory for a file that it knows */
#define HOST_NODE_SIZE 2560  /* and the host's, for which it is a descriptor */
#define NODES_MAX 1048576    /* no process has more descriptors */

#define TASKS_BESIDE_VCPUS 1024

/* Write @value, and say for which field when it fails. */
static int set(const struct host_cgroup_dir *dir, const char *file, const char *value,
	       const char *field, struct error *err)
{
	int r = cgroup_file_write(dir->path, file, "%s", value);

	return r < 0 ? error_set(err, -r, "%s: write '%s' to %s/%s", field, value, dir->path, file)
		     : 0;
}

/* The same where older kernels have no such file, and "0" is what they do. */
static int set_or_leave(const struct host_cgroup_dir *dir, const char *file, const char *value,
			const char *field, struct error *err)
{
	int r = set(dir, file, value, field, err);

	return r == -ENOENT && !strcmp(value, "0") ? 0 : r;
}

static const struct host_cgroup_dir *require(const struct host_cgroup *cgroup,
					     enum cgroup_controller controller, const char *name,
					     const char *field, struct error *err)
{
	const struct host_cgroup_dir *dir = host_cgroup_find(cgroup, controller);

	if (!dir)
		(void)error_invalid(err, "%s: this host's control groups have no %s controller",
				    field, name);
	return dir;
}

/* A number of which -1 is "no limit": "max" in version 2. */
static const char *limit_text(const struct host_cgroup_dir *dir, int64_t value,
			      char text[VALUE_SIZE])
{
	if (value < 0)
		return dir->is_unified ? "max" : "-1";
	(void)snprintf(text, VALUE_SIZE, "%" PRId64, value);
	return text;
}

/* --- memory -------------------------------------------------------------------------------- */

static int set_memory_v1(const struct host_cgroup_dir *dir, const struct host_limits *limits,
			 struct error *err)
{
	char memory[VALUE_SIZE];
	bool has_memory = limits->memory != 0;
	bool has_swap = limits->memory_swap != 0;
	int r = 0;

	/* The sum is never below the limit, on the way neither: which one first depends. */
	if (has_memory && has_swap &&
	    cgroup_file_write(dir->path, "memory.limit_in_bytes", "%s",
			      limit_text(dir, limits->memory, memory)) == 0)
		has_memory = false;
	if (has_swap) {
		char swap[VALUE_SIZE];

		r = cgroup_file_write(dir->path, "memory.memsw.limit_in_bytes", "%s",
				      limit_text(dir, limits->memory_swap, swap));
		/* A host that does not account for swap. */
		if (r < 0 && r != -ENOENT)
			return error_set(err, -r, FIELD("memory.swap"));
		r = 0;
	}
	if (has_memory)
		r = set(dir, "memory.limit_in_bytes", limit_text(dir, limits->memory, memory),
			FIELD("memory.limit"), err);
	return r;
}

static int set_memory_v2(const struct host_cgroup_dir *dir, const struct host_limits *limits,
			 struct error *err)
{
	int64_t swap = limits->memory_swap;
	char text[VALUE_SIZE];
	int r = 0;

	if (swap > 0 && limits->memory > 0)
		swap -= limits->memory < swap ? limits->memory : swap;
	if (limits->memory)
		r = set(dir, "memory.max", limit_text(dir, limits->memory, text),
			FIELD("memory.limit"), err);
	if (!r && limits->memory_swap) {
		r = cgroup_file_write(dir->path, "memory.swap.max", "%s",
				      limit_text(dir, swap, text));
		if (r == -ENOENT) /* a host that does not account for swap */
			r = 0;
		else if (r < 0)
			(void)error_set(err, -r, FIELD("memory.swap"));
	}
	return r;
}

static int set_memory(const struct host_cgroup *cgroup, const struct host_limits *limits,
		      struct error *err)
{
	const struct host_cgroup_dir *dir = host_cgroup_find(cgroup, CGROUP_MEMORY);
	int r;

	if (!dir)
		return 0;
	r = dir->is_unified ? set_memory_v2(dir, limits, err) : set_memory_v1(dir, limits, err);
	if (!r && limits->memory_reservation) {
		char text[VALUE_SIZE];

		r = set(dir, dir->is_unified ? "memory.low" : "memory.soft_limit_in_bytes",
			limit_text(dir, limits->memory_reservation, text),
			FIELD("memory.reservation"), err);
	}
	return r;
}

static int set_tasks(const struct host_cgroup *cgroup, const struct host_limits *limits,
		     struct error *err)
{
	const struct host_cgroup_dir *dir = host_cgroup_find(cgroup, CGROUP_PIDS);
	char text[VALUE_SIZE];

	if (!dir || !limits->tasks)
		return 0;
	return set(dir, "pids.max",
		   limits->tasks < 0 ? "max" : limit_text(dir, limits->tasks, text),
		   FIELD("pids.limit"), err);
}

/* --- processors ---------------------------------------------------------------------------- */

static int set_shares(const struct host_cgroup_dir *dir, uint64_t shares, struct error *err)
{
	char text[VALUE_SIZE];

	(void)snprintf(text, sizeof(text), "%" PRIu64,
		       dir->is_unified ? cpu_weight_of_shares(shares) : shares);
	return set(dir, dir->is_unified ? "cpu.weight" : "cpu.shares", text, FIELD("cpu.shares"),
		   err);
}

static int set_quota_v2(const struct host_cgroup_dir *dir, const struct host_limits *limits,
			struct error *err)
{
	char quota[VALUE_SIZE];
	char text[2 * VALUE_SIZE];

	(void)snprintf(text, sizeof(text), "%s %" PRId64,
		       limits->cpu_quota > 0 ? limit_text(dir, limits->cpu_quota, quota) : "max",
		       limits->cpu_period ? limits->cpu_period : PERIOD_DEFAULT);
	return set(dir, "cpu.max", text, FIELD("cpu.quota"), err);
}

static int set_quota_v1(const struct host_cgroup_dir *dir, const struct host_limits *limits,
			struct error *err)
{
	bool has_period = limits->cpu_period != 0;
	char text[VALUE_SIZE];
	int r = 0;

	/* With the old quota the new period can be more than a parent allows; then it goes last. */
	if (has_period &&
	    cgroup_file_write(dir->path, "cpu.cfs_period_us", "%" PRId64, limits->cpu_period) == 0)
		has_period = false;
	if (limits->cpu_quota)
		r = set(dir, "cpu.cfs_quota_us", limit_text(dir, limits->cpu_quota, text),
			FIELD("cpu.quota"), err);
	if (!r && has_period)
		r = set(dir, "cpu.cfs_period_us", limit_text(dir, limits->cpu_period, text),
			FIELD("cpu.period"), err);
	return r;
}

static int set_burst(const struct host_cgroup_dir *dir, int64_t burst, struct error *err)
{
	char text[VALUE_SIZE];

	(void)snprintf(text, sizeof(text), "%" PRId64, burst);
	return set_or_leave(dir, dir->is_unified ? "cpu.max.burst" : "cpu.cfs_burst_us", text,
			    FIELD("cpu.burst"), err);
}

/* The name of what is asked of the cpu controller, or NULL. */
static const char *cpu_field(const struct host_limits *limits)
{
	if (limits->cpu_shares)
		return FIELD("cpu.shares");
	if (limits->has_cpu_idle && limits->is_cpu_idle)
		return FIELD("cpu.idle");
	return NULL;
}

static int set_cpu(const struct host_cgroup *cgroup, const struct host_limits *limits,
		   struct error *err)
{
	const struct host_cgroup_dir *dir = host_cgroup_find(cgroup, CGROUP_CPU);
	int r = 0;

	if (!dir)
		return cpu_field(limits) &&
				       !require(cgroup, CGROUP_CPU, "cpu", cpu_field(limits), err)
			       ? -err->code
			       : 0;
	/* The weight of an idle group cannot be changed, nor a quota be less than the burst. */
	if (limits->cpu_shares && limits->has_cpu_idle)
		r = set_or_leave(dir, "cpu.idle", "0", FIELD("cpu.idle"), err);
	if (!r && limits->cpu_shares)
		r = set_shares(dir, limits->cpu_shares, err);
	if (!r && limits->cpu_quota > 0 && limits->has_cpu_burst)
		r = set_burst(dir, 0, err);
	if (!r && (limits->cpu_quota || limits->cpu_period))
		r = dir->is_unified ? set_quota_v2(dir, limits, err)
				    : set_quota_v1(dir, limits, err);
	if (!r && limits->has_cpu_burst)
		r = set_burst(dir, limits->cpu_burst, err);
	if (!r && limits->has_cpu_idle)
		r = set_or_leave(dir, "cpu.idle", limits->is_cpu_idle ? "1" : "0",
				 FIELD("cpu.idle"), err);
	return r;
}

static int set_cpuset(const struct host_cgroup *cgroup, const struct host_limits *limits,
		      struct error *err)
{
	const struct {
		const char *value, *file, *field;
	} settings[] = {
		{ limits->cpus, "cpuset.cpus", FIELD("cpu.cpus") },
		{ limits->mems, "cpuset.mems", FIELD("cpu.mems") },
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(settings); i++) {
		const struct host_cgroup_dir *dir;

		if (!settings[i].value || !*settings[i].value)
			continue;
		dir = require(cgroup, CGROUP_CPUSET, "cpuset", settings[i].field, err);
		r = dir ? set(dir, settings[i].file, settings[i].value, settings[i].field, err)
			: -err->code;
	}
	return r;
}

/* --- block devices ------------------------------------------------------------------------- */

static const char *const list_fields[NR_BLOCK_IO_LISTS] = {
	[BLOCK_IO_WEIGHT] = FIELD("blockIO.weightDevice"),
	[BLOCK_IO_READ_BPS] = FIELD("blockIO.throttleReadBpsDevice"),
	[BLOCK_IO_WRITE_BPS] = FIELD("blockIO.throttleWriteBpsDevice"),
	[BLOCK_IO_READ_IOPS] = FIELD("blockIO.throttleReadIOPSDevice"),
	[BLOCK_IO_WRITE_IOPS] = FIELD("blockIO.throttleWriteIOPSDevice"),
};

/*
 * The weight belongs to a scheduler: BFQ's files take it as it is, in both versions; those of
 * version 2 itself want 1..10000 for 10..1000.
 */
static int set_io_weight(const struct host_cgroup_dir *dir, const char *device, uint64_t weight,
			 const char *field, struct error *err)
{
	const char *bfq = dir->is_unified ? "io.bfq.weight" : "blkio.bfq.weight";
	const char *device_file = *device && !dir->is_unified ? "_device" : "";
	char file[VALUE_SIZE];
	int r;

	(void)snprintf(file, sizeof(file), "%s%s", bfq, device_file);
	r = cgroup_file_write(dir->path, file, "%s%" PRIu64, device, weight);
	if (r != -ENOENT && r != -EOPNOTSUPP)
		return r < 0 ? error_set(err, -r, "%s: write %s/%s", field, dir->path, file) : 0;
	(void)snprintf(file, sizeof(file), "%s%s", dir->is_unified ? "io.weight" : "blkio.weight",
		       device_file);
	if (dir->is_unified)
		weight = 1 + (weight < 10 ? 0 : weight - 10) * 9999 / 990;
	r = cgroup_file_write(dir->path, file, "%s%" PRIu64, device, weight);
	return r < 0 ? error_set(err, -r, "%s: write %s/%s", field, dir->path, file) : 0;
}

static int set_io_device(const struct host_cgroup_dir *dir, enum block_io_list list,
			 const struct block_io_device *item, struct error *err)
{
	static const char *const files_v1[NR_BLOCK_IO_LISTS] = {
		[BLOCK_IO_READ_BPS] = "blkio.throttle.read_bps_device",
		[BLOCK_IO_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[BLOCK_IO_READ_IOPS] = "blkio.throttle.read_iops_device",
		[BLOCK_IO_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	static const char *const keys_v2[NR_BLOCK_IO_LISTS] = {
		[BLOCK_IO_READ_BPS] = "rbps=",
		[BLOCK_IO_WRITE_BPS] = "wbps=",
		[BLOCK_IO_READ_IOPS] = "riops=",
		[BLOCK_IO_WRITE_IOPS] = "wiops=",
	};
	char text[2 * VALUE_SIZE];

	if (list == BLOCK_IO_WEIGHT) {
		(void)snprintf(text, sizeof(text), "%u:%u ", item->major, item->minor);
		return set_io_weight(dir, text, item->value, list_fields[list], err);
	}
	/* 0 takes a limit away; version 2 has another word for it. */
	if (dir->is_unified && item->value == 0)
		(void)snprintf(text, sizeof(text), "%u:%u %smax", item->major, item->minor,
			       keys_v2[list]);
	else
		(void)snprintf(text, sizeof(text), "%u:%u %s%" PRIu64, item->major, item->minor,
			       dir->is_unified ? keys_v2[list] : "", item->value);
	return set(dir, dir->is_unified ? "io.max" : files_v1[list], text, list_fields[list], err);
}

static const char *io_field(const struct host_limits *limits)
{
	for (size_t i = 0; limits->io && i < NR_BLOCK_IO_LISTS; i++)
		if (limits->io->lists[i].count)
			return list_fields[i];
	return limits->io && limits->io->weight ? FIELD("blockIO.weight") : NULL;
}

static int set_io(const struct host_cgroup *cgroup, const struct host_limits *limits,
		  struct error *err)
{
	const char *field = io_field(limits);
	const struct host_cgroup_dir *dir;
	int r = 0;

	if (!field)
		return 0;
	dir = require(cgroup, CGROUP_IO, "io (blkio)", field, err);
	if (!dir)
		return -err->code;
	if (limits->io->weight)
		r = set_io_weight(dir, "", limits->io->weight, FIELD("blockIO.weight"), err);
	for (unsigned int list = 0; list < NR_BLOCK_IO_LISTS; list++)
		for (size_t i = 0; !r && i < limits->io->lists[list].count; i++)
			r = set_io_device(dir, (enum block_io_list)list,
					  &limits->io->lists[list].items[i], err);
	return r;
}

const char *host_limits_field(const struct host_limits *limits)
{
	if (cpu_field(limits))
		return cpu_field(limits);
	if (limits->cpus && *limits->cpus)
		return FIELD("cpu.cpus");
	if (limits->mems && *limits->mems)
		return FIELD("cpu.mems");
	return io_field(limits);
}

int host_limits_apply(const struct host_cgroup *cgroup, const struct host_limits *limits,
		      struct error *err)
{
	int r = set_memory(cgroup, limits, err);

	if (!r)
		r = set_tasks(cgroup, limits, err);
	if (!r)
		r = set_cpu(cgroup, limits, err);
	if (!r)
		r = set_cpuset(cgroup, limits, err);
	if (!r)
		r = set_io(cgroup, limits, err);
	return r;
}

uint64_t host_limits_nodes(uint64_t memory_bytes)
{
	return min_u64(memory_bytes / GUEST_NODE_SIZE, NODES_MAX);
}

uint64_t host_limits_memory_overhead(uint64_t memory_bytes)
{
	return OVERHEAD_FIXED + memory_bytes / OVERHEAD_SHARE +
	       host_limits_nodes(memory_bytes) * HOST_NODE_SIZE;
}

int64_t host_limits_tasks(unsigned int nr_vcpus)
{
	return TASKS_BESIDE_VCPUS + (int64_t)nr_vcpus;
}
