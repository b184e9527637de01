/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/administrator_policy.h"

#include <inttypes.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/administrator_limits.h"
#include "vmm/oci/config_annotations.h"

bool administrator_permits_annotation(const struct administrator_config *administrator,
				      const char *name)
{
	for (size_t i = 0; i < administrator->annotations.count; i++) {
		const char *pattern = administrator->annotations.items[i];
		size_t len = strlen(pattern);

		if (pattern[len - 1] == '*' ? strncmp(name, pattern, len - 1) == 0
					    : strcmp(name, pattern) == 0)
			return true;
	}
	return false;
}

static int check_annotations(const struct administrator_config *administrator,
			     const struct container_config *config, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach (config->annotations, name, value) {
		if (config_annotation_has_effect(name) &&
		    !administrator_permits_annotation(administrator, name))
			return error_invalid(err,
					     CONTAINER_CONFIG_NAME
					     ": annotations.%s: \"annotations\" of %s does not "
					     "permit it",
					     name, administrator->path);
	}
	return 0;
}

/* @limit_name is a member of "limits". */
static int check_number(const struct administrator_config *administrator, const char *file,
			const char *field, uint64_t asked, const char *limit_name, uint64_t limit,
			struct error *err)
{
	if (asked <= limit)
		return 0;
	return error_invalid(
		err, "%s: %s asks for %" PRIu64 ", more than limits.%s of %s, which is %" PRIu64,
		file, field, asked, limit_name, administrator->path, limit);
}

int administrator_check_container(const struct administrator_config *administrator,
				  const struct container_config *config, struct error *err)
{
	const struct administrator_limits *limits = &administrator->limits;
	const struct container_resources *resources = &config->resources;
	const struct {
		const char *field;
		uint64_t asked;
		const char *limit_name;
		uint64_t limit;
	} numbers[] = {
		{ "linux.resources.memory.limit",
		  resources->memory_limit > 0 ? (uint64_t)resources->memory_limit : 0, "memory",
		  limits->memory },
		{ "linux.resources.cpu.quota", container_resources_vcpus(resources), "vcpus",
		  limits->vcpus },
		{ "annotations." ANNOTATION_VCPUS, config->annotated_vcpus, "vcpus",
		  limits->vcpus },
		{ "linux.devices", config->nr_devices, "devices", limits->devices },
		{ "mounts", config->nr_mounts, "mounts", limits->mounts },
	};
	int r = check_annotations(administrator, config, err);

	/* Whatever its limit: a container that takes over its kernel has all of the machine. */
	if (!r && config->annotated_memory > administrator_machine_limit(limits))
		r = error_invalid(err,
				  CONTAINER_CONFIG_NAME
				  ": annotations." ANNOTATION_MEMORY " asks for %" PRIu64
				  ", more than the %" PRIu64
				  " that limits.memory of %s leaves a virtual machine",
				  config->annotated_memory, administrator_machine_limit(limits),
				  administrator->path);

	for (size_t i = 0; !r && i < ARRAY_SIZE(numbers); i++)
		r = check_number(administrator, CONTAINER_CONFIG_NAME, numbers[i].field,
				 numbers[i].asked, numbers[i].limit_name, numbers[i].limit, err);
	return r;
}

int administrator_set_network(const struct administrator_config *administrator,
			      struct container_config *config, struct error *err)
{
	return network_settings_merge(&administrator->network, &config->annotated_network,
				      &config->network, err);
}

/* The processors that may be used up: a machine without a quota has all of its own. */
static uint64_t usable_vcpus(const struct container_resources *resources, unsigned int nr_vcpus)
{
	uint64_t vcpus = container_resources_vcpus(resources);

	return vcpus ? vcpus : nr_vcpus;
}

int administrator_check_update(const struct administrator_config *administrator, const char *file,
			       const struct container_resources *before,
			       const struct container_resources *after, unsigned int nr_vcpus,
			       struct error *err)
{
	const struct administrator_limits *limits = &administrator->limits;
	uint64_t vcpus = usable_vcpus(after, nr_vcpus);
	int r = 0;

	if (after->memory_limit > 0 && after->memory_limit != before->memory_limit)
		r = check_number(administrator, file, "memory.limit", (uint64_t)after->memory_limit,
				 "memory", limits->memory, err);
	if (!r && vcpus > usable_vcpus(before, nr_vcpus))
		r = check_number(administrator, file, "cpu.quota", vcpus, "vcpus", limits->vcpus,
				 err);
	return r;
}
