/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/container_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_resources.h"
#include "vmm/oci/json_fields.h"
#include "vmm/oci/spec_version.h"

/* Annotations may be nearly as large as config.json, and are written with more space. */
#define RECORD_SIZE_MAX ((size_t)64 * 1024 * 1024)

static const char *const status_names[] = {
	[CONTAINER_CREATING] = "creating", [CONTAINER_CREATED] = "created",
	[CONTAINER_RUNNING] = "running",   [CONTAINER_PAUSED] = "paused",
	[CONTAINER_STOPPED] = "stopped",
};

const char *container_status_name(enum container_status status)
{
	return status_names[status];
}

static int get_text(const struct json_field *top, const char *name, char **ret, struct error *err)
{
	struct json_field field = json_field_member(top, name);
	int r = json_field_require(&field, err);

	return r < 0 ? r : json_field_copy_string(&field, ret, err);
}

static int get_id(const struct json_field *top, const struct container_state *state,
		  struct error *err)
{
	struct json_field field = json_field_member(top, "id");
	const char *text = "";
	int r = json_field_require_string(&field, &text, err);

	if (!r && strcmp(text, state->id) != 0)
		r = json_field_error(&field, err, "is that of another container");
	return r;
}

static int get_process(const struct json_field *top, struct container_state *state,
		       struct error *err)
{
	struct json_field pid_field = json_field_member(top, "pid");
	struct json_field time_field = json_field_member(top, "pidStartTime");
	int64_t pid = 0;
	int r = json_field_require(&pid_field, err);

	if (!r)
		r = json_field_get_int(&pid_field, 0, INT32_MAX, &pid, err);
	if (!r)
		r = json_field_require(&time_field, err);
	if (!r)
		r = json_field_get_u64(&time_field, &state->pid_start_time, err);
	state->pid = (pid_t)pid;
	return r;
}

static int get_status(const struct json_field *top, struct container_state *state,
		      struct error *err)
{
	struct json_field field = json_field_member(top, "status");
	struct json_field paused_field = json_field_member(top, "paused");
	size_t index = 0;
	int r = json_field_get_choice(&field, status_names, ARRAY_SIZE(status_names), &index, err);

	if (!r && index == CONTAINER_PAUSED) /* recorded by a field of its own */
		r = json_field_error(&field, err, "unknown value \"paused\"");
	state->status = (enum container_status)index;
	return r < 0 ? r : json_field_get_bool(&paused_field, &state->is_paused, err);
}

static int get_annotations(const struct json_field *top, struct container_state *state,
			   struct error *err)
{
	struct json_field field = json_field_member(top, "annotations");
	int r = json_field_check_object(&field, err);
	const char *name;
	json_t *value;

	if (r < 0)
		return r;
	json_object_foreach (field.value, name, value) {
		struct json_field member = json_field_member(&field, name);
		const char *text = "";

		r = json_field_require_string(&member, &text, err);
		if (r < 0)
			return r;
	}
	state->annotations = json_incref(field.value);
	return 0;
}

static int get_object(const struct json_field *top, const char *name, json_t **ret,
		      struct error *err)
{
	struct json_field field = json_field_member(top, name);
	int r = json_field_check_object(&field, err);

	if (!r)
		*ret = json_incref(field.value);
	return r;
}

static int get_defaults(const struct json_field *top, struct container_state *state,
			struct error *err)
{
	struct json_field field = json_field_member(top, "defaults");
	struct json_field memory = json_field_member(&field, "memory");
	struct json_field vcpus = json_field_member(&field, "vcpus");
	int64_t bytes = (int64_t)container_defaults.memory_bytes;
	int64_t count = container_defaults.nr_vcpus;
	int r = json_field_check_object(&field, err);

	if (!r)
		r = json_field_get_int(&memory, (int64_t)CONTAINER_MEMORY_MIN,
				       (int64_t)CONTAINER_MEMORY_MAX, &bytes, err);
	if (!r)
		r = json_field_get_int(&vcpus, 1, CONTAINER_VCPUS_MAX, &count, err);
	state->defaults = (struct container_defaults){ (uint64_t)bytes, (unsigned int)count };
	return r;
}

static int parse_record(const char *text, size_t size, struct container_state *state,
			struct error *err)
{
	json_t *document = json_text_parse(CONTAINER_RECORD_NAME, text, size, err);
	struct json_field top;
	int r;

	if (!document)
		return -EINVAL;
	r = json_field_top(&top, CONTAINER_RECORD_NAME, document, err);
	if (!r)
		r = get_id(&top, state, err);
	if (!r)
		r = get_process(&top, state, err);
	if (!r)
		r = get_status(&top, state, err);
	if (!r)
		r = get_text(&top, "bundle", &state->bundle, err);
	if (!r)
		r = get_text(&top, "rootfs", &state->rootfs, err);
	if (!r)
		r = get_text(&top, "created", &state->created, err);
	if (!r)
		r = get_annotations(&top, state, err);
	if (!r)
		r = get_object(&top, "hostCgroup", &state->host_cgroup, err);
	if (!r)
		r = get_object(&top, "resources", &state->resources, err);
	if (!r)
		r = get_defaults(&top, state, err);
	json_decref(document);
	return r;
}

int container_record_read(struct container_state *state, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	int r;

	container_record_clear(state);
	r = file_load(state->dir_fd, CONTAINER_RECORD_NAME, RECORD_SIZE_MAX, &text, &size, err);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = parse_record(text, size, state, err);
	if (r < 0) {
		container_record_clear(state);
		return error_prefix(err, "container %s", state->id);
	}
	state->has_record = true;
	return 0;
}

int container_record_write(const struct container_state *state, struct error *err)
{
	json_t *record = json_pack(
		"{s:s, s:s, s:i, s:I, s:s, s:b, s:s, s:s, s:s, s:O*, s:O*, s:O*, s:{s:I, s:I}}",
		"ociVersion", OCI_SPEC_VERSION, "id", state->id, "pid", state->pid, "pidStartTime",
		(json_int_t)state->pid_start_time, "status", container_status_name(state->status),
		"paused", state->is_paused, "bundle", state->bundle, "rootfs", state->rootfs,
		"created", state->created, "annotations", state->annotations, "hostCgroup",
		state->host_cgroup, "resources", state->resources, "defaults", "memory",
		(json_int_t)state->defaults.memory_bytes, "vcpus",
		(json_int_t)state->defaults.nr_vcpus);
	AUTO_FREE char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	int r;

	json_decref(record);
	if (!text)
		return error_set(err, ENOMEM, "container %s: write %s", state->id,
				 CONTAINER_RECORD_NAME);
	r = file_replace(state->dir_fd, CONTAINER_RECORD_NAME, text, strlen(text), err);
	return r < 0 ? error_prefix(err, "container %s", state->id) : 0;
}

void container_record_clear(struct container_state *state)
{
	free(state->bundle);
	free(state->rootfs);
	free(state->created);
	json_decref(state->annotations);
	json_decref(state->host_cgroup);
	json_decref(state->resources);
	state->bundle = NULL;
	state->rootfs = NULL;
	state->created = NULL;
	state->annotations = NULL;
	state->host_cgroup = NULL;
	state->resources = NULL;
	state->defaults = container_defaults;
	state->status = CONTAINER_CREATING;
	state->is_paused = false;
	state->pid = 0;
	state->pid_start_time = 0;
	state->has_record = false;
}
