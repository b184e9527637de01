/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/config_annotations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_network.h"

/* Where annotations with an effect begin; without a dot at the end it is the whole name. */
static const char *const reserved[] = { "bulkhead.", "krun.", "run.oci.handler" };

const char *const config_annotations_by_default[] = { ANNOTATION_MEMORY, ANNOTATION_VCPUS, NULL };

bool config_annotation_has_effect(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		size_t len = strlen(reserved[i]);

		if (strncmp(name, reserved[i], len) == 0 &&
		    (reserved[i][len - 1] == '.' || !name[len]))
			return true;
	}
	return false;
}

/* Decimal digits, nothing else. */
static int get_number(const struct json_field *field, uint64_t min, uint64_t max, uint64_t *ret,
		      struct error *err)
{
	const char *text = json_string_value(field->value);
	uint64_t value;

	errno = 0;
	value = strtoull(text, NULL, 10);
	if (!*text || text[strspn(text, "0123456789")] || errno || value < min || value > max)
		return json_field_error(field, err,
					"must be a whole number from %" PRIu64 " to %" PRIu64, min,
					max);
	*ret = value;
	return 0;
}

static int apply(const struct json_field *field, struct container_config *config, struct error *err)
{
	if (strcmp(field->name, ANNOTATION_MEMORY) == 0)
		return get_number(field, CONTAINER_MEMORY_MIN, CONTAINER_MEMORY_MAX,
				  &config->annotated_memory, err);
	if (strcmp(field->name, ANNOTATION_VCPUS) == 0) {
		uint64_t value = 0;
		int r = get_number(field, 1, CONTAINER_VCPUS_MAX, &value, err);

		config->annotated_vcpus = (unsigned int)value;
		return r;
	}
	if (config_is_network_annotation(field->name))
		return config_parse_network_annotation(field, &config->annotated_network, err);
	if (config_annotation_has_effect(field->name))
		return json_field_error(
			field, err,
			"is not supported; a virtual machine is sized by " ANNOTATION_MEMORY
			" and " ANNOTATION_VCPUS);
	return 0;
}

int config_parse_annotations(const struct json_field *top, struct container_config *config,
			     struct error *err)
{
	struct json_field field = json_field_member(top, "annotations");
	int r = json_field_check_object(&field, err);
	const char *name;
	json_t *value;

	if (r < 0)
		return r;
	config->annotations = json_object();
	if (!config->annotations)
		return error_set(err, ENOMEM, "annotations");
	json_object_foreach (field.value, name, value) {
		struct json_field member = json_field_member(&field, name);
		const char *text = "";

		r = json_field_require_string(&member, &text, err);
		if (!r)
			r = apply(&member, config, err);
		if (!r && json_object_set(config->annotations, name, value) < 0)
			r = error_set(err, ENOMEM, "annotations");
		if (r < 0)
			return r;
	}
	return 0;
}
