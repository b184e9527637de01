/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/resource_plan.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "guest-init/scope.h"

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

static int plan_read_control(json_t *item, struct resource_control *ret_control,
			     struct failure *err)
{
	json_error_t error;

	if (json_unpack_ex(item, &error, 0, "{s:s, s:s, s:s}", "file", &ret_control->file, "value",
			   &ret_control->value, "field", &ret_control->field))
		return failure_invalid(err, "%s", error.text);
	if (!ret_control->file[0] || ret_control->file[0] == '.' || strchr(ret_control->file, '/'))
		return failure_invalid(err, "\"%s\" is not a file's name", ret_control->file);
	return 0;
}

static int plan_read_device_rule(json_t *item, struct resource_device_rule *ret_rule,
				 struct failure *err)
{
	json_int_t major, minor, access;
	json_error_t error;
	int is_allowed;

	if (json_unpack_ex(item, &error, 0, "{s:b, s:s, s:I, s:I, s:I}", "allow", &is_allowed,
			   "type", &ret_rule->type, "major", &major, "minor", &minor, "access",
			   &access))
		return failure_invalid(err, "%s", error.text);
	if (strlen(ret_rule->type) != 1 || !strchr("abc", ret_rule->type[0]))
		return failure_invalid(err, "type \"%s\" is not \"a\", \"b\" or \"c\"",
				       ret_rule->type);
	if (major < RESOURCE_ANY_NUMBER || major > UINT32_MAX || minor < RESOURCE_ANY_NUMBER ||
	    minor > UINT32_MAX || access < 0 || access > ACCESS_ALL)
		return failure_invalid(err, "a number is out of range");
	ret_rule->is_allowed = is_allowed;
	ret_rule->major = major;
	ret_rule->minor = minor;
	ret_rule->access = (uint32_t)access;
	return 0;
}

static int plan_read_controls(struct resource_plan *plan, const json_t *list, struct failure *err)
{
	if (!json_is_array(list))
		return failure_invalid(err, "\"controls\" is missing or not a list");
	plan->controls = calloc(json_array_size(list) + 1, sizeof(*plan->controls));
	if (!plan->controls)
		return failure_set(err, ENOMEM, "\"controls\"");
	for (; plan->nr_controls < json_array_size(list); plan->nr_controls++)
		if (plan_read_control(json_array_get(list, plan->nr_controls),
				      &plan->controls[plan->nr_controls], err))
			return failure_prefix(err, "controls[%zu]", plan->nr_controls);
	return 0;
}

static int plan_read_device_rules(struct resource_plan *plan, const json_t *list,
				  struct failure *err)
{
	if (!json_is_array(list))
		return failure_invalid(err, "\"devices\" is missing or not a list");
	plan->device_rules = calloc(json_array_size(list) + 1, sizeof(*plan->device_rules));
	if (!plan->device_rules)
		return failure_set(err, ENOMEM, "\"devices\"");
	for (; plan->nr_device_rules < json_array_size(list); plan->nr_device_rules++)
		if (plan_read_device_rule(json_array_get(list, plan->nr_device_rules),
					  &plan->device_rules[plan->nr_device_rules], err))
			return failure_prefix(err, "devices[%zu]", plan->nr_device_rules);
	return 0;
}

int resource_plan_init(struct resource_plan *plan, json_t *message, struct failure *err)
{
	const json_t *resources = json_object_get(message, "resources");
	int r;

	memset(plan, 0, sizeof(*plan));
	if (!resources)
		return 0;
	plan->message = json_incref(message);
	r = plan_read_controls(plan, json_object_get(resources, "controls"), err);
	if (!r)
		r = plan_read_device_rules(plan, json_object_get(resources, "devices"), err);
	if (!r)
		return 0;
	resource_plan_fini(plan);
	return failure_prefix(err, "resources");
}

void resource_plan_fini(struct resource_plan *plan)
{
	free(plan->controls);
	free(plan->device_rules);
	json_decref(plan->message);
	memset(plan, 0, sizeof(*plan));
}
