/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_plan.h - the JSON that tells guest-init what to make (guest-init/protocol.h)
 *
 * Trust: a plan is for the guest to read. It holds no host path, no annotation and no host setting,
 *        unless config.json has startContainer hooks: they are to read the container's state, with
 *        the path of its bundle and its annotations.
 */
#pragma once

#include <stdint.h>

#include "guest-init/protocol.h"
#include "vmm/base/error.h"
#include "vmm/oci/container_config.h"

#define GUEST_PLAN_MAX (PROTOCOL_JSON_MAX - PROTOCOL_TIME_MAX)

/*
 * The "create" message for @config, as the container @id of @bundle. On success *@ret is JSON text
 * without line breaks, heap memory of the caller's, at most GUEST_PLAN_MAX bytes long.
 * Its member "time" is added when it is sent.
 */
int container_config_guest_plan(const struct container_config *config,
				const uint8_t entropy[CONTAINER_ENTROPY_SIZE], const char *id,
				const char *bundle, char **ret, struct error *err);

/*
 * The "process" object for @process alone, as an "exec" message has it: without a filter, since the
 * container's applies. As above.
 */
int container_process_guest_plan(const struct container_process *process, char **ret,
				 struct error *err);
