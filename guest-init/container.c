/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/container_devices.h"
#include "guest-init/container_tree.h"
#include "guest-init/kernel_settings.h"
#include "guest-init/process_environment.h"
#include "guest-init/process_filter.h"
#include "guest-init/process_limits.h"
#include "guest-init/process_privileges.h"
#include "guest-init/process_scheduling.h"
#include "guest-init/program_lookup.h"
#include "guest-init/pseudo_terminal.h"
#include "guest-init/scope.h"
#include "guest-init/start_hooks.h"
#include "guest-init/time_namespace.h"
#include "guest-init/user_namespace.h"

/*
 * Theory of operation, in two halves. container_build() works from outside: guest-init's /proc and
 * /dev are in reach, the container's paths are resolved below a descriptor of its root, and its
 * last step makes that root the only one there is. container_join() does the same for a container
 * that exists: it trusts nothing below the root that it finds there. container_become() then turns
 * the process into the container's user: after it nothing of guest-init is in reach but the pipes
 * to it, which execve closes.
 */
struct container_state {
	struct pseudo_terminal terminal;
	char **env;
	char *program;
	int hook_state_fd; /* -1 without hooks */
};

/* Missing directories of the working directory are created, as engines are used to. */
static int container_make_cwd(int root_fd, const char *cwd, struct failure *err)
{
	AUTO_CLOSE int fd = container_tree_make(root_fd, cwd, false);

	return fd < 0 ? failure_set(err, -fd, "process.cwd: create \"%s\"", cwd) : 0;
}

static int container_open_terminal(struct pseudo_terminal *terminal, int root_fd,
				   const struct plan_process *process, struct failure *err)
{
	int r;

	if (!process->has_terminal)
		return 0;
	r = pseudo_terminal_open(terminal, root_fd, process->uid, process->rows, process->columns,
				 err);
	return r ? r : pseudo_terminal_bind_console(terminal, root_fd, err);
}

/*
 * Also where config.json asks for no namespace of its own: the group of the container is the whole
 * hierarchy that there is for it. The one it would share instead holds the limits around it.
 */
static int container_confine_cgroup(struct failure *err)
{
	return unshare(CLONE_NEWCGROUP) ? failure_set(err, errno, "create the cgroup namespace")
					: 0;
}

static bool container_has_user_namespace(const struct container_start *start)
{
	return (start->plan ? start->plan->namespaces : start->namespaces) & CLONE_NEWUSER;
}

static void container_wait_at_gate(int gate_fd)
{
	char byte;

	if (read(gate_fd, &byte, sizeof(byte)) != sizeof(byte))
		_exit(1);
}

/*
 * What guest-init's /proc is needed for. Before the process becomes root of a user namespace it is
 * the guest's root by id, to whom the files about itself belong.
 */
static int container_set_up_namespaces(const struct container_start *start, struct failure *err)
{
	bool has_user_namespace = container_has_user_namespace(start);
	int r;

	if (has_user_namespace)
		container_wait_at_gate(start->gate_fd);
	r = container_confine_cgroup(err);
	if (!r)
		r = time_namespace_enter(start->plan, err);
	if (!r)
		r = has_user_namespace ? user_namespace_become_root(err)
				       : process_limits_prepare(0, start->process, err);
	return r ? r : kernel_settings_apply(start->plan, err);
}

static int container_build(struct container_state *state, const struct container_start *start,
			   struct failure *err)
{
	const struct container_plan *plan = start->plan;
	const struct plan_process *process = start->process;
	struct container_mounts mounts = { .tree_fd = -1, .root_fd = -1 };
	int r = container_set_up_namespaces(start, err);

	if (!r)
		r = container_mounts_init(&mounts, &start->places, err);
	if (!r)
		r = container_mounts_make(&mounts, plan, err);
	if (!r)
		r = container_devices_make(mounts.root_fd, start->places.devices, plan, err);
	if (!r)
		r = container_open_terminal(&state->terminal, mounts.root_fd, process, err);
	if (!r)
		r = process_environment_make(process, mounts.root_fd, &state->env, err);
	if (!r)
		r = container_make_cwd(mounts.root_fd, process->cwd, err);
	if (!r)
		r = container_mounts_restrict(&mounts, plan, err);
	if (!r)
		r = container_mounts_enter(&mounts, plan->root_propagation, err);
	return r;
}

/*
 * Of guest-init's own file systems only /proc is needed, before the namespaces are entered: the
 * container may have put anything at /proc of its own. Entering its mount namespace also makes
 * its root the process's.
 */
static int container_join(struct container_state *state, const struct container_start *start,
			  struct failure *err)
{
	const struct plan_process *process = start->process;
	AUTO_CLOSE int root_fd = -1;
	int r = process_scheduling_prepare(process, err);

