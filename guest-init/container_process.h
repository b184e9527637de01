/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_process.h - guest-init's handle of the container's first process
 *
 * create and start block until the process has reported; it depends on nobody but the kernel then.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "guest-init/container.h"

struct container_process {
	pid_t pid;     /* 0: there is none (any more) */
	int gate_fd;   /* -1 once it was let go */
	int report_fd; /* likewise */
};

/*
 * Create the process in the namespaces of the plan and wait until it is ready to exec. @stdio_fds
 * are its standard streams without a terminal; with one, *@ret_terminal_fd is the master, else -1.
 */
int container_process_create(struct container_process *process, const struct container_plan *plan,
			     const struct container_places *places, const int stdio_fds[3],
			     int *ret_terminal_fd, struct failure *err);

/* Let the process exec, and wait until it did. On failure it ends by itself. */
int container_process_start(struct container_process *process, struct failure *err);

/*
 * Send a signal. Before its start, any signal that ends a program ends the process: it could not
 * react to one yet, but whoever sends it expects the container to be gone.
 */
void container_process_signal(const struct container_process *process, int signal);
