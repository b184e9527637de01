/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_proxy.h - the host process that stands for one process that `exec` runs in a container
 *
 * Engines know a process by a pid: they wait for it, and send signals to it. The proxy passes
 * signals and window sizes on, and ends with the process's exit code; when it is killed, so is the
 * process in the container. It never touches the process's streams: the monitor has them.
 *
 * Thread: the command line's only one; all signals are blocked.
 */
#pragma once

#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_state.h"

struct exec_request {
	const struct container_state *state; /* of the container */
	const char *process;		     /* the process object for the guest, as text */
	int stdio_fds[3];		     /* unused with a terminal */
	int terminal_fd;		     /* slave of a host pty, or -1 */
};

struct exec_proxy {
	pid_t pid; /* our child */
	int sync_fd;
};

/*
 * Fork the proxy, and wait until the process runs its program, or until a signal on @signal_fd (a
 * signalfd) says to give up (-EINTR). On failure there is no proxy. The proxy dies with us until
 * exec_proxy_release().
 */
int exec_proxy_start(const struct exec_request *request, int signal_fd, struct exec_proxy *ret,
		     struct error *err);

/* Let it outlive us. */
void exec_proxy_release(struct exec_proxy *proxy);

/* End it, and with it the process. */
void exec_proxy_abort(struct exec_proxy *proxy);