	if (!r)
		r = process_limits_prepare(0, process, err);
	if (!r && container_has_user_namespace(start))
		r = process_scheduling_set(0, process, err);
	if (r)
		return r;
	if (setns(start->container_fd, start->namespaces))
		return failure_set(err, errno, "join the namespaces of the container");
	if (container_has_user_namespace(start)) {
		r = user_namespace_become_root(err);
		if (r)
			return r;
	}
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return failure_set(err, errno, "open the container's root");
	if (process->has_terminal)
		r = pseudo_terminal_open(&state->terminal, root_fd, process->uid, process->rows,
					 process->columns, err);
	return r ? r : process_environment_make(process, root_fd, &state->env, err);
}

/* A session of its own, and the standard streams in their places. */
static int container_set_stdio(const struct container_state *state,
			       const struct container_start *start, struct failure *err)
{
	int slave_fd = state->terminal.slave_fd;

	if (setsid() < 0)
		return failure_set(err, errno, "start a session");
	if (slave_fd >= 0 && ioctl(slave_fd, TIOCSCTTY, 0))
		return failure_set(err, errno, "take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(slave_fd >= 0 ? slave_fd : start->stdio_fds[i], i) < 0)
			return failure_set(err, errno, "set up standard stream %d", i);
	return 0;
}

/*
 * Close every descriptor but the standard streams and those that guest-init still needs, none of
 * which is a directory: what /proc/self/fd leads to now is the container's.
 */
static int container_close_others(const struct container_state *state,
				  const struct container_start *start, struct failure *err)
{
	const int kept_fds[] = { start->report_fd, start->gate_fd, state->terminal.master_fd,
				 state->hook_state_fd };
	unsigned int first = 3;

	/* From one kept descriptor to the next higher one. */
	for (;;) {
		unsigned int next = UINT_MAX;

		for (size_t i = 0; i < ARRAY_SIZE(kept_fds); i++)
			if (kept_fds[i] >= 0 && (unsigned int)kept_fds[i] >= first &&
			    (unsigned int)kept_fds[i] < next)
				next = (unsigned int)kept_fds[i];
		if (next > first && close_range(first, next - (next < UINT_MAX), 0))
			return failure_set(err, errno, "close descriptors");
		if (next == UINT_MAX)
			return 0;
		first = next + 1;
	}
}

static int container_enter_cwd(const char *cwd, struct failure *err)
{
	char path[PATH_MAX];

	if (chdir(cwd))
		return failure_set(err, errno, "chdir to cwd (\"%s\") set in config.json failed",
				   cwd);
	/* The system call, since it marks what lies outside by a path that does not begin with /.
	 */
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/')
		return failure_invalid(err, "process.cwd \"%s\" is outside of the container", cwd);
	return 0;
}

static int container_set_personality(const struct plan_process *process, struct failure *err)
{
	if (process->personality && personality(process->personality) < 0)
		return failure_set(err, errno, "linux.personality");
	return 0;
}

static int container_become(struct container_state *state, const struct container_start *start,
			    struct failure *err)
{
	const struct plan_process *process = start->process;
	int r = container_set_stdio(state, start, err);

	if (!r && start->plan)
		r = start_hooks_prepare(start->plan, &state->hook_state_fd, err);
	if (!r)
		r = container_close_others(state, start, err);
	if (!r)
		r = container_enter_cwd(process->cwd, err);
	if (!r)
		r = process_scheduling_finish(process, err);
	if (!r && !container_has_user_namespace(start))
		r = process_scheduling_set(0, process, err);
	if (!r)
		r = container_set_personality(process, err);
	if (!r)
		r = process_limits_apply(process, err);
	if (!r)
		r = process_privileges_apply(process, err);
	if (!r)
		r = program_lookup(process->args.items[0], state->env, &state->program, err);
	(void)umask(process->umask);
	return r;
}

static void container_send_report(int report_fd, const struct container_report *report)
{
	/* Without a reader guest-init is gone, and with it the machine. */
	(void)!write(report_fd, report, sizeof(*report));
}

static void container_exec(const struct container_state *state, const struct container_start *start,
			   struct failure *err)
{
	const struct plan_process *process = start->process;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	if (start->plan && start_hooks_run(start->plan, state->hook_state_fd, err))
		return;
	/* As late as can be, so that the filter is about the program alone. */
	if (process->no_new_privileges && process_filter_install(process, err))
		return;
	(void)execve(state->program, process->args.items, state->env);
	(void)failure_set(err, errno, "exec %s", state->program);
}

void container_run(const struct container_start *start)
{
	struct container_report report = { .terminal_fd = -1 };
	struct container_state state = {
		.terminal = { .master_fd = -1, .slave_fd = -1 },
		.hook_state_fd = -1,
	};
	int r = start->plan ? container_build(&state, start, &report.failure)
			    : container_join(&state, start, &report.failure);

	if (!r)
		r = container_become(&state, start, &report.failure);
	report.is_ready = !r;
	report.terminal_fd = state.terminal.master_fd;
	container_send_report(start->report_fd, &report);
	if (r)
		_exit(1);
	container_wait_at_gate(start->gate_fd);
	container_exec(&state, start, &report.failure);
	report.is_ready = false;
	container_send_report(start->report_fd, &report);
	_exit(report.failure.code == ENOENT ? 127 : 126);
}
