/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/resources_update.h"

#include <errno.h>
#include <string.h>

#include "vmm/oci/config_sections.h"

static bool is_given(const char *name, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_NULL:
		return false;
	case JSON_INTEGER:
		return json_integer_value(value) != 0 || !strcmp(name, "idle") ||
		       !strcmp(name, "burst");
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_OBJECT:
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
		break;
	}
	return true;
}

/* Put the limits of a section that @update gives into @section. */
static int put_limits(json_t *section, const json_t *update)
{
	const char *name;
	json_t *value;
	int r = 0;

	/* The macro wants a pointer that is not const, and does not write through it. */
	json_object_foreach ((json_t *)(uintptr_t)update, name, value) {
		if (is_given(name, value))
			r = json_object_set(section, name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_section(json_t *resources, const char *name, json_t *update)
{
	json_t *section = json_object_get(resources, name);
	int r = 0;

	if (!json_is_object(update))
		return json_object_set(resources, name, update);
	if (!json_is_object(section)) {
		section = json_object();
		r = json_object_set_new(resources, name, section);
	}
	return r < 0 ? r : put_limits(section, update);
}

/* Rules for devices stay as they were made. */
static int put(json_t *resources, const json_t *update)
{
	const char *name;
	json_t *value;
	int r = 0;

	json_object_foreach ((json_t *)(uintptr_t)update, name, value) {
		if (is_given(name, value) && strcmp(name, "devices") != 0)
			r = put_section(resources, name, value);
		if (r < 0)
			return r;
	}
	return 0;
}

/* As runc has it: no limit on memory is none on memory and swap. */
static int lift_swap(json_t *merged, const json_t *update)
{
	const json_t *given = json_object_get(update, "memory");
	json_t *memory = json_object_get(merged, "memory");

	if (json_integer_value(json_object_get(given, "limit")) >= 0 ||
	    json_integer_value(json_object_get(given, "swap")) != 0 ||
	    !json_object_get(memory, "swap"))
		return 0;
	return json_object_set_new(memory, "swap", json_integer(-1));
}

json_t *resources_update_merge(const json_t *current, const json_t *update)
{
	json_t *merged = json_object();

	if (merged && (put(merged, current) < 0 || put(merged, update) < 0 ||
		       lift_swap(merged, update) < 0)) {
		json_decref(merged);
		return NULL;
	}
	return merged;
}

int resources_update_parse(const char *file, json_t *resources, struct container_resources *ret,
			   struct text_list *warnings, struct error *err)
{
	struct config_notes notes = { .warnings = warnings };
	struct json_field top;
	int r = json_field_top(&top, file, resources, err);

	*ret = (struct container_resources){ 0 };
	if (!r)
		r = config_parse_limits(&top, ret, &notes, err);
	if (!r)
		r = config_notes_finish(&notes, file, err);
	text_list_clear(&notes.refusals);
	return r;
}
