/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/config_sections.h"
#include "vmm/oci/container_hooks.h"
#include "vmm/oci/spec_version.h"

static const char *const names[CONTAINER_NR_HOOK_KINDS] = {
	[HOOK_PRESTART] = "prestart",
	[HOOK_CREATE_RUNTIME] = "createRuntime",
	[HOOK_CREATE_CONTAINER] = "createContainer",
	[HOOK_START_CONTAINER] = "startContainer",
	[HOOK_POSTSTART] = "poststart",
	[HOOK_POSTSTOP] = "poststop",
};

const char *container_hook_name(enum container_hook_kind kind)
{
	return names[kind];
}

static int parse_path(const struct json_field *hook, struct container_hook *ret, struct error *err)
{
	struct json_field field = json_field_member(hook, "path");
	int r = json_field_require(&field, err);

	if (!r)
		r = json_field_copy_string(&field, &ret->path, err);
	if (!r && ret->path[0] != '/') {
		char shown[64];

		r = json_field_error(&field, err, "%s is not an absolute path",
				     json_field_show(&field, shown, sizeof(shown)));
	}
	return r;
}

static int parse_hook(const struct json_field *field, struct container_hook *hook,
		      struct error *err)
{
	struct json_field args = json_field_member(field, "args");
	struct json_field env = json_field_member(field, "env");
	struct json_field timeout = json_field_member(field, "timeout");
	int64_t seconds = 0;
	int r = json_field_require_object(field, err);

	if (!r)
		r = parse_path(field, hook, err);
	if (!r)
		r = json_field_get_strings(&args, &hook->args, err);
	if (!r && !hook->args.count && text_list_add(&hook->args, "%s", hook->path) < 0)
		r = error_set(err, ENOMEM, "hooks");
	if (!r)
		r = json_field_get_strings(&env, &hook->env, err);
	if (!r)
		r = json_field_get_int(&timeout, 1, INT32_MAX, &seconds, err);
	hook->timeout_s = (unsigned int)seconds;
	return r;
}

static int parse_list(const struct json_field *field, struct container_hook_list *list,
		      struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	if (r < 0 || !count)
		return r;
	list->items = calloc(count, sizeof(*list->items));
	if (!list->items)
		return error_set(err, ENOMEM, "hooks");
	list->count = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(field, i);

		r = parse_hook(&element, &list->items[i], err);
	}
	return r;
}

int config_parse_hooks(const struct json_field *field, struct container_hooks *hooks,
		       struct error *err)
{
	int r = json_field_check_object(field, err);

	for (unsigned int kind = 0; !r && kind < CONTAINER_NR_HOOK_KINDS; kind++) {
		struct json_field list = json_field_member(field, names[kind]);

		r = parse_list(&list, &hooks->lists[kind], err);
	}
	return r;
}

int container_hooks_load(int dir_fd, struct container_hooks *ret, struct error *err)
{
	struct container_hooks hooks = { 0 };
	AUTO_FREE char *text = NULL;
	json_t *document = NULL;
	struct json_field top;
	size_t size;
	int r = file_load(dir_fd, CONTAINER_CONFIG_NAME, CONTAINER_CONFIG_SIZE_MAX, &text, &size,
			  err);

	if (r < 0)
		return r;
	document = json_text_parse(CONTAINER_CONFIG_NAME, text, size, err);
	if (!document)
		return -EINVAL;
	r = json_field_top(&top, CONTAINER_CONFIG_NAME, document, err);
	if (!r) {
		struct json_field field = json_field_member(&top, "hooks");

		r = config_parse_hooks(&field, &hooks, err);
	}
	json_decref(document);
	if (r < 0)
		container_hooks_clear(&hooks);
	else
		*ret = hooks;
	return r;
}

static void clear_list(struct container_hook_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].path);
		text_list_clear(&list->items[i].args);
		text_list_clear(&list->items[i].env);
	}
	free(list->items);
	*list = (struct container_hook_list){ 0 };
}

void container_hooks_clear(struct container_hooks *hooks)
{
	for (unsigned int kind = 0; kind < CONTAINER_NR_HOOK_KINDS; kind++)
		clear_list(&hooks->lists[kind]);
}

json_t *container_hook_state(const char *id, enum container_status status, pid_t pid,
			     const char *bundle, json_t *annotations)
{
	return json_pack("{s:s, s:s, s:s, s:o*, s:s, s:o}", "ociVersion", OCI_SPEC_VERSION, "id",
			 id, "status", container_status_name(status), "pid",
			 pid ? json_integer(pid) : NULL, "bundle", bundle, "annotations",
			 annotations ? json_incref(annotations) : json_object());
}

char *container_hook_state_text(const char *id, enum container_status status, pid_t pid,
				const char *bundle, json_t *annotations)
{
	json_t *state = container_hook_state(id, status, pid, bundle, annotations);
	char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;

	json_decref(state);
	return text;
}
