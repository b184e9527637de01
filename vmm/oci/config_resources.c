/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: memory and CPU limits shape the virtual machine. A limit that only a
 * control group could enforce is refused when it limits anything; what engines send for "none"
 * (absent, 0, -1, empty) is accepted. Device rules are accepted as they are: they are about the
 * devices inside the virtual machine, which are all its own.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define MIB ((uint64_t)1 << 20)
#define QUOTA_MIN 1000 /* microseconds, as the kernel's CPU controller has it */
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define PERIOD_DEFAULT 100000
#define SWAPPINESS_MAX 100
#define DEVICE_NUMBER_MIN (-1) /* a wildcard */

/* Refuse the number member @name of @object when it is above zero. */
static int refuse_positive(const struct json_field *object, const char *name,
			   struct config_notes *notes, struct error *err)
{
	struct json_field field = json_field_member(object, name);
	int64_t value = 0;
	int r = json_field_get_int(&field, INT64_MIN, INT64_MAX, &value, err);

	return r < 0 || value <= 0 ? r : config_refuse(notes, &field, err);
}

static int parse_memory_limit(const struct json_field *memory, struct container_config *config,
			      struct config_notes *notes, struct error *err)
{
	struct json_field limit_field = json_field_member(memory, "limit");
	struct json_field swap_field = json_field_member(memory, "swap");
	int64_t limit = 0;
	int64_t swap = 0;
	int r = json_field_get_int(&limit_field, -1, (int64_t)CONTAINER_MEMORY_MAX, &limit, err);

	if (!r)
		r = json_field_get_int(&swap_field, -1, INT64_MAX, &swap, err);
	if (r < 0)
		return r;
	/* The guest has no swap: a limit on memory and swap together holds if memory's does. */
	if (swap > 0 && limit <= 0)
		return json_field_error(&swap_field, err, "needs a memory limit");
	if (swap > 0 && swap < limit)
		return json_field_error(&swap_field, err, "is smaller than the memory limit");
	if (limit <= 0)
		return 0;
	config->memory_bytes = align_up((uint64_t)limit, MIB);
	if (config->memory_bytes >= CONTAINER_MEMORY_MIN)
		return 0;
	config->memory_bytes = CONTAINER_MEMORY_MIN;
	return config_warn(notes, &limit_field, err,
			   "%" PRId64 " is raised to %" PRIu64 ", the smallest virtual machine",
			   limit, CONTAINER_MEMORY_MIN);
}

static int parse_memory(const struct json_field *memory, struct container_config *config,
			struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "reservation", "kernel", "kernelTCP" };
	struct json_field swappiness = json_field_member(memory, "swappiness");
	struct json_field keep_alive = json_field_member(memory, "disableOOMKiller");
	bool is_kept_alive = false;
	int64_t value;
	int r = json_field_check_object(memory, err);

	if (!r)
		r = parse_memory_limit(memory, config, notes, err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(refused); i++)
		r = refuse_positive(memory, refused[i], notes, err);
	if (!r)
		r = json_field_get_int(&swappiness, 0, SWAPPINESS_MAX, &value, err);
	if (!r && !json_field_is_absent(&swappiness))
		r = config_warn(notes, &swappiness, err,
				"has no meaning in a virtual machine without swap");
	if (!r)
		r = json_field_get_bool(&keep_alive, &is_kept_alive, err);
	if (!r && is_kept_alive)
		r = config_refuse(notes, &keep_alive, err);
	return r;
}

static int parse_cpu_quota(const struct json_field *cpu, struct container_config *config,
			   struct config_notes *notes, struct error *err)
{
	struct json_field quota_field = json_field_member(cpu, "quota");
	struct json_field period_field = json_field_member(cpu, "period");
	int64_t quota = 0;
	int64_t period = 0;
	int64_t nr_vcpus;
	int r = json_field_get_int(&quota_field, -1, INT64_MAX - PERIOD_MAX, &quota, err);

	if (!r)
		r = json_field_get_int(&period_field, 0, PERIOD_MAX, &period, err);
	if (r < 0)
		return r;
	if (period == 0)
		period = PERIOD_DEFAULT;
	if (period < PERIOD_MIN)
		return json_field_error(&period_field, err, "must be at least %d", PERIOD_MIN);
	if (quota <= 0)
		return 0;
	if (quota < QUOTA_MIN)
		return json_field_error(&quota_field, err, "must be at least %d", QUOTA_MIN);
	nr_vcpus = (quota + period - 1) / period;
	if (nr_vcpus > CONTAINER_VCPUS_MAX)
		nr_vcpus = CONTAINER_VCPUS_MAX;
	config->nr_vcpus = (unsigned int)nr_vcpus;
	if (quota != nr_vcpus * period)
		return config_warn(notes, &quota_field, err,
				   "becomes %u virtual CPUs, which may run all the time",
				   config->nr_vcpus);
	return 0;
}

