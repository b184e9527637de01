/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_plan.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/scope.h"

static const struct member rlimit_members[] = {
	MEMBER(struct plan_rlimit, resource, "resource", MEMBER_U32),
	MEMBER(struct plan_rlimit, soft, "soft", MEMBER_LIMIT),
	MEMBER(struct plan_rlimit, hard, "hard", MEMBER_LIMIT),
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

static int plan_read_rlimit(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, rlimit_members, ARRAY_SIZE(rlimit_members), ret_item, err);
}

static int plan_read_gid(const json_t *item, void *ret_item, struct failure *err)
{
	json_int_t gid;
	int r = plan_read_integer(item, "gid", 0, UINT32_MAX, &gid, err);

	if (!r)
		*(uint32_t *)ret_item = (uint32_t)gid;
	return r;
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

int process_plan_init(struct plan_process *process, const json_t *message, struct failure *err)
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

int process_plan_map_user(struct plan_process *process, const struct id_map *uid_map,
			  struct failure *err)
{
	if (!id_map_outside(uid_map, process->uid, &process->outer_uid))
		return failure_invalid(err, "process.user.uid %u is not in linux.uidMappings",
				       process->uid);
	return 0;
}

void process_plan_fini(struct plan_process *process)
{
	free(process->args.items);
	free(process->env.items);
	free(process->additional_gids);
	free(process->rlimits);
	free(process->filter);
}
