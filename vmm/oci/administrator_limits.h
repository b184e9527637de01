/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administrator_limits.h - "limits" and "defaults" of the administrator's configuration (used by
 * administrator_config.c)
 */
#pragma once

#include "vmm/oci/administrator_config.h"
#include "vmm/oci/json_fields.h"

/* Fill @limits (all zeros) from the object @top; the caller clears it, also after a failure. */
int administrator_parse_limits(const struct json_field *top, struct administrator_limits *limits,
			       struct error *err);

/* Fill *@ret likewise: given ones must be within the parsed @limits, others are made to fit. */
int administrator_parse_defaults(const struct json_field *top,
				 const struct administrator_limits *limits,
				 struct container_defaults *ret, struct error *err);

/* Bytes of the largest virtual machine: its container can use what limits.memory says. */
uint64_t administrator_machine_limit(const struct administrator_limits *limits);

void administrator_limits_clear(struct administrator_limits *limits);

/* New values in the form of the file. */
json_t *administrator_limits_to_json(const struct administrator_limits *limits);
json_t *administrator_list_to_json(const struct text_list *list);