static int parse_cpu(const struct json_field *cpu, struct container_config *config,
		     struct config_notes *notes, struct error *err)
{
	static const char *const refused_numbers[] = { "shares", "burst", "realtimeRuntime",
						       "realtimePeriod", "idle" };
	static const char *const refused_texts[] = { "cpus", "mems" };
	int r = json_field_check_object(cpu, err);

	if (!r)
		r = parse_cpu_quota(cpu, config, notes, err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(refused_numbers); i++)
		r = refuse_positive(cpu, refused_numbers[i], notes, err);
	if (!r)
		r = config_refuse_members(notes, cpu, refused_texts, ARRAY_SIZE(refused_texts),
					  err);
	return r;
}

static int check_block_io(const struct json_field *block_io, struct config_notes *notes,
			  struct error *err)
{
	static const char *const refused[] = {
		"weightDevice",		  "throttleReadBpsDevice",   "throttleWriteBpsDevice",
		"throttleReadIOPSDevice", "throttleWriteIOPSDevice",
	};
	int r = json_field_check_object(block_io, err);

	if (!r)
		r = refuse_positive(block_io, "weight", notes, err);
	if (!r)
		r = refuse_positive(block_io, "leafWeight", notes, err);
	if (!r)
		r = config_refuse_members(notes, block_io, refused, ARRAY_SIZE(refused), err);
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

static int check_device_rule(const struct json_field *rule, struct error *err)
{
	static const char *const types[] = { "a", "b", "c", "" };
	struct json_field allow = json_field_member(rule, "allow");
	struct json_field type = json_field_member(rule, "type");
	struct json_field access = json_field_member(rule, "access");
	struct json_field major = json_field_member(rule, "major");
	struct json_field minor = json_field_member(rule, "minor");
	const char *access_text = "";
	bool is_allowed;
	size_t index;
	int64_t number;
	int r = json_field_require_object(rule, err);

	if (!r)
		r = json_field_require(&allow, err);
	if (!r)
		r = json_field_get_bool(&allow, &is_allowed, err);
	if (!r && !json_field_is_absent(&type))
		r = json_field_get_choice(&type, types, ARRAY_SIZE(types), &index, err);
	if (!r)
		r = json_field_get_int(&major, DEVICE_NUMBER_MIN, UINT32_MAX, &number, err);
	if (!r)
		r = json_field_get_int(&minor, DEVICE_NUMBER_MIN, UINT32_MAX, &number, err);
	if (!r)
		r = json_field_get_string(&access, &access_text, err);
	if (!r && access_text[strspn(access_text, "rwm")])
		r = json_field_error(&access, err, "must be made of r, w and m");
	return r;
}

static int check_device_rules(const struct json_field *rules, struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(rules, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field rule = json_field_element(rules, i);

		r = check_device_rule(&rule, err);
	}
	return r;
}

int config_parse_resources(const struct json_field *field, struct container_config *config,
			   struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "hugepageLimits", "rdma", "unified" };
	struct json_field memory = json_field_member(field, "memory");
	struct json_field cpu = json_field_member(field, "cpu");
	struct json_field pids = json_field_member(field, "pids");
	struct json_field block_io = json_field_member(field, "blockIO");
	struct json_field network = json_field_member(field, "network");
	struct json_field devices = json_field_member(field, "devices");
	int r = json_field_check_object(field, err);

	config->memory_bytes = CONTAINER_MEMORY_DEFAULT;
	config->nr_vcpus = 1;
	if (!r)
		r = parse_memory(&memory, config, notes, err);
	if (!r)
		r = parse_cpu(&cpu, config, notes, err);
	if (!r)
		r = json_field_check_object(&pids, err);
	if (!r)
		r = refuse_positive(&pids, "limit", notes, err);
	if (!r)
		r = check_block_io(&block_io, notes, err);
	if (!r)
		r = check_network(&network, notes, err);
	if (!r)
		r = check_device_rules(&devices, err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	return r;
}
