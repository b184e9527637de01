/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_plan.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "guest-init/protocol.h"
#include "guest-init/scope.h"

/*
 * Theory of operation: each object of the message is described by a table that says which member
 * goes where in the struct; plan_read_members() walks the table. Lists of objects are read by one
 * function that allocates the array and reads each item with the item's reader.
 */
enum member_kind {
	MEMBER_STRING,	/* const char * */
	MEMBER_PATH,	/* const char *, absolute */
	MEMBER_STRINGS, /* struct plan_strings */
	MEMBER_BOOL,	/* bool */
	MEMBER_U32,	/* uint32_t */
	MEMBER_I32,	/* int32_t */
	MEMBER_U64,	/* uint64_t */
	MEMBER_I64,	/* int64_t */
	MEMBER_LIMIT,	/* uint64_t, -1 stands for RLIM_INFINITY */
};

struct member {
	const char *name;
	size_t offset;
	enum member_kind kind;
	bool is_optional;
};

typedef int (*plan_read_item_fn)(const json_t *item, void *ret_item, struct failure *err);

#define MEMBER(type, field, member_name, member_kind)                                              \
	{                                                                                          \
		.name = (member_name), .offset = offsetof(type, field), .kind = (member_kind)      \
	}
#define OPTIONAL(type, field, member_name, member_kind)                                            \
	{                                                                                          \
		.name = (member_name), .offset = offsetof(type, field), .kind = (member_kind),     \
		.is_optional = true                                                                \
	}

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

static const struct member rlimit_members[] = {
	MEMBER(struct plan_rlimit, resource, "resource", MEMBER_U32),
	MEMBER(struct plan_rlimit, soft, "soft", MEMBER_LIMIT),
	MEMBER(struct plan_rlimit, hard, "hard", MEMBER_LIMIT),
};

static const struct member hook_members[] = {
	MEMBER(struct plan_hook, path, "path", MEMBER_PATH),
	MEMBER(struct plan_hook, args, "args", MEMBER_STRINGS),
	MEMBER(struct plan_hook, env, "env", MEMBER_STRINGS),
	MEMBER(struct plan_hook, timeout_s, "timeout", MEMBER_U32),
};

static const struct member capabilities_members[] = {
	MEMBER(struct plan_capabilities, bounding, "bounding", MEMBER_U64),
	MEMBER(struct plan_capabilities, effective, "effective", MEMBER_U64),
	MEMBER(struct plan_capabilities, inheritable, "inheritable", MEMBER_U64),
	MEMBER(struct plan_capabilities, permitted, "permitted", MEMBER_U64),
	MEMBER(struct plan_capabilities, ambient, "ambient", MEMBER_U64),
};

static const struct member scheduler_members[] = {
	MEMBER(struct plan_scheduler, policy, "policy", MEMBER_U32),
	MEMBER(struct plan_scheduler, flags, "flags", MEMBER_U64),
	MEMBER(struct plan_scheduler, nice, "nice", MEMBER_I32),
	MEMBER(struct plan_scheduler, priority, "priority", MEMBER_U32),
	MEMBER(struct plan_scheduler, runtime, "runtime", MEMBER_U64),
	MEMBER(struct plan_scheduler, deadline, "deadline", MEMBER_U64),
	MEMBER(struct plan_scheduler, period, "period", MEMBER_U64),
};

static const struct member time_offset_members[] = {
	MEMBER(struct plan_time_offset, clock, "clock", MEMBER_STRING),
	MEMBER(struct plan_time_offset, seconds, "seconds", MEMBER_I64),
	MEMBER(struct plan_time_offset, nanoseconds, "nanoseconds", MEMBER_U32),
};

