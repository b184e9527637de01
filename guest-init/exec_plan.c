/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/exec_plan.h"

#include <stdlib.h>
#include <string.h>

#include "guest-init/protocol.h"

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
	r = process_plan_init(&plan->process, message, err);
	free(plan->process.filter);
	plan->process.personality = container->process.personality;
	plan->process.filter = container->process.filter;
	plan->process.filter_len = container->process.filter_len;
	plan->process.filter_flags = container->process.filter_flags;
	if (!r)
		r = process_plan_map_user(&plan->process, &container->uid_map, err);
	if (r)
		exec_plan_fini(plan);
	return r;
}

void exec_plan_fini(struct exec_plan *plan)
{
	plan->process.filter = NULL; /* the container's */
	process_plan_fini(&plan->process);
	json_decref(plan->message);
	memset(plan, 0, sizeof(*plan));
}
