/* SPDX-License-Identifier: Apache-2.0 */
/* state_json.h - containers as `state` and `list` print them (runtime.md, "State") */
#pragma once

#include <stdio.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/text_list.h"

/* What `state` prints: indented JSON without a newline at its end. Heap text; NULL without memory.
 */
char *state_json_text(const struct container_state *state);

enum state_list_format {
	STATE_LIST_TABLE, /* ID PID STATUS BUNDLE CREATED OWNER */
	STATE_LIST_JSON,  /* an array of the objects of `state`, with "owner" */
	STATE_LIST_QUIET, /* ids */
};

/*
 * Print the containers below @root to @out. A container that cannot be read is left out and
 * described in @problems; one that is removed meanwhile is left out.
 */
int state_list_print(FILE *out, const char *root, enum state_list_format format,
		     struct text_list *problems, struct error *err);
