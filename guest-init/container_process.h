/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_process.h - guest-init's handle of one process of the container and of its streams
 *
 *   state       the process                               leaves by
 *   PREPARING   builds or joins the container             its report
 *   READY       waits at the gate                         container_process_let_go()
 *   EXECUTING   calls execve                              the end of the report pipe
 *   RUNNING     runs its program                          its end
 *   ENDED       is reaped; its streams may still carry
 *
 * A process that ends in any state is ENDED once it is reaped. Nothing here waits for it: a
 * container may stop or stall a process of its own at any instant.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest-init/container.h"
#include "guest-init/process_streams.h"

enum container_process_state {
	PROCESS_PREPARING,
	PROCESS_READY,
	PROCESS_EXECUTING,
	PROCESS_RUNNING,
	PROCESS_ENDED,
};

struct container_process {
	uint32_t number; /* as host and guest call it */
	uint32_t serial; /* tells it from others that had the number before */
	enum container_process_state state;
	pid_t pid;
	int pid_fd;
	int gate_fd;	     /* -1 once it was let go */
	int report_fd;	     /* -1 once there is nothing more to report */
	int status;	     /* when ENDED, as waitpid(2) gives it */
	bool is_reported;    /* the host knows its end, or its failure */
	int64_t deadline_ms; /* when ENDED: not to wait for its last output any longer */
	struct process_streams streams;
};

/* Events of a process at an epoll descriptor: its report pipe, then those of its streams. */
#define CONTAINER_PROCESS_EVENTS (1u + PROCESS_STREAMS_EVENTS)

/* A process that is not there; release is fine. */
void container_process_init(struct container_process *process, uint32_t number, uint32_t serial);

/*
 * Connect the streams and start the process in new namespaces (@namespaces, CLONE_NEW…), or in none
 * to join a container. @start describes it but for streams, report and gate, which are set here.
 * Its events arrive at @epoll_fd, once each, with data.u64 = @event_base + a number below
 * CONTAINER_PROCESS_EVENTS. On failure there is no process.
 */
int container_process_spawn(struct container_process *process, struct container_start *start,
			    int namespaces, int epoll_fd, uint64_t event_base, struct failure *err);

/*
 * There is news on the report pipe (as there is when the process was reaped): the state moves on
 * from PREPARING or EXECUTING, or what failed is returned; the process then ends by itself.
 */
int container_process_on_report(struct container_process *process, int epoll_fd,
				uint64_t event_base, struct failure *err);

/* READY: let the process exec. */
int container_process_let_go(struct container_process *process, struct failure *err);

/*
 * Send a signal. Before it runs, any signal that ends a program ends the process: it could not
 * react to one yet, but whoever sends it expects the process to be gone.
 */
void container_process_signal(const struct container_process *process, int signal);

/* It was reaped with @status. */
void container_process_end(struct container_process *process, int status);

void container_process_release(struct container_process *process);
