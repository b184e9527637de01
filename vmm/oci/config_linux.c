/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/clean_path.h"
#include "vmm/oci/config_sections.h"

#define SYSCTL_NAME_MAX 255
#define NANOSECONDS_MAX 999999999
#define SYSCTL_VALUE_MAX 4095 /* the kernel takes less than a page at once */

/*
 * Components of letters, digits, '_' and '-' with single dots between them: with the dots turned
 * into slashes, a path below /proc/sys that cannot leave it.
 */
static bool is_sysctl_name(const char *name)
{
	char previous = '.';

	if (strlen(name) > SYSCTL_NAME_MAX)
		return false;
	for (; *name; previous = *name++) {
		if (*name == '.' ? previous == '.'
				 : !isalnum((unsigned char)*name) && *name != '_' && *name != '-')
			return false;
	}
	return previous != '.';
}

static int parse_sysctl(const struct json_field *field, struct container_sysctl *sysctl,
			struct error *err)
{
	int r = json_field_require(field, err);

	if (!r && !is_sysctl_name(field->name))
		r = json_field_error(field, err, "is not the name of a setting");
	if (!r)
		r = json_field_copy_string(field, &sysctl->value, err);
	if (r)
		return r;
	if (strlen(sysctl->value) > SYSCTL_VALUE_MAX)
		return json_field_error(field, err, "is longer than %d bytes", SYSCTL_VALUE_MAX);
	sysctl->name = strdup(field->name);
	return sysctl->name ? 0 : error_set(err, ENOMEM, "sysctl");
}

static int parse_sysctls(const struct json_field *linux_field, struct container_config *config,
			 struct error *err)
{
	struct json_field field = json_field_member(linux_field, "sysctl");
	size_t count = json_object_size(field.value);
	int r = json_field_check_object(&field, err);
	const char *name;
	json_t *value;

