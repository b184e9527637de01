/* SPDX-License-Identifier: Apache-2.0 */
/* kill.c - `kill` and `delete`: the ways to end a container */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/lifecycle.h"
#include "vmm/oci/container_state.h"
#include "vmm/session/control_socket.h"

/* A guest that hangs must not keep its caller waiting. */
#define SIGNAL_TIMEOUT_MS 5000
/* For a monitor without a record: how long the end of its guest may take. */
#define KILL_GRACE_MS 900
#define LOCK_TIMEOUT_MS 10000

static int parse_signal(const char *text, int *ret, struct error *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char *end;
	long number = strtol(text, &end, 10);

	if (end != text && !*end && number >= 0 && number <= SIGRTMAX) {
		*ret = (int)number;
		return 0;
	}
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcasecmp(name, known) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (strncasecmp(name, "RTMIN", 5) == 0 || strncasecmp(name, "RTMAX", 5) == 0) {
		bool is_min = strncasecmp(name, "RTMIN", 5) == 0;

		number = name[5] ? strtol(name + 5, &end, 10) : 0;
		number += is_min ? SIGRTMIN : SIGRTMAX;
		if ((!name[5] || !*end) && number >= SIGRTMIN && number <= SIGRTMAX) {
			*ret = (int)number;
			return 0;
		}
	}
	return error_invalid(err, "unknown signal \"%s\"", text);
}

static bool is_alive(const struct container_state *state)
{
	return container_state_status(state) != CONTAINER_STOPPED;
}

static int send_signal(struct container_state *state, bool is_for_all, int signal_number,
		       struct error *err)
{
	int r;

	if (!is_alive(state) || !state->pid)
		return error_invalid(err, "container not running");
	if (signal_number == 0) /* whether it is there was the question */
		return 0;
	if (signal_number == SIGKILL)
		return lifecycle_kill(state, err);
	r = control_call(state->dir_fd, is_for_all ? CONTROL_SIGNAL_ALL : CONTROL_SIGNAL,
			 (uint32_t)signal_number, SIGNAL_TIMEOUT_MS, err);
	if (r == -ESRCH)
		return error_invalid(err, "container not running");
	return r;
}

int verb_kill(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "a", no_argument, NULL, 'a' },
		{ 0 },
	};
	struct container_state *state;
	int signal_number = SIGTERM;
	bool is_for_all = false;
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_for_all = option_is_on();
	}
	if (check_words(argc, argv, 1, 2, err) < 0)
		return -EINVAL;
	r = container_state_load(globals->root, argv[optind], &state, err);
	if (r < 0)
		return r;
	if (argc - optind == 2)
		r = parse_signal(argv[optind + 1], &signal_number, err);
	/* Nothing of a stopped container is left that --all could miss. */
	if (!r && (!is_for_all || is_alive(state)))
		r = send_signal(state, is_for_all, signal_number, err);
	container_state_free(state);
	return r < 0 ? r : EXIT_SUCCESS;
}

/*
 * Before the lock: its owner may be waiting for a guest that hangs, and sees the end then. Without
 * a record that names a process, the monitor may still answer.
 */
static int end_by_force(struct container_state *state, struct error *err)
{
	if (!state->has_record)
		return control_call(state->dir_fd, CONTROL_SIGNAL, SIGKILL, KILL_GRACE_MS, err);
	return is_alive(state) && state->pid ? lifecycle_kill(state, err) : 0;
}

static int delete_container(struct container_state *state, bool is_forced, struct error *err)
{
	struct error ignored;
	int r = 0;

	if (!is_forced)
		r = container_state_read(state, err);
	else /* a damaged record goes all the same */
		(void)container_state_read(state, &ignored);
	if (r < 0)
		return r;
	if (is_forced)
		(void)end_by_force(state, &ignored);
	/* A creator that still works holds the lock until it has succeeded or cleaned up. */
	r = container_state_lock(state, LOCK_TIMEOUT_MS, err);
	if (r == -ENOENT && is_forced)
		return 0;
	if (r < 0)
		return r;
	if (is_alive(state) && !is_forced && container_state_status(state) != CONTAINER_CREATED)
		return error_invalid(err, "cannot delete container %s that is not stopped: %s",
				     state->id,
				     container_status_name(container_state_status(state)));
	if (is_alive(state) && state->pid) {
		r = lifecycle_kill(state, err);
		if (r < 0 && r != -ESRCH)
			return r;
	}
	return lifecycle_remove(state, -1, err);
}

int verb_delete(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "f", no_argument, NULL, 'f' },
		{ 0 },
	};
	struct container_state *state;
	bool is_forced = false;
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_forced = option_is_on();
	}
	if (check_words(argc, argv, 1, 1, err) < 0)
		return -EINVAL;
	r = container_state_open(globals->root, argv[optind], &state, err);
	if (r == -ENOENT && is_forced)
		return EXIT_SUCCESS;
	if (r < 0)
		return r;
	r = delete_container(state, is_forced, err);
	container_state_free(state);
	return r < 0 ? r : EXIT_SUCCESS;
}
