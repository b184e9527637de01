/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/administrator_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/clean_path.h"

/*
 * What is the host's own, and what commands its engines. A source above one of these leads to it
 * and is denied as well; so engines can still bind what they make for containers, most of it below
 * /run and /var/lib. Of /dev a device node is harmless (others than software devices are refused
 * anyhow), but not what else is there.
 */
static const char *const host_system[] = {
	"/boot",
	"/dev/log",
	"/dev/mqueue",
	"/dev/pts",
	"/dev/shm",
	"/etc",
	"/proc",
	"/root",
	"/run/bulkhead",
	"/run/containerd/containerd.sock",
	"/run/containerd/containerd.sock.ttrpc",
	"/run/crio/crio.sock",
	"/run/dbus",
	"/run/docker",
	"/run/docker.sock",
	"/run/podman",
	"/run/systemd",
	"/sys",
	"/var/spool/cron",
};

/* A member that is a number from @min to @max, *@ret when absent. */
static int get_number(const struct json_field *object, const char *name, int64_t min, int64_t max,
		      uint64_t *ret, struct error *err)
{
	struct json_field field = json_field_member(object, name);
	int64_t value = 0;
	int r = json_field_get_int(&field, min, max, &value, err);

	if (!r && !json_field_is_absent(&field))
		*ret = (uint64_t)value;
	return r;
}

static int get_count(const struct json_field *object, const char *name, int64_t min, int64_t max,
		     uint32_t *ret, struct error *err)
{
	uint64_t value = *ret;
	int r = get_number(object, name, min, max, &value, err);

	*ret = (uint32_t)value;
	return r;
}

/* Absolute paths, made clean. */
static int parse_paths(const struct json_field *sources, const char *name, struct text_list *ret,
		       struct error *err)
{
	struct json_field field = json_field_member(sources, name);
	size_t count = 0;
	int r = json_field_check_array(&field, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(&field, i);
		AUTO_FREE char *path = NULL;
		const char *text = "";

		r = json_field_require_string(&element, &text, err);
		if (!r && text[0] != '/')
			r = json_field_error(&element, err, "must be an absolute path");
		if (r < 0)
			return r;
		path = clean_path("/", text);
		if (!path || text_list_add(ret, "%s", path) < 0)
			r = error_set(err, ENOMEM, "%s", name);
	}
	/* Nothing allowed would look like everything allowed. */
	if (!r && !count && !json_field_is_absent(&field))
		r = json_field_error(&field, err, "must not be empty");
	return r;
}

static int parse_sources(const struct json_field *limits, struct administrator_limits *ret,
			 struct error *err)
{
	static const char *const known[] = { "allow", "deny", "denyHostSystem" };
	struct json_field sources = json_field_member(limits, "mountSources");
	struct json_field host = json_field_member(&sources, known[2]);
	int r = json_field_check_members(&sources, known, ARRAY_SIZE(known), err);

	if (!r)
		r = parse_paths(&sources, known[0], &ret->allowed_sources, err);
	if (!r)
		r = parse_paths(&sources, known[1], &ret->denied_sources, err);
	if (!r)
		r = json_field_get_bool(&host, &ret->denies_host_system, err);
	for (size_t i = 0; !r && ret->denies_host_system && i < ARRAY_SIZE(host_system); i++)
		if (text_list_add(&ret->host_system, "%s", host_system[i]) < 0)
			r = error_set(err, ENOMEM, "%s", known[2]);
	return r;
}

int administrator_parse_limits(const struct json_field *top, struct administrator_limits *limits,
			       struct error *err)
{
	static const char *const known[] = { "vcpus", "memory", "devices", "mounts",
					     "mountSources" };
	struct json_field field = json_field_member(top, "limits");
	int r = json_field_check_members(&field, known, ARRAY_SIZE(known), err);

