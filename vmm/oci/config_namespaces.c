/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

static const char *const namespace_names[CONTAINER_NR_NAMESPACES] = {
	[NAMESPACE_PID] = "pid",   [NAMESPACE_MOUNT] = "mount",	  [NAMESPACE_IPC] = "ipc",
	[NAMESPACE_UTS] = "uts",   [NAMESPACE_CGROUP] = "cgroup", [NAMESPACE_NETWORK] = "network",
	[NAMESPACE_USER] = "user", [NAMESPACE_TIME] = "time",
};

const char *container_namespace_name(enum container_namespace type)
{
	return namespace_names[type];
}

static int parse_namespace(const struct json_field *field, struct container_config *config,
			   struct config_notes *notes, struct error *err)
{
	struct json_field type = json_field_member(field, "type");
	struct json_field path = json_field_member(field, "path");
	const char *path_text = "";
	size_t index = 0;
	int r = json_field_require_object(field, err);

	if (!r)
		r = json_field_get_choice(&type, namespace_names, ARRAY_SIZE(namespace_names),
					  &index, err);
	if (!r)
		r = json_field_get_string(&path, &path_text, err);
	if (r < 0)
		return r;
	if (config->namespaces & (1u << index))
		return json_field_error(&type, err, "duplicate \"%s\"", namespace_names[index]);
	config->namespaces |= 1u << index;
	if (*path_text && path_text[0] != '/')
		return json_field_error(&path, err, "must be an absolute path");
	if (!*path_text)
		return 0;
	if (index == NAMESPACE_NETWORK)
		return json_field_copy_string(&path, &config->netns_path, err);
	if (index == NAMESPACE_UTS)
		return json_field_copy_string(&path, &config->utsns_path, err);
	/* Pods name their sandbox's, always; what containers of a pod share by it is rare. */
	if (index == NAMESPACE_IPC)
		return config_warn(notes, &path, err,
				   "virtual machines cannot share an ipc namespace: the container "
				   "has its own");
	/* Containers of a pod, too; what matters are the owners of their files. */
	if (index == NAMESPACE_USER && !config_has_id_maps(field->parent->parent))
		return json_field_error(&path, err,
					"joining an existing user namespace is not supported");
	if (index == NAMESPACE_USER)
		return config_warn(notes, &path, err,
				   "virtual machines cannot share a user namespace: the container "
				   "has its own, with linux.uidMappings and linux.gidMappings");
	return config_refuse_because(notes, &path, err,
				     "joining an existing %s namespace is not supported",
				     namespace_names[index]);
}

/*
 * A namespace that is not asked for is the host's, which a virtual machine cannot share. For the
 * network that would cut the container off; elsewhere it sees the machine's own instead.
 */
static int check_host_namespaces(const struct json_field *field, struct container_config *config,
				 struct config_notes *notes, struct error *err)
{
	static const enum container_namespace noted[] = { NAMESPACE_PID, NAMESPACE_IPC,
							  NAMESPACE_UTS, NAMESPACE_MOUNT };
	int r = 0;

	if (!(config->namespaces & (1u << NAMESPACE_NETWORK)))
		r = config_refuse_because(notes, field, err,
					  "no \"network\": the host's network is not supported");
	for (size_t i = 0; !r && i < ARRAY_SIZE(noted); i++)
		if (!(config->namespaces & (1u << noted[i])))
			r = config_warn(notes, field, err,
					"no \"%s\": the virtual machine's is used, not the host's",
					namespace_names[noted[i]]);
	/* What the container mounts must not cover what guest-init works with. */
	config->namespaces |= 1u << NAMESPACE_MOUNT;
	return r;
}

int config_parse_namespaces(const struct json_field *field, struct container_config *config,
			    struct config_notes *notes, struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(field, i);

		r = parse_namespace(&element, config, notes, err);
	}
	return r < 0 ? r : check_host_namespaces(field, config, notes, err);
}
