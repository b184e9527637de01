/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/guest_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "guest-init/protocol.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/*
 * Memory may run out at any member. jansson's setters and packers take NULL as a failure and pass
 * it on, so every builder returns NULL then, and only the caller at the top looks.
 */

static json_t *build_strings(const struct text_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		if (json_array_append_new(array, json_string(list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* @array with @element at its end, or NULL; takes both. */
static json_t *append(json_t *array, json_t *element)
{
	if (json_array_append_new(array, element) < 0) {
		json_decref(array);
		return NULL;
	}
	return array;
}

static json_t *build_namespaces(unsigned int namespaces)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < CONTAINER_NR_NAMESPACES; i++)
		if (namespaces & (1u << i))
			array = append(array, json_string(container_namespace_name(i)));
	return array;
}

/* The source of a bind is a host path, which is nothing to the guest. */
static json_t *build_mount(const struct container_mount *mount)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:b, s:b}", "destination",
			 mount->destination, "type", mount->type, "source",
			 mount->is_bind ? "" : mount->source, "flags", (json_int_t)mount->flags,
			 "clearFlags", (json_int_t)mount->clear_flags, "propagation",
			 (json_int_t)mount->propagation, "data", mount->data, "recursiveReadonly",
			 mount->is_recursive_readonly, "copyUp", mount->copies_up, "isFile",
			 mount->is_file);
}

static json_t *build_mounts(const struct container_config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->nr_mounts; i++)
		array = append(array, build_mount(&config->mounts[i]));
	return array;
}

static json_t *build_devices(const struct container_config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; i < config->nr_devices; i++) {
		const struct container_device *device = &config->devices[i];

		array = append(array,
			       json_pack("{s:s, s:s#, s:I, s:I, s:I, s:I, s:I}", "path",
					 device->path, "type", &device->type, 1, "major",
					 (json_int_t)device->major, "minor",
					 (json_int_t)device->minor, "mode",
					 (json_int_t)device->mode, "uid", (json_int_t)device->uid,
					 "gid", (json_int_t)device->gid));
	}
	return array;
}

static json_t *build_id_map(const struct container_id_map *map)
{
	json_t *array = json_array();

	for (size_t i = 0; i < map->nr_ranges; i++)
		array = append(array, json_pack("{s:I, s:I, s:I}", "containerID",
						(json_int_t)map->ranges[i].container_id, "hostID",
						(json_int_t)map->ranges[i].host_id, "size",
						(json_int_t)map->ranges[i].size));
	return array;
}

static json_t *build_sysctls(const struct container_config *config)
{
	json_t *object = json_object();

	for (size_t i = 0; i < config->nr_sysctls; i++) {
		if (json_object_set_new(object, config->sysctls[i].name,
					json_string(config->sysctls[i].value)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *build_time_offsets(const struct container_config *config)
{
	const struct {
		const char *name;
		const struct container_time_offset *offset;
	} clocks[] = { { "monotonic", &config->monotonic_offset },
		       { "boottime", &config->boottime_offset } };
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++)
		if (clocks[i].offset->is_given)
			array = append(array,
				       json_pack("{s:s, s:I, s:I}", "clock", clocks[i].name,
						 "seconds", (json_int_t)clocks[i].offset->seconds,
						 "nanoseconds",
						 (json_int_t)clocks[i].offset->nanoseconds));
	return array;
}

static json_t *build_gids(const struct container_process *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->nr_additional_gids; i++)
		array = append(array, json_integer(process->additional_gids[i]));
	return array;
}

static json_t *build_limit(uint64_t value)
{
	return json_integer(value == RLIM_INFINITY ? -1 : (json_int_t)value);
}

static json_t *build_rlimits(const struct container_process *process)
{
	json_t *array = json_array();

	for (size_t i = 0; i < process->nr_rlimits; i++) {
		const struct container_rlimit *rlimit = &process->rlimits[i];

		array = append(array, json_pack("{s:i, s:o, s:o}", "resource", rlimit->resource,
						"soft", build_limit(rlimit->soft), "hard",
						build_limit(rlimit->hard)));
	}
	return array;
}

static json_t *build_capabilities(const uint64_t *sets)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "bounding",
			 (json_int_t)sets[CAPABILITY_BOUNDING], "effective",
			 (json_int_t)sets[CAPABILITY_EFFECTIVE], "inheritable",
			 (json_int_t)sets[CAPABILITY_INHERITABLE], "permitted",
			 (json_int_t)sets[CAPABILITY_PERMITTED], "ambient",
			 (json_int_t)sets[CAPABILITY_AMBIENT]);
}

/* Each instruction of a program as one number, see protocol.h. */
static json_t *build_seccomp(const struct container_seccomp *seccomp)
{
	json_t *filter = json_array();

	for (size_t i = 0; i < seccomp->nr_instructions; i++) {
		const struct sock_filter *one = &seccomp->program[i];

		filter = append(filter, json_integer((json_int_t)one->code << 48 |
						     (json_int_t)one->jt << 40 |
						     (json_int_t)one->jf << 32 | one->k));
	}
	return json_pack("{s:I, s:o}", "flags", (json_int_t)seccomp->flags, "filter", filter);
}

/* NULL, as for a member that is left out, when @scheduler is not given. */
static json_t *build_scheduler(const struct container_scheduler *scheduler)
{
	if (!scheduler->is_given)
		return NULL;
	return json_pack("{s:I, s:I, s:i, s:I, s:I, s:I, s:I}", "policy",
			 (json_int_t)scheduler->policy, "flags", (json_int_t)scheduler->flags,
			 "nice", (int)scheduler->nice, "priority", (json_int_t)scheduler->priority,
			 "runtime", (json_int_t)scheduler->runtime, "deadline",
			 (json_int_t)scheduler->deadline, "period", (json_int_t)scheduler->period);
}

