/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook_runner.h - run the hooks of a container that are programs of the host
 *
 * A hook gets the container's state on its standard input, the environment it was configured with
 * and nothing else: no descriptor, no terminal. It dies with the process that runs it.
 *
 * Thread: processes with one thread; they wait.
 * Spec:   config.md, "POSIX-platform Hooks".
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/container_hooks.h"

/* How hooks are run; all borrowed. */
struct hook_setting {
	const char *state;     /* JSON for standard input */
	const char *directory; /* where they run */
	int signal_fd;	       /* signalfd: a signal that means "stop" ends the hook; or -1 */
	int peer_fd;	       /* whatever there is to read here ends it, unread; or -1 */
};

/*
 * Run the hook @index of @kind, and wait for its end.
 *
 * Returns 0; or a negative errno value with an error that names kind, index and program, and tells
 * the end of what the hook printed: it could not be executed, ended with another exit code than
 * 0 or by a signal, or outlasted its time-out. -EINTR and -ECANCELED say that @signal_fd or
 * @peer_fd ended it. After a failure nothing of the hook's process group is left.
 */
int hook_run(const struct container_hooks *hooks, enum container_hook_kind kind, size_t index,
	     const struct hook_setting *setting, struct error *err);

/* Run all hooks of a kind in their order, up to the first that fails. */
int hooks_run(const struct container_hooks *hooks, enum container_hook_kind kind,
	      const struct hook_setting *setting, struct error *err);
