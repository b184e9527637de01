/* SPDX-License-Identifier: Apache-2.0 */
/* pause.c - `pause` and `resume`: let a container stand still for a while */
#include <errno.h>
#include <stdlib.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/container_argument.h"
#include "vmm/oci/container_state.h"
#include "vmm/session/control_socket.h"

#define LOCK_TIMEOUT_MS 10000
/* A monitor takes milliseconds; one that hangs must not keep its caller waiting. */
#define ANSWER_TIMEOUT_MS 10000

/*
 * Recorded before it is true, so that a caller killed in between leaves a container that `resume`
 * takes back.
 */
static int pause_container(struct container_state *state, struct error *err)
{
	enum container_status status = container_state_status(state);
	struct error ignored;
	int r;

	if (status != CONTAINER_CREATED && status != CONTAINER_RUNNING)
		return error_invalid(err, "container not running");
	r = container_state_set_paused(state, true, err);
	if (r < 0)
		return r;
	r = control_call(state->dir_fd, CONTROL_PAUSE, 0, ANSWER_TIMEOUT_MS, err);
	/* A monitor that does not answer may yet come round to it: then the record stays. */
	if (r < 0 && control_call(state->dir_fd, CONTROL_RESUME, 0, ANSWER_TIMEOUT_MS, &ignored) !=
			     -ETIMEDOUT)
		(void)container_state_set_paused(state, false, &ignored);
	return r == -ESRCH ? error_invalid(err, "container not running") : r;
}

static int resume_container(struct container_state *state, struct error *err)
{
	int r;

	if (container_state_status(state) != CONTAINER_PAUSED)
		return error_invalid(err, "container not paused");
	r = control_call(state->dir_fd, CONTROL_RESUME, 0, ANSWER_TIMEOUT_MS, err);
	if (r == -ESRCH)
		return error_invalid(err, "container not paused");
	return r < 0 ? r : container_state_set_paused(state, false, err);
}

static int run(const struct global_options *globals, int argc, char **argv,
	       int (*change)(struct container_state *state, struct error *err), struct error *err)
{
	struct container_state *state;
	int r = container_argument_load(globals, argc, argv, &state, err);

	if (r < 0)
		return r;
	r = container_state_lock(state, LOCK_TIMEOUT_MS, err);
	if (!r)
		r = change(state, err);
	container_state_free(state);
	return r < 0 ? r : EXIT_SUCCESS;
}

int verb_pause(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	return run(globals, argc, argv, pause_container, err);
}

int verb_resume(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	return run(globals, argc, argv, resume_container, err);
}