/* What the first process and later ones have in common. */
static json_t *build_process(const struct container_process *process)
{
	json_t *io_priority = process->has_io_priority ? json_integer(process->io_priority) : NULL;
	json_t *score = process->has_oom_score_adj ? json_integer(process->oom_score_adj) : NULL;

	return json_pack("{s:b, s:i, s:i, s:o, s:o, s:s, s:I, s:I, s:o, s:I, s:o, s:o, s:b, s:o*, "
			 "s:o*, s:o*}",
			 "terminal", process->has_terminal, "rows", process->rows, "columns",
			 process->columns, "args", build_strings(&process->args), "env",
			 build_strings(&process->env), "cwd", process->cwd, "uid",
			 (json_int_t)process->uid, "gid", (json_int_t)process->gid,
			 "additionalGids", build_gids(process), "umask", (json_int_t)process->umask,
			 "capabilities", build_capabilities(process->capabilities), "rlimits",
			 build_rlimits(process), "noNewPrivileges", process->no_new_privileges,
			 "oomScoreAdj", score, "scheduler", build_scheduler(&process->scheduler),
			 "ioPriority", io_priority);
}

/* @object with one member more, or NULL; takes both. */
static json_t *with_member(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* Later processes get the filter and the personality of the first one from the guest. */
static json_t *build_first_process(const struct container_config *config)
{
	json_t *object = build_process(&config->process);

	object = with_member(object, "personality", json_integer(config->personality));
	return with_member(object, "seccomp", build_seccomp(&config->seccomp));
}

static json_t *build_later_process(const struct container_process *process)
{
	json_t *object = build_process(process);

	if (process->exec_initial_cpus)
		object = with_member(object, "initialCpus",
				     json_integer(process->exec_initial_cpus));
	if (process->exec_final_cpus)
		object = with_member(object, "finalCpus", json_integer(process->exec_final_cpus));
	return object;
}

/* The pid in the state is added where it is known. */
static json_t *build_start_hooks(const struct container_config *config, const char *id,
				 const char *bundle)
{
	const struct container_hook_list *list = &config->hooks.lists[HOOK_START_CONTAINER];
	json_t *hooks = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct container_hook *hook = &list->items[i];

		hooks = append(hooks, json_pack("{s:s, s:o, s:o, s:I}", "path", hook->path, "args",
						build_strings(&hook->args), "env",
						build_strings(&hook->env), "timeout",
						(json_int_t)hook->timeout_s));
	}
	return json_pack(
		"{s:o, s:o}", "state",
		container_hook_state(id, CONTAINER_CREATED, 0, bundle, config->annotations),
		"hooks", hooks);
}

/* Returns 0, or -1 without memory. */
static int add_start_hooks(json_t *plan, const struct container_config *config, const char *id,
			   const char *bundle)
{
	if (!config->hooks.lists[HOOK_START_CONTAINER].count)
		return 0;
	return json_object_set_new(plan, "startContainer", build_start_hooks(config, id, bundle));
}

/* Returns 0, or -1 without memory. */
static int add_id_maps(json_t *plan, const struct container_config *config)
{
	if (!(config->namespaces & (1u << NAMESPACE_USER)))
		return 0;
	if (json_object_set_new(plan, "uidMappings", build_id_map(&config->uid_map)) < 0)
		return -1;
	return json_object_set_new(plan, "gidMappings", build_id_map(&config->gid_map));
}

static json_t *build_plan(const struct container_config *config,
			  const uint8_t entropy[CONTAINER_ENTROPY_SIZE])
{
	char digits[2 * CONTAINER_ENTROPY_SIZE + 1];

	for (size_t i = 0; i < CONTAINER_ENTROPY_SIZE; i++)
		(void)snprintf(&digits[2 * i], 3, "%02x", entropy[i]);
	return json_pack(
		"{s:s, s:s, s:s*, s:s*, s:o, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"type", "create", "entropy", digits, "hostname", config->hostname, "domainname",
		config->domainname, "namespaces", build_namespaces(config->namespaces),
		"readonlyRootfs", config->has_readonly_rootfs, "rootfsPropagation",
		(json_int_t)config->root_propagation, "mounts", build_mounts(config), "devices",
		build_devices(config), "sysctl", build_sysctls(config), "maskedPaths",
		build_strings(&config->masked_paths), "readonlyPaths",
		build_strings(&config->readonly_paths), "resources",
		container_resources_plan(&config->resources), "process",
		build_first_process(config), "timeOffsets", build_time_offsets(config));
}

/* Takes @plan (NULL: no memory). */
static int make_text(json_t *plan, const char *file, char **ret, struct error *err)
{
	AUTO_FREE char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;

	json_decref(plan);
	if (!text)
		return error_set(err, ENOMEM, "describe the container to the guest");
	if (strlen(text) > GUEST_PLAN_MAX)
		return error_invalid(err, "%s: more than the %u bytes a guest takes", file,
				     GUEST_PLAN_MAX);
	*ret = pointer_take(text);
	return 0;
}

int container_config_guest_plan(const struct container_config *config,
				const uint8_t entropy[CONTAINER_ENTROPY_SIZE], const char *id,
				const char *bundle, char **ret, struct error *err)
{
	json_t *plan = build_plan(config, entropy);

	if (plan &&
	    (add_id_maps(plan, config) < 0 || add_start_hooks(plan, config, id, bundle) < 0)) {
		json_decref(plan);
		plan = NULL;
	}
	return make_text(plan, CONTAINER_CONFIG_NAME, ret, err);
}

int container_process_guest_plan(const struct container_process *process, char **ret,
				 struct error *err)
{
	return make_text(build_later_process(process), "process", ret, err);
}