	if (r < 0 || count == 0)
		return r;
	config->sysctls = calloc(count, sizeof(*config->sysctls));
	if (!config->sysctls)
		return error_set(err, ENOMEM, "sysctl");
	json_object_foreach (field.value, name, value) {
		struct json_field member = json_field_member(&field, name);

		r = parse_sysctl(&member, &config->sysctls[config->nr_sysctls++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "maskedPaths" and "readonlyPaths". */
static int parse_paths(const struct json_field *linux_field, const char *name,
		       struct text_list *ret, struct error *err)
{
	struct json_field field = json_field_member(linux_field, name);
	int r = json_field_get_strings(&field, ret, err);

	for (size_t i = 0; !r && i < ret->count; i++) {
		struct json_field path = json_field_element(&field, i);
		char *clean;

		if (ret->items[i][0] != '/')
			return json_field_error(&path, err, "must be an absolute path");
		clean = clean_path("/", ret->items[i]);
		if (!clean)
			return error_set(err, ENOMEM, "%s", name);
		free(ret->items[i]);
		ret->items[i] = clean;
	}
	return r;
}

static int parse_root_propagation(const struct json_field *linux_field,
				  struct container_config *config, struct config_notes *notes,
				  struct error *err)
{
	static const char *const names[] = { "",	"private",    "rprivate",
					     "slave",	"rslave",     "shared",
					     "rshared", "unbindable", "runbindable" };
	static const unsigned long bits[ARRAY_SIZE(names)] = {
		0,
		MS_PRIVATE,
		MS_PRIVATE | MS_REC,
		MS_SLAVE,
		MS_SLAVE | MS_REC,
		MS_SHARED,
		MS_SHARED | MS_REC,
		MS_UNBINDABLE,
		MS_UNBINDABLE | MS_REC,
	};
	struct json_field field = json_field_member(linux_field, "rootfsPropagation");
	size_t index = 0;
	int r;

	if (json_field_is_absent(&field))
		return 0;
	r = json_field_get_choice(&field, names, ARRAY_SIZE(names), &index, err);
	if (r < 0)
		return r;
	config->root_propagation = bits[index];
	if (bits[index] & MS_SHARED)
		return config_warn(notes, &field, err,
				   "\"%s\" works inside the virtual machine only", names[index]);
	return 0;
}

static int parse_personality(const struct json_field *linux_field, struct container_config *config,
			     struct config_notes *notes, struct error *err)
{
	static const char *const domains[] = { "LINUX", "LINUX32" };
	static const uint32_t values[ARRAY_SIZE(domains)] = { PER_LINUX, PER_LINUX32 };
	static const char *const refused[] = { "flags" };
	struct json_field field = json_field_member(linux_field, "personality");
	struct json_field domain = json_field_member(&field, "domain");
	size_t index = 0;
	int r = json_field_check_object(&field, err);

	if (r < 0 || json_field_is_empty(&field))
		return r;
	r = json_field_get_choice(&domain, domains, ARRAY_SIZE(domains), &index, err);
	config->personality = values[index];
	return r < 0 ? r : config_refuse_members(notes, &field, refused, ARRAY_SIZE(refused), err);
}

static int parse_time_offset(const struct json_field *field, struct container_time_offset *ret,
			     struct error *err)
{
	struct json_field seconds = json_field_member(field, "secs");
	struct json_field nanoseconds = json_field_member(field, "nanosecs");
	int r = json_field_check_object(field, err);

	if (!r)
		r = json_field_get_int(&seconds, INT64_MIN, INT64_MAX, &ret->seconds, err);
	if (!r)
		r = json_field_get_u32(&nanoseconds, NANOSECONDS_MAX, &ret->nanoseconds, err);
	ret->is_given = !json_field_is_absent(field);
	return r;
}

static int parse_time_offsets(const struct json_field *linux_field, struct container_config *config,
			      struct error *err)
{
	struct json_field field = json_field_member(linux_field, "timeOffsets");
	const char *name;
	json_t *value;
	int r = json_field_check_object(&field, err);

	if (r < 0 || json_field_is_empty(&field))
		return r;
	if (!(config->namespaces & (1u << NAMESPACE_TIME)))
		return json_field_error(&field, err, "needs a \"time\" namespace");
	json_object_foreach (field.value, name, value) {
		struct json_field clock = json_field_member(&field, name);

		if (!strcmp(name, "monotonic"))
			r = parse_time_offset(&clock, &config->monotonic_offset, err);
		else if (!strcmp(name, "boottime"))
			r = parse_time_offset(&clock, &config->boottime_offset, err);
		else
			r = json_field_error(&clock, err, "is not a clock with an offset");
		if (r < 0)
			return r;
	}
	return 0;
}

/* A cache or memory bandwidth of its own is the host's to give. */
static int check_intel_rdt(const struct json_field *linux_field, struct config_notes *notes,
			   struct error *err)
{
	static const char *const texts[] = { "closID", "l3CacheSchema", "memBwSchema", "schemata" };
	static const char *const switches[] = { "enableCMT", "enableMBM", "enableMonitoring" };
	struct json_field field = json_field_member(linux_field, "intelRdt");
	int r = json_field_check_object(&field, err);

	if (!r)
		r = config_refuse_members(notes, &field, texts, ARRAY_SIZE(texts), err);
	for (size_t i = 0; !r && i < ARRAY_SIZE(switches); i++) {
		struct json_field member = json_field_member(&field, switches[i]);
		bool is_on = false;

		r = json_field_get_bool(&member, &is_on, err);
		if (!r && is_on)
			r = config_refuse(notes, &member, err);
	}
	return r;
}

static int parse_mount_label(const struct json_field *linux_field, struct config_notes *notes,
			     struct error *err)
{
	struct json_field label = json_field_member(linux_field, "mountLabel");
	const char *text = "";
	int r = json_field_get_string(&label, &text, err);

	if (!r && *text)
		r = config_warn(notes, &label, err,
				"has no meaning in the virtual machine and is ignored");
	return r;
}

int config_parse_linux(const struct json_field *field, struct container_config *config,
		       struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "netDevices", "memoryPolicy" };
	struct json_field namespaces = json_field_member(field, "namespaces");
	struct json_field devices = json_field_member(field, "devices");
	struct json_field resources = json_field_member(field, "resources");
	struct json_field seccomp = json_field_member(field, "seccomp");
	struct json_field cgroups_path = json_field_member(field, "cgroupsPath");
	int r = json_field_check_object(field, err);

	if (!r)
		r = config_parse_namespaces(&namespaces, config, notes, err);
	if (!r)
		r = config_parse_id_maps(field, config, err);
	if (!r)
		r = config_parse_devices(&devices, config, notes, err);
	if (!r)
		r = json_field_copy_string(&cgroups_path, &config->cgroups_path, err);
	if (!r)
		r = config_parse_resources(&resources, config, notes, err);
	if (!r)
		r = config_parse_seccomp(&seccomp, &config->seccomp, notes, err);
	if (!r)
		r = parse_sysctls(field, config, err);
	if (!r)
		r = parse_paths(field, "maskedPaths", &config->masked_paths, err);
	if (!r)
		r = parse_paths(field, "readonlyPaths", &config->readonly_paths, err);
	if (!r)
		r = parse_root_propagation(field, config, notes, err);
	if (!r)
		r = parse_personality(field, config, notes, err);
	if (!r)
		r = parse_time_offsets(field, config, err);
	if (!r)
		r = check_intel_rdt(field, notes, err);
	if (!r)
		r = parse_mount_label(field, notes, err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	return r;
}