	limits->vcpus = UINT32_MAX;
	limits->memory = UINT64_MAX;
	limits->devices = UINT32_MAX;
	limits->mounts = UINT32_MAX;
	if (!r)
		r = get_count(&field, known[0], 1, CONTAINER_VCPUS_MAX, &limits->vcpus, err);
	if (!r)
		r = get_number(&field, known[1], (int64_t)CONTAINER_MEMORY_MIN,
			       (int64_t)CONTAINER_MEMORY_MAX, &limits->memory, err);
	if (!r)
		r = get_count(&field, known[2], 0, UINT32_MAX - 1, &limits->devices, err);
	if (!r)
		r = get_count(&field, known[3], 0, UINT32_MAX - 1, &limits->mounts, err);
	return r < 0 ? r : parse_sources(&field, limits, err);
}

/* The largest virtual machine whose container has no more than the limit to use. */
uint64_t administrator_machine_limit(const struct administrator_limits *limits)
{
	return limits->memory == UINT64_MAX ? UINT64_MAX : container_memory_size(limits->memory);
}

/* Without words about it, no container has more than the limits have. */
static void fit_defaults(const struct administrator_limits *limits, struct container_defaults *ret)
{
	*ret = container_defaults;
	ret->memory_bytes = min_u64(ret->memory_bytes, administrator_machine_limit(limits));
}

int administrator_parse_defaults(const struct json_field *top,
				 const struct administrator_limits *limits,
				 struct container_defaults *ret, struct error *err)
{
	static const char *const known[] = { "memory", "vcpus" };
	struct json_field field = json_field_member(top, "defaults");
	struct json_field memory = json_field_member(&field, known[0]);
	struct json_field vcpus = json_field_member(&field, known[1]);
	int r = json_field_check_members(&field, known, ARRAY_SIZE(known), err);

	fit_defaults(limits, ret);
	if (!r)
		r = get_number(&field, known[0], (int64_t)CONTAINER_MEMORY_MIN,
			       (int64_t)CONTAINER_MEMORY_MAX, &ret->memory_bytes, err);
	if (!r && ret->memory_bytes > administrator_machine_limit(limits))
		r = json_field_error(&memory, err,
				     "is more than the %" PRIu64 " that limits.memory leaves a "
				     "virtual machine",
				     administrator_machine_limit(limits));
	if (!r)
		r = get_count(&field, known[1], 1, CONTAINER_VCPUS_MAX, &ret->nr_vcpus, err);
	if (!r && ret->nr_vcpus > limits->vcpus)
		r = json_field_error(&vcpus, err, "is more than limits.vcpus, %" PRIu32,
				     limits->vcpus);
	return r;
}

int administrator_config_deny_state(struct administrator_config *config, const char *directory)
{
	AUTO_FREE char *base = getcwd(NULL, 0);
	AUTO_FREE char *path = NULL;

	if (!config->limits.denies_host_system)
		return 0;
	/* The working directory of an engine may be gone: then a relative one is nowhere. */
	path = clean_path(base ? base : "/", directory);
	if (!path)
		return -ENOMEM;
	return text_list_add(&config->limits.host_system, "%s", path);
}

void administrator_limits_clear(struct administrator_limits *limits)
{
	text_list_clear(&limits->allowed_sources);
	text_list_clear(&limits->denied_sources);
	text_list_clear(&limits->host_system);
}

json_t *administrator_list_to_json(const struct text_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		(void)json_array_append_new(array, json_string(list->items[i]));
	return array;
}

static json_t *number(uint64_t value, uint64_t unlimited)
{
	return value == unlimited ? NULL : json_integer((json_int_t)value);
}

/* An empty list is none. */
static json_t *paths(const struct text_list *list)
{
	return list->count ? administrator_list_to_json(list) : NULL;
}

json_t *administrator_limits_to_json(const struct administrator_limits *limits)
{
	return json_pack("{s:o*, s:o*, s:o*, s:o*, s:{s:o*, s:o*, s:b}}", "vcpus",
			 number(limits->vcpus, UINT32_MAX), "memory",
			 number(limits->memory, UINT64_MAX), "devices",
			 number(limits->devices, UINT32_MAX), "mounts",
			 number(limits->mounts, UINT32_MAX), "mountSources", "allow",
			 paths(&limits->allowed_sources), "deny", paths(&limits->denied_sources),
			 "denyHostSystem", limits->denies_host_system);
}
