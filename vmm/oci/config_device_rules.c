/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define ALLOW(rule_type, rule_major, rule_minor, rule_access)                                      \
	{                                                                                          \
		.is_allowed = true, .type = (rule_type), .major = (rule_major),                    \
		.minor = (rule_minor), .access = (rule_access)                                     \
	}

/* What every container may do, whatever its rules say, as runc and crun have it. */
static const struct device_rule default_rules[] = {
	ALLOW('c', DEVICE_RULE_ANY, DEVICE_RULE_ANY, DEVICE_MAKE),
	ALLOW('b', DEVICE_RULE_ANY, DEVICE_RULE_ANY, DEVICE_MAKE),
	ALLOW('c', 1, 3, DEVICE_ACCESS_ALL),		     /* null */
	ALLOW('c', 1, 5, DEVICE_ACCESS_ALL),		     /* zero */
	ALLOW('c', 1, 7, DEVICE_ACCESS_ALL),		     /* full */
	ALLOW('c', 1, 8, DEVICE_ACCESS_ALL),		     /* random */
	ALLOW('c', 1, 9, DEVICE_ACCESS_ALL),		     /* urandom */
	ALLOW('c', 5, 0, DEVICE_ACCESS_ALL),		     /* tty */
	ALLOW('c', 5, 2, DEVICE_ACCESS_ALL),		     /* ptmx */
	ALLOW('c', 136, DEVICE_RULE_ANY, DEVICE_ACCESS_ALL), /* pts */
};

static int parse_access(const struct json_field *field, struct device_rule *rule, struct error *err)
{
	const char *text = "";
	int r = json_field_get_string(field, &text, err);

	if (r)
		return r;
	if (!*text || text[strspn(text, "rwm")])
		return json_field_error(field, err, "must be made of r, w and m");
	rule->access = (strchr(text, 'r') ? DEVICE_READ : 0u) |
		       (strchr(text, 'w') ? DEVICE_WRITE : 0u) |
		       (strchr(text, 'm') ? DEVICE_MAKE : 0u);
	return 0;
}

static int parse_rule(const struct json_field *field, struct device_rule *rule, struct error *err)
{
	static const char *const types[] = { "a", "b", "c", "" };
	struct json_field allow = json_field_member(field, "allow");
	struct json_field type = json_field_member(field, "type");
	struct json_field access = json_field_member(field, "access");
	struct json_field major = json_field_member(field, "major");
	struct json_field minor = json_field_member(field, "minor");
	size_t index = 0;
	int r = json_field_require_object(field, err);

	rule->major = DEVICE_RULE_ANY;
	rule->minor = DEVICE_RULE_ANY;
	if (!r)
		r = json_field_require(&allow, err);
	if (!r)
		r = json_field_get_bool(&allow, &rule->is_allowed, err);
	if (!r && !json_field_is_absent(&type))
		r = json_field_get_choice(&type, types, ARRAY_SIZE(types), &index, err);
	if (!r)
		r = json_field_get_int(&major, DEVICE_RULE_ANY, UINT32_MAX, &rule->major, err);
	if (!r)
		r = json_field_get_int(&minor, DEVICE_RULE_ANY, UINT32_MAX, &rule->minor, err);
	if (!r)
		r = parse_access(&access, rule, err);
	if (!*types[index])
		index = 0;
	rule->type = *types[index];
	return r;
}

/* True when no rule before @rule can matter any more. */
static bool decides_everything(const struct device_rule *rule)
{
	return rule->type == 'a' && rule->major == DEVICE_RULE_ANY &&
	       rule->minor == DEVICE_RULE_ANY && rule->access == DEVICE_ACCESS_ALL;
}

/* Add @rule to what has room for it. */
static void add_rule(struct container_resources *resources, const struct device_rule *rule)
{
	if (decides_everything(rule))
		resources->nr_device_rules = 0;
	resources->device_rules[resources->nr_device_rules++] = *rule;
}

int config_parse_device_rules(const struct json_field *field, struct container_resources *resources,
			      struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	if (r)
		return r;
	resources->device_rules =
		calloc(count + ARRAY_SIZE(default_rules), sizeof(*resources->device_rules));
	if (!resources->device_rules)
		return error_set(err, ENOMEM, "linux.resources.devices");
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(field, i);
		struct device_rule rule;

		r = parse_rule(&element, &rule, err);
		if (!r)
			add_rule(resources, &rule);
	}
	if (!r && resources->nr_device_rules > CONTAINER_DEVICE_RULES_MAX)
		r = json_field_error(field, err, "more than %u rules", CONTAINER_DEVICE_RULES_MAX);
	for (size_t i = 0; !r && i < ARRAY_SIZE(default_rules); i++)
		add_rule(resources, &default_rules[i]);
	return r;
}
