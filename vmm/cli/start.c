/* SPDX-License-Identifier: Apache-2.0 */
/* start.c - `start`: let a created container's process go */
#include <stdlib.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/container_argument.h"
#include "vmm/cli/lifecycle.h"
#include "vmm/oci/container_state.h"

#define LOCK_TIMEOUT_MS 10000

static int start(struct container_state *state, struct error *err)
{
	int r = container_state_lock(state, LOCK_TIMEOUT_MS, err);

	if (r < 0)
		return r;
	switch (container_state_status(state)) {
	case CONTAINER_CREATED:
		break;
	case CONTAINER_STOPPED:
		return error_invalid(err, "cannot start a container that has stopped");
	case CONTAINER_CREATING:
		return error_invalid(err, "cannot start a container that is still being created");
	case CONTAINER_PAUSED:
		return error_invalid(err, "cannot start a container in the paused state");
	case CONTAINER_RUNNING:
		return error_invalid(err, "cannot start an already running container");
	}
	return lifecycle_start(state, err);
}

int verb_start(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	struct container_state *state;
	int r = container_argument_load(globals, argc, argv, &state, err);

	if (r < 0)
		return r;
	r = start(state, err);
	container_state_free(state);
	return r < 0 ? r : EXIT_SUCCESS;
}
