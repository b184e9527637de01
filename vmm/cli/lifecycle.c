/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/lifecycle.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "vmm/base/clock.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/cli/container_cgroup.h"
#include "vmm/container/hook_runner.h"
#include "vmm/session/control_socket.h"

/*
 * How long a killed guest may take to give back what it holds before the VM is ended, so that all
 * of it is over within a second; and how much of that the monitor has for its answer.
 */
#define KILL_GRACE_MS 500
#define KILL_ANSWER_MS 250
#define GONE_TIMEOUT_MS 10000

/* Wait until the process behind @pidfd is gone. Returns false when it is not in time. */
static bool wait_until_gone(int pidfd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&pollfd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

int lifecycle_kill(struct container_state *state, struct error *err)
{
	AUTO_CLOSE int pidfd = container_state_open_process(state, err);
	int64_t deadline_ms = clock_now_ms() + KILL_GRACE_MS;
	struct error ignored;

	if (pidfd < 0)
		return pidfd;
	if (control_call(state->dir_fd, CONTROL_SIGNAL, SIGKILL, KILL_ANSWER_MS, &ignored) == 0) {
		int64_t left_ms = deadline_ms - clock_now_ms();

		if (wait_until_gone(pidfd, left_ms > 0 ? (int)left_ms : 0))
			return 0;
	}
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, errno, "kill the container's process");
	if (!wait_until_gone(pidfd, GONE_TIMEOUT_MS))
		return error_set(err, ETIMEDOUT, "wait for the container's process to end");
	return 0;
}

static char *hook_state(const struct container_state *state, enum container_status status)
{
	return container_hook_state_text(state->id, status,
					 status == CONTAINER_STOPPED ? 0 : state->pid,
					 state->bundle, state->annotations);
}

static int run_poststart(const struct container_state *state, struct error *err)
{
	/* A short workload may be over. */
	AUTO_FREE char *text = hook_state(state, container_state_status(state));
	const struct hook_setting setting = {
		.state = text,
		.directory = state->bundle,
		.signal_fd = -1,
		.peer_fd = -1,
	};
	struct container_hooks hooks = { 0 };
	int r;

	if (!text)
		return error_set(err, ENOMEM, "hooks.poststart");
	r = container_hooks_load(state->dir_fd, &hooks, err);
	if (!r)
		r = hooks_run(&hooks, HOOK_POSTSTART, &setting, err);
	container_hooks_clear(&hooks);
	return r;
}

int lifecycle_start(struct container_state *state, struct error *err)
{
	struct error ignored;
	int r = control_call(state->dir_fd, CONTROL_START, 0, -1, err);

	if (r < 0)
		return error_prefix(err, "unable to start container process");
	r = container_state_set_running(state, err);
	if (r < 0)
		return r;
	r = run_poststart(state, err);
	if (r < 0)
		(void)lifecycle_kill(state, &ignored);
	return r;
}

static void run_poststop(const struct container_state *state, const struct container_hooks *hooks,
			 int signal_fd)
{
	AUTO_FREE char *text = hook_state(state, CONTAINER_STOPPED);
	const struct hook_setting setting = {
		.state = text,
		/* It may have been removed by now. */
		.directory = access(state->bundle, X_OK) == 0 ? state->bundle : "/",
		.signal_fd = signal_fd,
		.peer_fd = -1,
	};
	struct error err;

	for (size_t i = 0; i < hooks->lists[HOOK_POSTSTOP].count; i++) {
		int r = text ? hook_run(hooks, HOOK_POSTSTOP, i, &setting, &err)
			     : error_set(&err, ENOMEM, "hooks.poststop");

		if (r < 0)
			log_warning("container %s: %s", state->id, err.text);
	}
}

int lifecycle_remove(struct container_state *state, int signal_fd, struct error *err)
{
	struct container_hooks hooks = { 0 };
	struct error problem;
	int r;

	/* Without a record its creation has not come to any hook. */
	if (state->has_record && container_hooks_load(state->dir_fd, &hooks, &problem) < 0)
		log_warning("container %s: its hooks are not known: %s", state->id, problem.text);
	/* The record last: it says where the control group is. */
	r = container_cgroup_remove(state, err);
	if (!r)
		r = container_state_remove(state, err);
	if (!r)
		run_poststop(state, &hooks, signal_fd);
	container_hooks_clear(&hooks);
	return r;
}
