/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_resources.h - the "resources" object: limits of a container, checked
 *
 * The guest's kernel enforces them with control groups of version 2; the host sizes the virtual
 * machine by them and may limit it with its own control groups.
 *
 * Spec: OCI runtime specification, config-linux.md "Control groups".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_MEMORY_MAX ((uint64_t)1 << 40) /* bytes; a larger limit is refused */
#define UNIFIED_NAME_MAX 63u			 /* bytes of a file's name; the kernel's bound */
#define DEVICE_RULE_ANY (-1)			 /* major or minor: any */

/*
 * Rules of a configuration that have an effect. The guest's kernel checks each with every other:
 * 100 do not show in the time of a start, 512 took five times as much as all the rest of it.
 */
#define CONTAINER_DEVICE_RULES_MAX 128u

enum device_rule_access {
	DEVICE_MAKE = 1, /* BPF_DEVCG_ACC_… of the kernel */
	DEVICE_READ = 2,
	DEVICE_WRITE = 4,
	DEVICE_ACCESS_ALL = 7,
};

/* One entry of "devices". */
struct device_rule {
	bool is_allowed;
	char type;	      /* 'a', 'b', 'c' */
	int64_t major, minor; /* or DEVICE_RULE_ANY */
	unsigned int access;  /* bits of enum device_rule_access */
};

/* One entry of the lists of "blockIO". */
struct block_io_device {
	uint32_t major, minor;
	uint64_t value; /* weight, bytes or operations a second */
};

enum block_io_list {
	BLOCK_IO_WEIGHT,
	BLOCK_IO_READ_BPS,
	BLOCK_IO_WRITE_BPS,
	BLOCK_IO_READ_IOPS,
	BLOCK_IO_WRITE_IOPS,
	NR_BLOCK_IO_LISTS,
};

struct container_block_io {
	uint32_t weight; /* 10 to 1000; 0: not given */
	struct {
		struct block_io_device *items;
		size_t count;
	} lists[NR_BLOCK_IO_LISTS];
};

/* One entry of "unified": a file of the container's control group in the guest. */
struct unified_control {
	char *file; /* "<controller>.<parameter>" */
	char *value;
};

/* As runc has it, 0 is "not given" for all numbers but those with a has_… of their own. */
struct container_resources {
	int64_t memory_limit, memory_reservation, memory_swap; /* bytes; -1: unlimited */
	bool checks_memory_before_update;
	int64_t pids_limit;  /* -1: unlimited */
	uint64_t cpu_shares; /* 2 to 262144, 1024 being an ordinary group's */
	int64_t cpu_quota;   /* microseconds a period; -1: unlimited */
	int64_t cpu_period;  /* microseconds */
	bool has_cpu_burst, has_cpu_idle;
	int64_t cpu_burst; /* microseconds that may be saved up */
	bool is_cpu_idle;  /* runs only when nothing else wants to */
	char *cpus, *mems; /* lists of host processors and memory nodes, "0-2,7"; NULL */
	struct container_block_io block_io;
	struct unified_control *unified;
	size_t nr_unified;
	/* In order, those that every container gets at the end. The last that fits decides. */
	struct device_rule *device_rules;
	size_t nr_device_rules;
};

void container_resources_clear(struct container_resources *resources);

/* The weight (1 to 10000) of control groups version 2 that stands for @shares of version 1. */
uint64_t cpu_weight_of_shares(uint64_t shares);

/*
 * What a guest needs above the container's memory, so that the container's limit is reached before
 * the guest's own: bytes for a @limit in bytes.
 */
uint64_t container_memory_overhead(uint64_t limit);

/* Bytes of the virtual machine for a container with that @limit: whole MiB. */
uint64_t container_memory_size(uint64_t limit);

/* How many processors use up the quota, 1 or more; 0 when there is no quota. */
uint64_t container_resources_vcpus(const struct container_resources *resources);

/* The largest limit in bytes that a guest of @memory_bytes has room for. */
uint64_t container_memory_capacity(uint64_t memory_bytes);

/*
 * The "resources" object of protocol.h: everything that the guest's kernel enforces. NULL without
 * memory.
 */
json_t *container_resources_plan(const struct container_resources *resources);
