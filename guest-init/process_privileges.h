/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_privileges.h - user, groups and capabilities of a process, and the seccomp filter of one
 * that may gain privileges
 *
 * Spec: OCI runtime-spec, config.md "user", "capabilities", "noNewPrivileges"; capabilities(7).
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * Give the calling process, which is root with every capability, exactly the credentials of the
 * plan. After this it is the container's user. A set of capabilities that is not given is empty.
 */
int process_privileges_apply(const struct plan_process *process, struct failure *err);
