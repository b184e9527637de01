/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: limits go to the guest, whose kernel enforces them on the container; memory
 * and CPU quota also shape the virtual machine. What neither could enforce is refused when it
 * limits anything; what engines send for "none" (absent, 0, -1, empty) is accepted.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_annotations.h"
#include "vmm/oci/config_sections.h"

#define MIB ((uint64_t)1 << 20)
#define SHARES_MIN 2 /* of version 1 of control groups */
#define SHARES_MAX 262144
#define QUOTA_MIN 1000 /* microseconds, as the kernel's CPU controller has it */
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define SWAPPINESS_MAX 100

/* Refuse the number member @name of @object when it is above zero. */
static int refuse_positive(const struct json_field *object, const char *name,
			   struct config_notes *notes, struct error *err)
{
	struct json_field field = json_field_member(object, name);
	int64_t value = 0;
	int r = json_field_get_int(&field, INT64_MIN, INT64_MAX, &value, err);

	return r < 0 || value <= 0 ? r : config_refuse(notes, &field, err);
}

/* Warn of it instead. */
static int warn_positive(const struct json_field *object, const char *name, const char *reason,
			 struct config_notes *notes, struct error *err)
{
	struct json_field field = json_field_member(object, name);
	int64_t value = 0;
	int r = json_field_get_int(&field, INT64_MIN, INT64_MAX, &value, err);

	return r < 0 || value <= 0 ? r : config_warn(notes, &field, err, "%s", reason);
}

static int parse_memory_limits(const struct json_field *memory,
			       struct container_resources *resources, struct error *err)
{
	struct json_field limit = json_field_member(memory, "limit");
	struct json_field swap = json_field_member(memory, "swap");
	struct json_field reservation = json_field_member(memory, "reservation");
	int r = json_field_get_int(&limit, -1, (int64_t)CONTAINER_MEMORY_MAX,
				   &resources->memory_limit, err);

	if (!r)
		r = json_field_get_int(&swap, -1, INT64_MAX, &resources->memory_swap, err);
	if (!r)
		r = json_field_get_int(&reservation, -1, INT64_MAX, &resources->memory_reservation,
				       err);
	if (r < 0)
		return r;
	/* The guest has no swap: a limit on memory and swap together holds if memory's does. */
	if (resources->memory_swap > 0 && resources->memory_limit <= 0)
		return json_field_error(&swap, err, "needs a memory limit");
	if (resources->memory_swap > 0 && resources->memory_swap < resources->memory_limit)
		return json_field_error(&swap, err, "is smaller than the memory limit");
	return 0;
}

/* Control groups of version 2 always count what is below them. */
static int check_hierarchy(const struct json_field *memory, struct config_notes *notes,
			   struct error *err)
{
	struct json_field hierarchy = json_field_member(memory, "useHierarchy");
	bool is_used = true;
	int r = json_field_get_bool(&hierarchy, &is_used, err);

	if (!r && !is_used)
		r = config_warn(notes, &hierarchy, err, "has no meaning: false is not possible");
	return r;
}

static int parse_memory(const struct json_field *memory, struct container_resources *resources,
			struct config_notes *notes, struct error *err)
{
	static const char kernel_reason[] = "has no meaning: kernel memory counts as memory";
	struct json_field swappiness = json_field_member(memory, "swappiness");
	struct json_field keep_alive = json_field_member(memory, "disableOOMKiller");
	struct json_field check = json_field_member(memory, "checkBeforeUpdate");
	bool is_kept_alive = false;
	int64_t value;
	int r = json_field_check_object(memory, err);

	if (!r)
		r = parse_memory_limits(memory, resources, err);
	if (!r)
		r = warn_positive(memory, "kernel", kernel_reason, notes, err);
	if (!r)
		r = warn_positive(memory, "kernelTCP", kernel_reason, notes, err);
	if (!r)
		r = json_field_get_int(&swappiness, 0, SWAPPINESS_MAX, &value, err);
	if (!r && !json_field_is_absent(&swappiness))
		r = config_warn(notes, &swappiness, err,
				"has no meaning in a virtual machine without swap");
	if (!r)
		r = json_field_get_bool(&check, &resources->checks_memory_before_update, err);
	if (!r)
		r = json_field_get_bool(&keep_alive, &is_kept_alive, err);
	if (!r && is_kept_alive)
		r = config_refuse(notes, &keep_alive, err);
	if (!r)
		r = check_hierarchy(memory, notes, err);
	return r;
}

