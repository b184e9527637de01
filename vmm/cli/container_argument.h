/* SPDX-License-Identifier: Apache-2.0 */
/* container_argument.h - for verbs without options of their own: the container they are about */
#pragma once

#include "vmm/cli/command_line.h"
#include "vmm/oci/container_state.h"

/*
 * Check that @argv has one word, and load the container of that id. Returns 0, and *@ret is the
 * caller's.
 */
int container_argument_load(const struct global_options *globals, int argc, char **argv,
			    struct container_state **ret, struct error *err);