static const struct member process_members[] = {
	MEMBER(struct plan_process, has_terminal, "terminal", MEMBER_BOOL),
	MEMBER(struct plan_process, rows, "rows", MEMBER_U32),
	MEMBER(struct plan_process, columns, "columns", MEMBER_U32),
	MEMBER(struct plan_process, args, "args", MEMBER_STRINGS),
	MEMBER(struct plan_process, env, "env", MEMBER_STRINGS),
	MEMBER(struct plan_process, cwd, "cwd", MEMBER_PATH),
	MEMBER(struct plan_process, uid, "uid", MEMBER_U32),
	MEMBER(struct plan_process, gid, "gid", MEMBER_U32),
	MEMBER(struct plan_process, umask, "umask", MEMBER_U32),
	MEMBER(struct plan_process, no_new_privileges, "noNewPrivileges", MEMBER_BOOL),
	OPTIONAL(struct plan_process, personality, "personality", MEMBER_U32),
	OPTIONAL(struct plan_process, oom_score_adj, "oomScoreAdj", MEMBER_I32),
	OPTIONAL(struct plan_process, io_priority, "ioPriority", MEMBER_U32),
	OPTIONAL(struct plan_process, initial_cpus, "initialCpus", MEMBER_U32),
	OPTIONAL(struct plan_process, final_cpus, "finalCpus", MEMBER_U32),
};

static const struct member container_members[] = {
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
	{ "time", CLONE_NEWTIME },
};

/*
 * The strings stay as they are, but execve(2) wants its vectors without const: this is the one
 * place that drops it.
 */
static char *plan_string(const json_t *value)
{
	const union {
		const char *constant;
		char *variable;
	} string = { .constant = json_string_value(value) };

	return string.variable;
}

static int plan_read_strings(const json_t *list, const char *name, struct plan_strings *ret_strings,
			     struct failure *err)
{
	size_t len = json_array_size(list);
	char **items;

	if (!json_is_array(list))
		return failure_invalid(err, "\"%s\" is not a list", name);
	items = calloc(len + 1, sizeof(*items));
	if (!items)
		return failure_set(err, ENOMEM, "\"%s\"", name);
	for (size_t i = 0; i < len; i++) {
		items[i] = plan_string(json_array_get(list, i));
		if (!items[i]) {
			free(items);
			return failure_invalid(err, "%s[%zu] is not a string", name, i);
		}
	}
	ret_strings->items = items;
	ret_strings->len = len;
	return 0;
}

static int plan_read_integer(const json_t *value, const char *name, json_int_t min, json_int_t max,
			     json_int_t *ret_integer, struct failure *err)
{
	json_int_t integer = json_integer_value(value);

	if (!json_is_integer(value) || integer < min || integer > max)
		return failure_invalid(err, "\"%s\" is not a whole number from %lld to %lld", name,
				       (long long)min, (long long)max);
	*ret_integer = integer;
	return 0;
}

static int plan_read_string(const json_t *value, const struct member *member,
			    const char **ret_string, struct failure *err)
{
	const char *string = json_string_value(value);

	if (!string)
		return failure_invalid(err, "\"%s\" is not a string", member->name);
	if (member->kind == MEMBER_PATH && string[0] != '/')
		return failure_invalid(err, "%s \"%s\" is not an absolute path", member->name,
				       string);
	*ret_string = string;
	return 0;
}

static int plan_read_member(const json_t *value, const struct member *member, void *field,
			    struct failure *err)
{
	json_int_t integer = 0;
	int r = 0;

	switch (member->kind) {
	case MEMBER_STRING:
	case MEMBER_PATH:
		return plan_read_string(value, member, field, err);
	case MEMBER_STRINGS:
		return plan_read_strings(value, member->name, field, err);
	case MEMBER_BOOL:
		if (!json_is_boolean(value))
			return failure_invalid(err, "\"%s\" is not a boolean", member->name);
		*(bool *)field = json_is_true(value);
		return 0;
	case MEMBER_U32:
		r = plan_read_integer(value, member->name, 0, UINT32_MAX, &integer, err);
		if (!r)
			*(uint32_t *)field = (uint32_t)integer;
		return r;
	case MEMBER_I32:
		r = plan_read_integer(value, member->name, INT32_MIN + 1, INT32_MAX, &integer, err);
		if (!r)
			*(int32_t *)field = (int32_t)integer;
		return r;
	case MEMBER_U64:
		r = plan_read_integer(value, member->name, 0, INT64_MAX, &integer, err);
		if (!r)
			*(uint64_t *)field = (uint64_t)integer;
		return r;
	case MEMBER_I64:
		r = plan_read_integer(value, member->name, INT64_MIN, INT64_MAX, &integer, err);
		if (!r)
			*(int64_t *)field = integer;
		return r;
	case MEMBER_LIMIT:
		r = plan_read_integer(value, member->name, -1, INT64_MAX, &integer, err);
		if (!r)
			*(uint64_t *)field = integer < 0 ? RLIM_INFINITY : (uint64_t)integer;
		return r;
	}
	return failure_invalid(err, "\"%s\" has an unknown kind", member->name);
}

