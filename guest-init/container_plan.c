/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_plan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "guest-init/scope.h"

static const struct member mount_members[] = {
	MEMBER(struct plan_mount, destination, "destination", MEMBER_PATH),
	MEMBER(struct plan_mount, type, "type", MEMBER_STRING),
	MEMBER(struct plan_mount, source, "source", MEMBER_STRING),
	MEMBER(struct plan_mount, data, "data", MEMBER_STRING),
	MEMBER(struct plan_mount, flags, "flags", MEMBER_U64),
	MEMBER(struct plan_mount, clear_flags, "clearFlags", MEMBER_U64),
	MEMBER(struct plan_mount, propagation, "propagation", MEMBER_U64),
	MEMBER(struct plan_mount, is_recursive_readonly, "recursiveReadonly", MEMBER_BOOL),
	MEMBER(struct plan_mount, is_copied_up, "copyUp", MEMBER_BOOL),
	MEMBER(struct plan_mount, is_file, "isFile", MEMBER_BOOL),
};

static const struct member device_members[] = {
	MEMBER(struct plan_device, path, "path", MEMBER_PATH),
	MEMBER(struct plan_device, type, "type", MEMBER_STRING),
	MEMBER(struct plan_device, major, "major", MEMBER_U32),
	MEMBER(struct plan_device, minor, "minor", MEMBER_U32),
	MEMBER(struct plan_device, mode, "mode", MEMBER_U32),
	MEMBER(struct plan_device, uid, "uid", MEMBER_U32),
	MEMBER(struct plan_device, gid, "gid", MEMBER_U32),
};

static const struct member hook_members[] = {
	MEMBER(struct plan_hook, path, "path", MEMBER_PATH),
	MEMBER(struct plan_hook, args, "args", MEMBER_STRINGS),
	MEMBER(struct plan_hook, env, "env", MEMBER_STRINGS),
	MEMBER(struct plan_hook, timeout_s, "timeout", MEMBER_U32),
};

static const struct member time_offset_members[] = {
	MEMBER(struct plan_time_offset, clock, "clock", MEMBER_STRING),
	MEMBER(struct plan_time_offset, seconds, "seconds", MEMBER_I64),
	MEMBER(struct plan_time_offset, nanoseconds, "nanoseconds", MEMBER_U32),
};

static const struct member container_members[] = {
	MEMBER(struct container_plan, time_ns, "time", MEMBER_I64),
	MEMBER(struct container_plan, entropy, "entropy", MEMBER_STRING),
	OPTIONAL(struct container_plan, hostname, "hostname", MEMBER_STRING),
	OPTIONAL(struct container_plan, domainname, "domainname", MEMBER_STRING),
	MEMBER(struct container_plan, has_readonly_root, "readonlyRootfs", MEMBER_BOOL),
	MEMBER(struct container_plan, root_propagation, "rootfsPropagation", MEMBER_U64),
	MEMBER(struct container_plan, masked_paths, "maskedPaths", MEMBER_STRINGS),
	MEMBER(struct container_plan, readonly_paths, "readonlyPaths", MEMBER_STRINGS),
};

static const struct {
	const char *name;
	int flag;
} namespaces[] = {
	{ "pid", CLONE_NEWPID },   { "mount", CLONE_NEWNS },	  { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },   { "cgroup", CLONE_NEWCGROUP }, { "network", CLONE_NEWNET },
	{ "user", CLONE_NEWUSER }, { "time", CLONE_NEWTIME },
};

static int plan_read_mount(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, mount_members, ARRAY_SIZE(mount_members), ret_item, err);
}

static int plan_read_device(const json_t *item, void *ret_item, struct failure *err)
{
	struct plan_device *device = ret_item;
	int r;

	r = plan_read_members(item, device_members, ARRAY_SIZE(device_members), device, err);
	if (r)
		return r;
	if (strlen(device->type) != 1 || !strchr("cbp", device->type[0]))
		return failure_invalid(err, "type \"%s\" is not \"c\", \"b\" or \"p\"",
				       device->type);
	return 0;
}

static int plan_read_time_offset(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, time_offset_members, ARRAY_SIZE(time_offset_members),
				 ret_item, err);
}

static int plan_read_sysctls(struct container_plan *plan, struct failure *err)
{
	json_t *object = json_object_get(plan->message, "sysctl");
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return failure_invalid(err, "\"sysctl\" is missing or not an object");
	plan->sysctls = calloc(json_object_size(object) + 1, sizeof(*plan->sysctls));
	if (!plan->sysctls)
		return failure_set(err, ENOMEM, "\"sysctl\"");
	json_object_foreach (object, name, value) {
		struct plan_sysctl *sysctl = &plan->sysctls[plan->nr_sysctls++];

		if (!json_is_string(value))
			return failure_invalid(err, "sysctl \"%s\" is not a string", name);
		sysctl->name = name;
		sysctl->value = json_string_value(value);
	}
	return 0;
}

