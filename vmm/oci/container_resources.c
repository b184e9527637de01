/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/container_resources.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/container_defaults.h"

#define SHARES_MIN 2u
#define SHARES_MAX 262144u
#define WEIGHT_MAX 10000u
#define PIDS_MAX 4194304 /* PID_MAX_LIMIT of the kernel */
#define PERIOD_DEFAULT 100000
#define MIB (UINT64_C(1) << 20)

/*
 * Parts of the guest's memory that a container cannot have. Measured with one processor, in MiB:
 *
 *   memory of the VM                          73      304     1096
 *   kernel image, page descriptors          13.1     17.7     32.0   (VM's memory - MemTotal)
 *   kernel and guest-init at run time       10.2     11.4     19.5   (MemTotal - MemFree)
 *   kept free by the kernel                  0.9      2.1     44.0   (vm.min_free_kbytes)
 *
 * What is kept free is a twentieth of the memory, at most 44 MiB, in guests of 512 MiB and more,
 * which have transparent huge pages. Being generous costs nothing: the host provides what is used.
 */
#define OVERHEAD_FIXED (UINT64_C(32) << 20)
#define OVERHEAD_SHIFT 5  /* one part in 32 */
#define KEPT_FREE_SHIFT 4 /* one part in 16 … */
#define KEPT_FREE_MAX (UINT64_C(48) << 20)

void container_resources_clear(struct container_resources *resources)
{
	free(resources->cpus);
	free(resources->mems);
	for (size_t i = 0; i < NR_BLOCK_IO_LISTS; i++)
		free(resources->block_io.lists[i].items);
	for (size_t i = 0; i < resources->nr_unified; i++) {
		free(resources->unified[i].file);
		free(resources->unified[i].value);
	}
	free(resources->unified);
	free(resources->device_rules);
	*resources = (struct container_resources){ 0 };
}

/* A straight line through (2, 1) and (262144, 10000), as in the documentation of runc and crun. */
uint64_t cpu_weight_of_shares(uint64_t shares)
{
	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return WEIGHT_MAX;
	return 1 + (shares - SHARES_MIN) * (WEIGHT_MAX - 1) / (SHARES_MAX - SHARES_MIN);
}

uint64_t container_memory_overhead(uint64_t limit)
{
	uint64_t kept_free = limit >> KEPT_FREE_SHIFT;

	if (kept_free > KEPT_FREE_MAX)
		kept_free = KEPT_FREE_MAX;
	return OVERHEAD_FIXED + (limit >> OVERHEAD_SHIFT) + kept_free;
}

uint64_t container_memory_size(uint64_t limit)
{
	uint64_t size = align_up(limit + container_memory_overhead(limit), MIB);

	return size < CONTAINER_MEMORY_MIN ? CONTAINER_MEMORY_MIN : size;
}

uint64_t container_resources_vcpus(const struct container_resources *resources)
{
	uint64_t quota = (uint64_t)resources->cpu_quota;
	uint64_t period = resources->cpu_period ? (uint64_t)resources->cpu_period : PERIOD_DEFAULT;

	if (resources->cpu_quota <= 0)
		return 0;
	return quota / period + (quota % period != 0);
}

uint64_t container_memory_capacity(uint64_t memory_bytes)
{
	uint64_t low = 0, high = memory_bytes; /* low fits, high does not */

	while (low + 1 < high) {
		uint64_t limit = low + (high - low) / 2;

		if (limit + container_memory_overhead(limit) <= memory_bytes)
			low = limit;
		else
			high = limit;
	}
	return low;
}

/* Append @element, which it takes; *@array becomes NULL when there is no memory. */
static void append(json_t **array, json_t *element)
{
	if (json_array_append_new(*array, element) < 0) {
		json_decref(*array);
		*array = NULL;
	}
}

static void add(json_t **controls, const char *file, const char *value, const char *field)
{
	append(controls, json_pack("{s:s, s:s, s:s+}", "file", file, "value", value, "field",
				   "linux.resources.", field));
}

/* A number, or "max" for -1; nothing for 0. */
static void add_limit(json_t **controls, const char *file, int64_t limit, const char *field)
{
	char value[24];

	(void)snprintf(value, sizeof(value), "%" PRId64, limit);
	if (limit)
		add(controls, file, limit < 0 ? "max" : value, field);
}

static void add_cpu_limit(json_t **controls, const struct container_resources *resources)
{
	int64_t period = resources->cpu_period ? resources->cpu_period : PERIOD_DEFAULT;
	char value[48];

	/* A quota cannot be less than what may be saved up. */
	if (resources->has_cpu_burst && resources->cpu_quota > 0)
		add(controls, "cpu.max.burst", "0", "cpu.burst");
	if (resources->cpu_quota > 0) {
		(void)snprintf(value, sizeof(value), "%" PRId64 " %" PRId64, resources->cpu_quota,
			       period);
		add(controls, "cpu.max", value, "cpu.quota");
	} else if (resources->cpu_quota < 0 || resources->cpu_period) {
		(void)snprintf(value, sizeof(value), "max %" PRId64, period);
		add(controls, "cpu.max", value, "cpu.period");
	}
	if (resources->has_cpu_burst) {
		(void)snprintf(value, sizeof(value), "%" PRId64, resources->cpu_burst);
		add(controls, "cpu.max.burst", value, "cpu.burst");
	}
}

static json_t *build_controls(const struct container_resources *resources)
{
	json_t *controls = json_array();

	add_limit(&controls, "memory.max", resources->memory_limit, "memory.limit");
	add_limit(&controls, "memory.low", resources->memory_reservation, "memory.reservation");
	/* The weight of an idle group cannot be changed: it is set while the group is not. */
	if (resources->has_cpu_idle && (resources->cpu_shares || !resources->is_cpu_idle))
		add(&controls, "cpu.idle", "0", "cpu.idle");
	if (resources->cpu_shares)
		add_limit(&controls, "cpu.weight",
			  (int64_t)cpu_weight_of_shares(resources->cpu_shares), "cpu.shares");
	if (resources->has_cpu_idle && resources->is_cpu_idle)
		add(&controls, "cpu.idle", "1", "cpu.idle");
	add_cpu_limit(&controls, resources);
	/* More than there can be is none: the kernel refuses such a number. */
	add_limit(&controls, "pids.max",
		  resources->pids_limit > PIDS_MAX ? -1 : resources->pids_limit, "pids.limit");
	for (size_t i = 0; i < resources->nr_unified; i++) {
		const struct unified_control *unified = &resources->unified[i];
		char field[UNIFIED_NAME_MAX + sizeof("unified.")];

		(void)snprintf(field, sizeof(field), "unified.%s", unified->file);
		add(&controls, unified->file, unified->value, field);
	}
	return controls;
}

static json_t *build_device_rules(const struct container_resources *resources)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < resources->nr_device_rules; i++) {
		const struct device_rule *rule = &resources->device_rules[i];

		append(&rules,
		       json_pack("{s:b, s:s#, s:I, s:I, s:i}", "allow", rule->is_allowed, "type",
				 &rule->type, 1, "major", (json_int_t)rule->major, "minor",
				 (json_int_t)rule->minor, "access", (int)rule->access));
	}
	return rules;
}

json_t *container_resources_plan(const struct container_resources *resources)
{
	json_t *controls = build_controls(resources);
	json_t *devices = build_device_rules(resources);

	return json_pack("{s:o, s:o}", "controls", controls, "devices", devices);
}