static int plan_read_members(const json_t *object, const struct member *members, size_t nr_members,
			     void *ret_struct, struct failure *err)
{
	if (!json_is_object(object))
		return failure_invalid(err, "not an object");
	for (size_t i = 0; i < nr_members; i++) {
		const json_t *value = json_object_get(object, members[i].name);
		int r;

		if (!value && members[i].is_optional)
			continue;
		if (!value)
			return failure_invalid(err, "\"%s\" is missing", members[i].name);
		r = plan_read_member(value, &members[i], (char *)ret_struct + members[i].offset,
				     err);
		if (r)
			return r;
	}
	return 0;
}

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

static int plan_read_rlimit(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, rlimit_members, ARRAY_SIZE(rlimit_members), ret_item, err);
}

static int plan_read_time_offset(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, time_offset_members, ARRAY_SIZE(time_offset_members),
				 ret_item, err);
}

static int plan_read_gid(const json_t *item, void *ret_item, struct failure *err)
{
	json_int_t gid;
	int r = plan_read_integer(item, "gid", 0, UINT32_MAX, &gid, err);

	if (!r)
		*(uint32_t *)ret_item = (uint32_t)gid;
	return r;
}

/*
 * Read the list @name of @object into a new array of items of @item_size bytes. The array is the
 * caller's on failure too, then with zeros in place of what was not read.
 */
static int plan_read_list(const json_t *object, const char *name, size_t item_size,
			  plan_read_item_fn read_item, void *ret_array, size_t *ret_len,
			  struct failure *err)
{
	const json_t *list = json_object_get(object, name);
	size_t len = json_array_size(list);
	char *array;

	if (!json_is_array(list))
		return failure_invalid(err, "\"%s\" is missing or not a list", name);
	array = calloc(len ? len : 1, item_size);
	if (!array)
		return failure_set(err, ENOMEM, "\"%s\"", name);
	*(void **)ret_array = array;
	*ret_len = len;
	for (size_t i = 0; i < len; i++)
		if (read_item(json_array_get(list, i), array + i * item_size, err))
			return failure_prefix(err, "%s[%zu]", name, i);
	return 0;
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

static int plan_read_capabilities(struct plan_capabilities *ret_caps, const json_t *process,
				  struct failure *err)
{
	const json_t *object = json_object_get(process, "capabilities");
	uint64_t known = (UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1;
	int r;

	if (!object)
		return 0;
	r = plan_read_members(object, capabilities_members, ARRAY_SIZE(capabilities_members),
			      ret_caps, err);
	if (!r && (ret_caps->bounding | ret_caps->effective | ret_caps->inheritable |
		   ret_caps->permitted | ret_caps->ambient) &
			  ~known)
		r = failure_invalid(err, "a capability above %d does not exist", CAP_LAST_CAP);
	return r ? failure_prefix(err, "capabilities") : 0;
}

static int plan_read_instruction(const json_t *item, void *ret_item, struct failure *err)
{
	struct sock_filter *instruction = ret_item;
	json_int_t packed = 0;
	int r = plan_read_integer(item, "instruction", 0, INT64_MAX, &packed, err);

	if (r)
		return r;
	instruction->code = (uint16_t)(packed >> 48);
	instruction->jt = (uint8_t)(packed >> 40);
	instruction->jf = (uint8_t)(packed >> 32);
	instruction->k = (uint32_t)packed;
	return 0;
}

static int plan_read_filter(struct plan_process *process, const json_t *object, struct failure *err)
{
	const json_t *seccomp = json_object_get(object, "seccomp");
	json_int_t flags = 0;
	int r;

	if (!seccomp)
		return 0;
	r = plan_read_integer(json_object_get(seccomp, "flags"), "flags", 0, UINT32_MAX, &flags,
			      err);
	process->filter_flags = (uint32_t)flags;
	if (!r)
		r = plan_read_list(seccomp, "filter", sizeof(*process->filter),
				   plan_read_instruction, &process->filter, &process->filter_len,
				   err);
	if (!r && process->filter_len > BPF_MAXINSNS)
		r = failure_invalid(err, "filter has more than %d instructions", BPF_MAXINSNS);
	return r ? failure_prefix(err, "seccomp") : 0;
}

static int plan_read_scheduler(struct plan_scheduler *scheduler, const json_t *process,
			       struct failure *err)
{
	const json_t *object = json_object_get(process, "scheduler");