static int plan_namespace_flag(const char *name, struct failure *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (!strcmp(name, namespaces[i].name))
			return namespaces[i].flag;
	return failure_invalid(err, "namespace \"%s\" is not supported in a guest", name);
}

static int plan_read_namespaces(struct container_plan *plan, struct failure *err)
{
	struct plan_strings names = { NULL, 0 };
	int r = plan_read_strings(json_object_get(plan->message, "namespaces"), "namespaces",
				  &names, err);

	for (size_t i = 0; i < names.len && r >= 0; i++) {
		r = plan_namespace_flag(names.items[i], err);
		if (r > 0)
			plan->namespaces |= r;
	}
	free(names.items);
	return r < 0 ? r : 0;
}

static int plan_read_id_maps(struct container_plan *plan, struct failure *err)
{
	int r = 0;

	if (plan->namespaces & CLONE_NEWUSER) {
		r = id_map_init(&plan->uid_map, plan->message, "uidMappings", err);
		if (!r)
			r = id_map_init(&plan->gid_map, plan->message, "gidMappings", err);
	}
	return r ? r : process_plan_map_user(&plan->process, &plan->uid_map, err);
}

static int plan_read_hook(const json_t *item, void *ret_item, struct failure *err)
{
	struct plan_hook *hook = ret_item;
	int r = plan_read_members(item, hook_members, ARRAY_SIZE(hook_members), hook, err);

	return r || hook->args.len ? r : failure_invalid(err, "args must not be empty");
}

static int plan_read_start_hooks(struct container_plan *plan, struct failure *err)
{
	json_t *object = json_object_get(plan->message, "startContainer");
	int r;

	if (!object)
		return 0;
	plan->hook_state = json_object_get(object, "state");
	if (!json_is_object(plan->hook_state))
		return failure_invalid(err, "startContainer: \"state\" is not an object");
	r = plan_read_list(object, "hooks", sizeof(*plan->start_hooks), plan_read_hook,
			   &plan->start_hooks, &plan->nr_start_hooks, err);
	return r ? failure_prefix(err, "startContainer") : 0;
}

int container_plan_init(struct container_plan *plan, json_t *message, struct failure *err)
{
	int r;

	memset(plan, 0, sizeof(*plan));
	plan->message = json_incref(message);
	r = plan_read_members(message, container_members, ARRAY_SIZE(container_members), plan, err);
	if (!r)
		r = plan_read_namespaces(plan, err);
	if (!r)
		r = plan_read_list(message, "mounts", sizeof(*plan->mounts), plan_read_mount,
				   &plan->mounts, &plan->nr_mounts, err);
	if (!r)
		r = plan_read_list(message, "devices", sizeof(*plan->devices), plan_read_device,
				   &plan->devices, &plan->nr_devices, err);
	if (!r)
		r = plan_read_sysctls(plan, err);
	if (!r && json_object_get(message, "timeOffsets"))
		r = plan_read_list(message, "timeOffsets", sizeof(*plan->time_offsets),
				   plan_read_time_offset, &plan->time_offsets,
				   &plan->nr_time_offsets, err);
	if (!r)
		r = process_plan_init(&plan->process, message, err);
	if (!r)
		r = plan_read_id_maps(plan, err);
	if (!r)
		r = plan_read_start_hooks(plan, err);
	if (r)
		container_plan_fini(plan);
	return r;
}

void container_plan_fini(struct container_plan *plan)
{
	for (size_t i = 0; i < plan->nr_start_hooks; i++) {
		free(plan->start_hooks[i].args.items);
		free(plan->start_hooks[i].env.items);
	}
	free(plan->start_hooks);
	id_map_fini(&plan->uid_map);
	id_map_fini(&plan->gid_map);
	free(plan->mounts);
	free(plan->devices);
	free(plan->sysctls);
	free(plan->time_offsets);
	free(plan->masked_paths.items);
	free(plan->readonly_paths.items);
	process_plan_fini(&plan->process);
	json_decref(plan->message);
	memset(plan, 0, sizeof(*plan));
}

bool container_plan_has_writable_cgroup(const struct container_plan *plan)
{
	for (size_t i = 0; i < plan->nr_mounts; i++) {
		const struct plan_mount *mount = &plan->mounts[i];

		if ((!strcmp(mount->type, "cgroup") || !strcmp(mount->type, "cgroup2")) &&
		    !(mount->flags & MS_RDONLY))
			return plan->namespaces & CLONE_NEWCGROUP;
	}
	return false;
}
