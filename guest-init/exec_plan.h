/* SPDX-License-Identifier: Apache-2.0 */
/* exec_plan.h - the "exec" message as a struct. Pure: no system calls. Contract: protocol.h. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "guest-init/container_plan.h"

/* One more process of the container. */
struct exec_plan {
	json_t *message; /* what all strings point into */
	uint32_t number; /* from 1 up, below PROTOCOL_PROCESSES_MAX */
	struct plan_process process;
};

/*
 * Fill @plan from an "exec" message for the container of @container, whose seccomp filter it shares
 * and which must outlive it. As container_plan_init() otherwise.
 */
int exec_plan_init(struct exec_plan *plan, json_t *message, const struct container_plan *container,
		   struct failure *err);

void exec_plan_fini(struct exec_plan *plan);