	if (!object)
		return 0;
	scheduler->is_given = true;
	if (plan_read_members(object, scheduler_members, ARRAY_SIZE(scheduler_members), scheduler,
			      err))
		return failure_prefix(err, "scheduler");
	return 0;
}

static int plan_check_process(const struct plan_process *process, struct failure *err)
{
	if (!process->args.len)
		return failure_invalid(err, "args must not be empty");
	for (size_t i = 0; i < process->env.len; i++)
		if (!strchr(process->env.items[i], '='))
			return failure_invalid(err, "invalid environment variable: missing '=': %s",
					       process->env.items[i]);
	return 0;
}

static int plan_read_process(const json_t *message, struct plan_process *process,
			     struct failure *err)
{
	const json_t *object = json_object_get(message, "process");
	int r;

	process->oom_score_adj = PLAN_OOM_SCORE_UNSET;
	r = plan_read_members(object, process_members, ARRAY_SIZE(process_members), process, err);
	if (!r)
		r = plan_read_capabilities(&process->capabilities, object, err);
	if (!r)
		r = plan_read_list(object, "additionalGids", sizeof(*process->additional_gids),
				   plan_read_gid, &process->additional_gids,
				   &process->nr_additional_gids, err);
	if (!r)
		r = plan_read_list(object, "rlimits", sizeof(*process->rlimits), plan_read_rlimit,
				   &process->rlimits, &process->nr_rlimits, err);
	if (!r)
		r = plan_read_scheduler(&process->scheduler, object, err);
	if (!r)
		r = plan_read_filter(process, object, err);
	if (!r)
		r = plan_check_process(process, err);
	return r ? failure_prefix(err, "process") : 0;
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
		r = plan_read_process(message, &plan->process, err);
	if (!r)
		r = plan_read_start_hooks(plan, err);
	if (r)
		container_plan_fini(plan);
	return r;
}

static void plan_release_process(struct plan_process *process)
{
	free(process->args.items);
	free(process->env.items);
	free(process->additional_gids);
	free(process->rlimits);
	free(process->filter);
}

void container_plan_fini(struct container_plan *plan)
{
	for (size_t i = 0; i < plan->nr_start_hooks; i++) {
		free(plan->start_hooks[i].args.items);
		free(plan->start_hooks[i].env.items);
	}
	free(plan->start_hooks);
	free(plan->mounts);
	free(plan->devices);
	free(plan->sysctls);
	free(plan->time_offsets);
	free(plan->masked_paths.items);
	free(plan->readonly_paths.items);
	plan_release_process(&plan->process);
	json_decref(plan->message);
	memset(plan, 0, sizeof(*plan));
}

int exec_plan_init(struct exec_plan *plan, json_t *message, const struct container_plan *container,
		   struct failure *err)
{
	json_int_t number = 0;
	int r = plan_read_integer(json_object_get(message, "number"), "number", 1,
				  PROTOCOL_PROCESSES_MAX - 1, &number, err);

	memset(plan, 0, sizeof(*plan));
	if (r)
		return r;
	plan->message = json_incref(message);
	plan->number = (uint32_t)number;
	r = plan_read_process(message, &plan->process, err);
	free(plan->process.filter);
	plan->process.personality = container->process.personality;
	plan->process.filter = container->process.filter;
	plan->process.filter_len = container->process.filter_len;
	plan->process.filter_flags = container->process.filter_flags;
	if (r)
		exec_plan_fini(plan);
	return r;
}

void exec_plan_fini(struct exec_plan *plan)
{
	plan->process.filter = NULL; /* the container's */
	plan_release_process(&plan->process);
	json_decref(plan->message);
	memset(plan, 0, sizeof(*plan));
}
