/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_filter.h - the seccomp filter of a process, as the host has compiled it
 *
 * Spec: seccomp(2); OCI runtime-spec, config-linux.md "seccomp".
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * Install the filter of the plan, if there is one, in the calling process. It applies to what the
 * process does from then on, to guest-init's own last steps too. Needs no_new_privs or
 * CAP_SYS_ADMIN.
 */
int process_filter_install(const struct plan_process *process, struct failure *err);
