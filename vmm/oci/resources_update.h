/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resources_update.h - new limits for a container that exists
 *
 * Spec: OCI runtime specification, config-linux.md "Control groups", for the members; what is not
 *       given is what runc has as such: members that are absent, null, 0, "" or []. "cpu.idle" and
 *       "cpu.burst" can be 0. "devices" and members that nobody knows are ignored.
 */
#pragma once

#include <jansson.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_resources.h"
#include "vmm/oci/text_list.h"

/*
 * The object "resources" that @current (NULL: nothing is limited) becomes by @update: a new object;
 * NULL without memory. What is wrong in @update is so in the result.
 */
json_t *resources_update_merge(const json_t *current, const json_t *update);

/*
 * Check an object "resources" and fill *@ret, which container_resources_clear() releases also on
 * failure; there are no device rules in it. Errors name @file and the field. @warnings gains what
 * has no meaning.
 */
int resources_update_parse(const char *file, json_t *resources, struct container_resources *ret,
			   struct text_list *warnings, struct error *err);
