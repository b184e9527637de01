/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/container_update.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/base/log.h"
#include "vmm/cli/container_cgroup.h"
#include "vmm/oci/administrator_policy.h"
#include "vmm/oci/config_sections.h"
#include "vmm/oci/resources_update.h"
#include "vmm/session/control_socket.h"

/* A guest that hangs must not keep its caller waiting. */
#define ANSWER_TIMEOUT_MS 10000

/* A container as its configuration made it; the limits in @config are those to set. */
struct target {
	struct container_state *state;
	struct container_config *config;
	const struct administrator_config *administrator;
	json_t *current; /* "resources" as they are: config.json's or those of the last update */
};

static int load(struct container_state *state, struct target *ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	json_t *document;
	size_t size;
	int r = file_load(state->dir_fd, CONTAINER_CONFIG_NAME, CONTAINER_CONFIG_SIZE_MAX, &text,
			  &size, err);

	if (!r)
		r = container_config_parse_sized(text, size, state->bundle, &state->defaults,
						 &ret->config, err);
	if (r < 0)
		return r;
	ret->state = state;
	ret->current = json_incref(state->resources);
	if (ret->current)
		return 0;
	document = json_text_parse(CONTAINER_CONFIG_NAME, text, size, err);
	if (!document)
		return -EINVAL;
	ret->current =
		json_incref(json_object_get(json_object_get(document, "linux"), "resources"));
	json_decref(document);
	return 0;
}

/* The machine has the size that it was made with. */
static int check_memory(const struct target *target, const char *file,
			const struct container_resources *resources, struct error *err)
{
	uint64_t capacity = container_memory_capacity(target->config->memory_bytes);

	if (resources->memory_limit <= 0 || (uint64_t)resources->memory_limit <= capacity)
		return 0;
	return error_invalid(err,
			     "%s: memory.limit: %" PRId64 " bytes are more than the %" PRIu64
			     " that the container's virtual machine can give",
			     file, resources->memory_limit, capacity);
}

/* The administrator's limits, for what is asked for beyond what there is. */
static int check_limits(const struct target *target, const char *file,
			const struct container_resources *resources, struct error *err)
{
	struct container_resources current = { 0 };
	struct text_list warnings = { 0 };
	int r = 0;

	if (target->current)
		r = resources_update_parse(CONTAINER_CONFIG_NAME, target->current, &current,
					   &warnings, err);
	if (!r)
		r = administrator_check_update(target->administrator, file, &current, resources,
					       target->config->nr_vcpus, err);
	container_resources_clear(&current);
	text_list_clear(&warnings);
	return r;
}

static int ask_guest(const struct target *target, struct error *err)
{
	const struct container_resources *resources = &target->config->resources;
	json_t *plan = container_resources_plan(resources);
	AUTO_FREE char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;
	AUTO_CLOSE int text_fd = -1, connection_fd = -1;
	struct control_reply reply = { 0 };
	int r;

	json_decref(plan);
	if (!text)
		return error_set(err, ENOMEM, "update");
	text_fd = control_text_open(text, err);
	if (text_fd < 0)
		return text_fd;
	connection_fd = control_connect(target->state->dir_fd, ANSWER_TIMEOUT_MS, err);
	if (connection_fd < 0)
		return connection_fd;
	r = control_send(connection_fd, CONTROL_UPDATE,
			 resources->checks_memory_before_update ? CONTROL_UPDATE_CHECK_MEMORY : 0,
			 &text_fd, 1, err);
	if (!r)
		r = control_receive(connection_fd, &reply, ANSWER_TIMEOUT_MS, err);
	if (r < 0 || !reply.code)
		return r;
	(void)error_invalid(err, "%s", reply.text);
	return -reply.code;
}

static int limit_host(const struct target *target, struct error *err)
{
	struct host_cgroup cgroup;
	struct host_limits limits;
	int r = host_cgroup_from_json(target->state->host_cgroup, &cgroup, err);

	container_cgroup_limits(target->config, &limits);
	if (!r)
		r = host_limits_apply(&cgroup, &limits, err);
	host_cgroup_clear(&cgroup);
	return r;
}

/* Make @resources, which are taken, the limits that are to be set. */
static void aim(const struct target *target, struct container_resources *resources)
{
	container_resources_clear(&target->config->resources);
	target->config->resources = *resources;
	*resources = (struct container_resources){ 0 };
}

static void go_back(const struct target *target)
{
	struct container_resources resources = { 0 };
	struct text_list warnings = { 0 };
	struct error ignored;

	if (target->current && resources_update_parse(CONTAINER_CONFIG_NAME, target->current,
						      &resources, &warnings, &ignored) == 0) {
		aim(target, &resources);
		(void)ask_guest(target, &ignored);
		(void)limit_host(target, &ignored);
	}
	container_resources_clear(&resources);
	text_list_clear(&warnings);
}

static int change(const struct target *target, const char *file, json_t *merged, struct error *err)
{
	struct container_resources resources;
	struct text_list warnings = { 0 };
	int r = resources_update_parse(file, merged, &resources, &warnings, err);

	for (size_t i = 0; i < warnings.count; i++)
		log_debug("%s", warnings.items[i]);
	text_list_clear(&warnings);
	if (!r)
		r = check_memory(target, file, &resources, err);
	if (!r)
		r = check_limits(target, file, &resources, err);
	if (!r) {
		aim(target, &resources);
		r = ask_guest(target, err);
		if (!r)
			r = limit_host(target, err);
		if (r < 0)
			go_back(target);
	}
	container_resources_clear(&resources);
	return r < 0 ? r : container_state_set_resources(target->state, merged, err);
}

int container_update(struct container_state *state,
		     const struct administrator_config *administrator, const char *file,
		     const json_t *changes, struct error *err)
{
	struct target target = { 0 };
	json_t *merged = NULL;
	int r = load(state, &target, err);

	target.administrator = administrator;
	if (!r) {
		merged = resources_update_merge(target.current, changes);
		r = merged ? change(&target, file, merged, err) : error_set(err, ENOMEM, "update");
	}
	json_decref(merged);
	json_decref(target.current);
	container_config_free(target.config);
	return r;
}
