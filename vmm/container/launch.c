/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/container/container_process.h"
#include "vmm/container/hook_runner.h"
#include "vmm/container/launch_message.h"
#include "vmm/container/stop_signal.h"
#include "vmm/sandbox/namespaces.h"

int launch_start(const struct launch_request *request, struct launch *ret_launch, struct error *err)
{
	AUTO_CLOSE int cgroup_fd = host_cgroup_open_unified(request->cgroup);
	struct launch_request own = *request;
	int sync_fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync_fds) < 0)
		return error_set(err, errno, "create a socket pair");
	pid = namespaces_fork_into(cgroup_fd, &own.is_in_cgroup, err);
	if (pid == 0) {
		(void)close(sync_fds[0]);
		container_process_run(&own, sync_fds[1]);
	}
	(void)close(sync_fds[1]);
	if (pid < 0) {
		(void)close(sync_fds[0]);
		return pid;
	}
	*ret_launch = (struct launch){ .pid = pid, .sync_fd = sync_fds[0] };
	return 0;
}

static int expect(struct launch *launch, enum launch_message_type type, struct error *err)
{
	struct launch_message message;
	int r = launch_message_receive(launch->sync_fd, &message);

	if (r < 0)
		return error_set(err, -r, "hear from the container's processes");
	if (r == 0)
		return error_invalid(err, "the container's processes ended unexpectedly");
	if (message.type == LAUNCH_FAILED) {
		(void)error_invalid(err, "%s", message.text);
		err->code = message.code > 0 ? message.code : EIO;
		return -err->code;
	}
	if (message.type != type)
		return error_invalid(err, "the container's processes answer out of turn");
	return 0;
}

/* Wait for a message of @type, unless a signal on @signal_fd says to stop. */
static int await(struct launch *launch, enum launch_message_type type, int signal_fd,
		 struct error *err)
{
	for (;;) {
		struct pollfd pollfds[2] = {
			{ .fd = launch->sync_fd, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
		};

		if (poll(pollfds, 2, -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the container");
		if (pollfds[0].revents)
			return expect(launch, type, err);
		if (pollfds[1].revents && stop_signal_read(signal_fd))
			return error_set(err, EINTR, "create the container");
	}
}

int launch_run_hooks(struct launch *launch, const struct container_hooks *hooks, const char *state,
		     const char *bundle, int signal_fd, struct error *err)
{
	const struct hook_setting setting = {
		.state = state,
		.directory = bundle,
		.signal_fd = signal_fd,
		.peer_fd = launch->sync_fd,
	};
	int r = await(launch, LAUNCH_PREPARED, signal_fd, err);

	if (!r)
		r = hooks_run(hooks, HOOK_PRESTART, &setting, err);
	if (!r)
		r = hooks_run(hooks, HOOK_CREATE_RUNTIME, &setting, err);
	if (r == -ECANCELED) /* they know more */
		return expect(launch, LAUNCH_PREPARED, err);
	if (!r)
		launch_message_send(launch->sync_fd, LAUNCH_GO_ON, NULL);
	return r;
}

int launch_wait_created(struct launch *launch, int signal_fd, struct error *err)
{
	return await(launch, LAUNCH_CREATED, signal_fd, err);
}

int launch_commit(struct launch *launch, struct error *err)
{
	launch_message_send(launch->sync_fd, LAUNCH_COMMIT, NULL);
	return expect(launch, LAUNCH_COMMITTED, err);
}

void launch_abort(struct launch *launch)
{
	(void)kill(launch->pid, SIGKILL);
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	fd_close(&launch->sync_fd);
}
