/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_limits.h - resource limits and the out-of-memory score of a process
 *
 * In two steps: the first needs guest-init's /proc and privileges in the guest's first user
 * namespace, the second may leave the process too little to do anything but exec.
 */
#pragma once

#include <sys/types.h>

#include "guest-init/container_plan.h"

/* Set the score of @pid (0: the caller), and let the kernel accept the limits that are to come. */
int process_limits_prepare(pid_t pid, const struct plan_process *process, struct failure *err);

/* Set the limits of the caller. */
int process_limits_apply(const struct plan_process *process, struct failure *err);
