/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_limits.h - what a container's control group on the host is allowed
 *
 * Numbers are those of config.json, in whose version 1 terms the specification speaks; they are
 * translated for version 2 as other runtimes do it. Members that are not given stay as they are, so
 * that the same function sets the limits of a new control group and changes those of an old one.
 *
 * Thread: any.
 * Spec:   config-linux.md, "Control groups".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/oci/container_resources.h"

/* 0 and NULL: not given, unless the member has a has_… of its own. */
struct host_limits {
	/*
	 * Bytes, -1: unlimited; swap is that of memory and swap together. These and tasks are
	 * enforced by the virtual machine as well: where the host has no such controller, nothing
	 * is amiss.
	 */
	int64_t memory, memory_reservation, memory_swap;
	int64_t tasks;

	/* The others need their controller: without it the error names the field of config.json. */
	uint64_t cpu_shares; /* 2 to 262144 */
	int64_t cpu_quota;   /* microseconds a period, -1: unlimited */
	int64_t cpu_period;  /* microseconds */
	bool has_cpu_burst, has_cpu_idle;
	int64_t cpu_burst; /* microseconds */
	bool is_cpu_idle;
	const char *cpus, *mems; /* "0-2,7" */
	const struct container_block_io *io;
};

/* The field of config.json whose limit only a host's control group can enforce; NULL: none. */
const char *host_limits_field(const struct host_limits *limits);

/*
 * Set the limits. On failure some may have been set; the error names the field of config.json, and
 * the file.
 */
int host_limits_apply(const struct host_cgroup *cgroup, const struct host_limits *limits,
		      struct error *err);

/*
 * How many files the guest in a virtual machine of @memory_bytes can know, or have open. The file
 * server is held to it: a guest may take no more of the host than what is added for it below.
 */
uint64_t host_limits_nodes(uint64_t memory_bytes);

/*
 * The memory that the processes around a virtual machine of @memory_bytes need, in bytes: what is
 * added to a container's limit, so that its own limit never kills it. Measured: vmm/README.md. Most
 * of it is for the files that the guest has looked up, if it fills its memory with them.
 */
uint64_t host_limits_memory_overhead(uint64_t memory_bytes);

/* The tasks that a container's processes may have: @nr_vcpus threads, those of devices, execs. */
int64_t host_limits_tasks(unsigned int nr_vcpus);
