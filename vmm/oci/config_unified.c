/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define UNIFIED_VALUE_MAX 4095u /* bytes: the kernel takes less than a page */

static const char *const controllers[] = { "cpu", "cpuset", "io", "memory", "pids" };

/* Files of the group itself that limit something; the others would move or stop its processes. */
static const char *const own_files[] = { "cgroup.max.depth", "cgroup.max.descendants" };

static bool is_own_file(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_files); i++)
		if (!strcmp(name, own_files[i]))
			return true;
	return false;
}

static bool is_controller(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++)
		if (strlen(controllers[i]) == len && !memcmp(name, controllers[i], len))
			return true;
	return false;
}

static int check_name(const struct json_field *field, struct config_notes *notes, struct error *err)
{
	size_t len = strcspn(field->name, ".");

	if (strchr(field->name, '/'))
		return json_field_error(field, err, "must be a file name (no slashes)");
	if (!len || !field->name[len] || !field->name[len + 1] ||
	    strlen(field->name) > UNIFIED_NAME_MAX)
		return json_field_error(field, err, "must be in the form CONTROLLER.PARAMETER");
	if (is_controller(field->name, len) || is_own_file(field->name))
		return 0;
	if (!strncmp(field->name, "cgroup.", len + 1))
		return config_refuse(notes, field, err);
	return config_refuse_because(notes, field, err, "controller \"%.*s\" not available",
				     (int)len, field->name);
}

static int parse_control(const struct json_field *field, struct unified_control *control,
			 struct error *err)
{
	int r = json_field_require(field, err);

	if (!r)
		r = json_field_copy_string(field, &control->value, err);
	if (r)
		return r;
	if (strlen(control->value) > UNIFIED_VALUE_MAX)
		return json_field_error(field, err, "is longer than %u bytes", UNIFIED_VALUE_MAX);
	control->file = strdup(field->name);
	return control->file ? 0 : error_set(err, ENOMEM, "linux.resources.unified");
}

int config_parse_unified(const struct json_field *field, struct container_resources *resources,
			 struct config_notes *notes, struct error *err)
{
	size_t count = json_object_size(field->value);
	int r = json_field_check_object(field, err);
	const char *name;
	json_t *value;

	if (r || !count)
		return r;
	resources->unified = calloc(count, sizeof(*resources->unified));
	if (!resources->unified)
		return error_set(err, ENOMEM, "linux.resources.unified");
	json_object_foreach (field->value, name, value) {
		struct json_field control = json_field_member(field, name);

		r = check_name(&control, notes, err);
		if (r)
			return r;
		/* Files that a kernel without swap does not have. */
		if (!strncmp(name, "memory.swap.", strlen("memory.swap.")))
			r = config_warn(notes, &control, err,
					"has no meaning in a virtual machine without swap");
		else
			r = parse_control(&control, &resources->unified[resources->nr_unified++],
					  err);
		if (r)
			return r;
	}
	return 0;
}
