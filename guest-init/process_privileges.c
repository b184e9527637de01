/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_privileges.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guest-init/process_filter.h"
#include "guest-init/scope.h"

static bool mask_has(uint64_t mask, cap_value_t capability)
{
	return mask >> capability & 1;
}

static int privileges_drop_bounding(uint64_t bounding, struct failure *err)
{
	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (!mask_has(bounding, cap) && cap_get_bound(cap) > 0 && cap_drop_bound(cap))
			return failure_set(err, errno, "process.capabilities.bounding");
	}
	return 0;
}

static int privileges_set_user(const struct plan_process *process, struct failure *err)
{
	/* Else the change of user would take the capabilities that the plan leaves. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return failure_set(err, errno, "keep the capabilities");
	if (setgroups(process->nr_additional_gids, process->additional_gids))
		return failure_set(err, errno, "process.user.additionalGids");
	if (setresgid(process->gid, process->gid, process->gid))
		return failure_set(err, errno, "process.user.gid %u", process->gid);
	if (setresuid(process->uid, process->uid, process->uid))
		return failure_set(err, errno, "process.user.uid %u", process->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
		return failure_set(err, errno, "keep the capabilities");
	return 0;
}

static int privileges_fill_set(cap_t caps, cap_flag_t set, uint64_t mask)
{
	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (mask_has(mask, cap) && cap_set_flag(caps, set, 1, &cap, CAP_SET))
			return -1;
	}
	return 0;
}

static int privileges_set_capabilities(const struct plan_capabilities *plan, struct failure *err)
{
	cap_t caps = cap_init();
	int r = 0;

	if (!caps)
		return failure_set(err, errno, "process.capabilities");
	if (privileges_fill_set(caps, CAP_EFFECTIVE, plan->effective) ||
	    privileges_fill_set(caps, CAP_PERMITTED, plan->permitted) ||
	    privileges_fill_set(caps, CAP_INHERITABLE, plan->inheritable) || cap_set_proc(caps))
		r = failure_set(err, errno, "process.capabilities");
	(void)cap_free(caps);
	return r;
}

/*
 * A capability can only be ambient while it is permitted and inheritable (capabilities(7)).
 * Configurations name others all the same, and runtimes pass over them.
 */
static int privileges_raise_ambient(const struct plan_capabilities *capabilities,
				    struct failure *err)
{
	uint64_t ambient =
		capabilities->ambient & capabilities->permitted & capabilities->inheritable;

	for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if (mask_has(ambient, cap) && cap_set_ambient(cap, CAP_SET))
			return failure_set(err, errno,
					   "process.capabilities.ambient: capability %d", cap);
	}
	return 0;
}

/*
 * Without no_new_privs a filter takes CAP_SYS_ADMIN, so it is installed while that is still
 * permitted, and meets the few calls from here to execve(2).
 */
static int privileges_install_filter(const struct plan_process *process, struct failure *err)
{
	const cap_value_t needed = CAP_SYS_ADMIN;
	cap_t caps = cap_get_proc();
	int r = 0;

	if (!caps || cap_set_flag(caps, CAP_EFFECTIVE, 1, &needed, CAP_SET) || cap_set_proc(caps))
		r = failure_set(err, errno, "linux.seccomp: raise CAP_SYS_ADMIN");
	(void)cap_free(caps);
	return r ? r : process_filter_install(process, err);
}

int process_privileges_apply(const struct plan_process *process, struct failure *err)
{
	int r = privileges_drop_bounding(process->capabilities.bounding, err);

	if (!r)
		r = privileges_set_user(process, err);
	if (!r && !process->no_new_privileges && process->filter_len)
		r = privileges_install_filter(process, err);
	if (!r)
		r = privileges_set_capabilities(&process->capabilities, err);
	if (!r)
		r = privileges_raise_ambient(&process->capabilities, err);
	if (!r && process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = failure_set(err, errno, "process.noNewPrivileges");
	return r;
}
