/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h - the container's first process, from its first instruction to execve(2)
 *
 * Thread: runs in the new process, a copy of guest-init in the container's namespaces.
 */
#pragma once

#include <stdbool.h>

#include "guest-init/container_mounts.h"
#include "guest-init/container_plan.h"

struct container_start {
	const struct container_plan *plan;
	struct container_places places;
	int stdio_fds[3]; /* standard input, output, error; unused with a terminal */
	int report_fd;	  /* where struct container_report is written; closed by execve */
	int gate_fd;	  /* a byte read from here lets the process exec, EOF ends it */
};

/*
 * Written once when the process waits at the gate or cannot get there, and once more when execve
 * failed. A report fits into a pipe's atomic write.
 */
struct container_report {
	bool is_ready;
	int terminal_fd;	/* when ready: the master's number in the process, or -1 */
	struct failure failure; /* when not ready */
};

/* Build the container around the calling process and become its program. */
_Noreturn void container_run(const struct container_start *start);
