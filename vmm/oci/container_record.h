/* SPDX-License-Identifier: Apache-2.0 */
/* container_record.h - state.json (used by container_state.c) */
#pragma once

#include "vmm/oci/container_state.h"

#define CONTAINER_RECORD_NAME "state.json"

/* Read state.json into @state. 0 without a record when the file is not there. */
int container_record_read(struct container_state *state, struct error *err);

/* Replace state.json by what @state holds. */
int container_record_write(const struct container_state *state, struct error *err);

/* Forget what was read. */
void container_record_clear(struct container_state *state);
