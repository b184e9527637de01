/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h - a process of the container, from its first instruction to execve(2)
 *
 * The first one builds the container around itself; every other joins it.
 *
 * Thread: runs in the new process, a copy of guest-init.
 */
#pragma once

#include <stdbool.h>

#include "guest-init/container_mounts.h"
#include "guest-init/container_plan.h"

struct container_start {
	const struct plan_process *process;

	/*
	 * To build: what, and where. The process is in the new namespaces already; with a user
	 * namespace a byte from the gate tells that it may begin, another that it may exec.
	 */
	const struct container_plan *plan; /* NULL: join */
	struct container_places places;

	/* To join: a pidfd of the container's first process, and which namespaces of it. */
	int container_fd;
	int namespaces; /* CLONE_NEW…, without CLONE_NEWPID */

	int cgroup_fd;	  /* the control group to be created in; -1: that of guest-init */
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

/* Build or join the container, and become the program once the gate is open. */
_Noreturn void container_run(const struct container_start *start);