static int parse_cpu_quota(const struct json_field *cpu, struct container_resources *resources,
			   struct error *err)
{
	struct json_field quota = json_field_member(cpu, "quota");
	struct json_field period = json_field_member(cpu, "period");
	struct json_field burst = json_field_member(cpu, "burst");
	int r = json_field_get_int(&quota, -1, INT64_MAX - PERIOD_MAX, &resources->cpu_quota, err);

	if (!r)
		r = json_field_get_int(&period, 0, PERIOD_MAX, &resources->cpu_period, err);
	if (!r)
		r = json_field_get_int(&burst, 0, INT64_MAX, &resources->cpu_burst, err);
	if (r < 0)
		return r;
	resources->has_cpu_burst = !json_field_is_absent(&burst);
	if (resources->cpu_period && resources->cpu_period < PERIOD_MIN)
		return json_field_error(&period, err, "must be at least %d", PERIOD_MIN);
	if (resources->cpu_quota > 0 && resources->cpu_quota < QUOTA_MIN)
		return json_field_error(&quota, err, "must be at least %d", QUOTA_MIN);
	if (resources->cpu_quota > 0 && resources->cpu_burst > resources->cpu_quota)
		return json_field_error(&burst, err, "is larger than the quota");
	return 0;
}

/* "0-2,7" or nothing. */
static bool is_number_list(const char *text)
{
	bool is_range = false;

	for (; isdigit((unsigned char)*text); text++) {
		text += strspn(text, "0123456789");
		if (*text == '-' && is_range)
			return false;
		is_range = *text == '-';
		if (!*text)
			return true;
		if (*text != ',' && *text != '-')
			return false;
	}
	return false;
}

static int parse_number_list(const struct json_field *cpu, const char *name, char **ret,
			     struct error *err)
{
	struct json_field field = json_field_member(cpu, name);
	const char *text = "";
	int r = json_field_get_string(&field, &text, err);

	if (r < 0 || !*text)
		return r;
	if (!is_number_list(text))
		return json_field_error(&field, err, "must be a list of numbers like \"0-2,7\"");
	return json_field_copy_string(&field, ret, err);
}

static int parse_cpu(const struct json_field *cpu, struct container_resources *resources,
		     struct config_notes *notes, struct error *err)
{
	struct json_field shares = json_field_member(cpu, "shares");
	struct json_field idle = json_field_member(cpu, "idle");
	int64_t is_idle = 0;
	int r = json_field_check_object(cpu, err);

	if (!r)
		r = parse_cpu_quota(cpu, resources, err);
	if (!r)
		r = json_field_get_u64(&shares, &resources->cpu_shares, err);
	/* As version 1 has it: what is out of range counts as the end of the range. */
	if (resources->cpu_shares > SHARES_MAX)
		resources->cpu_shares = SHARES_MAX;
	if (resources->cpu_shares && resources->cpu_shares < SHARES_MIN)
		resources->cpu_shares = SHARES_MIN;
	if (!r)
		r = json_field_get_int(&idle, 0, 1, &is_idle, err);
	resources->has_cpu_idle = !json_field_is_absent(&idle);
	resources->is_cpu_idle = is_idle;
	if (!r)
		r = refuse_positive(cpu, "realtimeRuntime", notes, err);
	if (!r)
		r = refuse_positive(cpu, "realtimePeriod", notes, err);
	if (!r)
		r = parse_number_list(cpu, "cpus", &resources->cpus, err);
	if (!r)
		r = parse_number_list(cpu, "mems", &resources->mems, err);
	return r;
}

