/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_plan.h - the "resources" of a message as a struct
 *
 * Pure: no system calls. Trust and contract: see container_plan.h and protocol.h.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define RESOURCE_ANY_NUMBER (-1) /* major or minor of a rule for all devices */

/* One file of a control group to write. */
struct resource_control {
	const char *file;  /* a name, without a slash */
	const char *value; /* written as it is, at once */
	const char *field; /* of the configuration, for an error */
};

/* Whether processes may access devices; see device_filter.h. */
struct resource_device_rule {
	bool is_allowed;
	const char *type;     /* "a", "b" or "c" */
	int64_t major, minor; /* or RESOURCE_ANY_NUMBER */
	uint32_t access;      /* BPF_DEVCG_ACC_… bits */
};

struct resource_plan {
	json_t *message; /* what all strings point into */
	struct resource_control *controls;
	size_t nr_controls;
	struct resource_device_rule *device_rules;
	size_t nr_device_rules;
};

/*
 * Fill @plan from the member "resources" of @message, of which it keeps a reference. Without that
 * member the plan is empty. On failure nothing needs to be released.
 */
int resource_plan_init(struct resource_plan *plan, json_t *message, struct failure *err);

void resource_plan_fini(struct resource_plan *plan);