/* A guest has no pools of huge pages: the limit 0, which Kubernetes sends, is the one it has. */
static int check_huge_pages(const struct json_field *limits, struct config_notes *notes,
			    struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(limits, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(limits, i);
		struct json_field limit = json_field_member(&element, "limit");
		struct json_field size = json_field_member(&element, "pageSize");
		const char *text = "";
		uint64_t value = 0;

		r = json_field_require_object(&element, err);
		if (!r)
			r = json_field_get_string(&size, &text, err);
		if (!r)
			r = json_field_get_u64(&limit, &value, err);
		if (!r && value)
			r = config_refuse(notes, &limit, err);
	}
	return r;
}

static int check_network(const struct json_field *network, struct config_notes *notes,
			 struct error *err)
{
	static const char *const refused[] = { "priorities" };
	int r = json_field_check_object(network, err);

	if (!r)
		r = refuse_positive(network, "classID", notes, err);
	if (!r)
		r = config_refuse_members(notes, network, refused, ARRAY_SIZE(refused), err);
	return r;
}

/* The shape of the virtual machine. */
static int size_machine(const struct json_field *resources, struct container_config *config,
			struct error *err)
{
	struct json_field memory = json_field_member(resources, "memory");
	struct json_field field = json_field_member(&memory, "limit");
	uint64_t limit = (uint64_t)config->resources.memory_limit;
	uint64_t vcpus = container_resources_vcpus(&config->resources);

	config->memory_bytes = align_up(config->defaults.memory_bytes, MIB);
	if (config->resources.memory_limit > 0)
		config->memory_bytes = container_memory_size(limit);
	if (config->annotated_memory && config->resources.memory_limit > 0 &&
	    config->annotated_memory < config->memory_bytes)
		return json_field_error(&field, err,
					"needs a virtual machine of %" PRIu64
					" bytes, more than the %" PRIu64
					" of annotation " ANNOTATION_MEMORY,
					config->memory_bytes, config->annotated_memory);
	if (config->annotated_memory)
		config->memory_bytes = align_up(config->annotated_memory, MIB);
	config->nr_vcpus = config->defaults.nr_vcpus;
	if (config->annotated_vcpus)
		config->nr_vcpus = config->annotated_vcpus;
	else if (vcpus)
		config->nr_vcpus = (unsigned int)min_u64(vcpus, CONTAINER_VCPUS_MAX);
	return 0;
}

int config_parse_limits(const struct json_field *field, struct container_resources *resources,
			struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "rdma" };
	struct json_field memory = json_field_member(field, "memory");
	struct json_field cpu = json_field_member(field, "cpu");
	struct json_field pids = json_field_member(field, "pids");
	struct json_field pids_limit = json_field_member(&pids, "limit");
	struct json_field block_io = json_field_member(field, "blockIO");
	struct json_field network = json_field_member(field, "network");
	struct json_field huge_pages = json_field_member(field, "hugepageLimits");
	struct json_field unified = json_field_member(field, "unified");
	int r = json_field_check_object(field, err);

	if (!r)
		r = parse_memory(&memory, resources, notes, err);
	if (!r)
		r = parse_cpu(&cpu, resources, notes, err);
	if (!r)
		r = json_field_check_object(&pids, err);
	if (!r)
		r = json_field_get_int(&pids_limit, -1, INT64_MAX, &resources->pids_limit, err);
	if (!r)
		r = config_parse_block_io(&block_io, &resources->block_io, notes, err);
	if (!r)
		r = check_network(&network, notes, err);
	if (!r)
		r = check_huge_pages(&huge_pages, notes, err);
	if (!r)
		r = config_parse_unified(&unified, resources, notes, err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	return r;
}

int config_parse_resources(const struct json_field *field, struct container_config *config,
			   struct config_notes *notes, struct error *err)
{
	struct json_field devices = json_field_member(field, "devices");
	int r = config_parse_limits(field, &config->resources, notes, err);

	if (!r)
		r = config_parse_device_rules(&devices, &config->resources, err);
	return r < 0 ? r : size_machine(field, config, err);
}
