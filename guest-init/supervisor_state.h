/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor_state.h - what supervisor.c and supervisor_messages.c share */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/container_cgroup.h"
#include "guest-init/container_plan.h"
#include "guest-init/control_channel.h"
#include "guest-init/incoming.h"
#include "guest-init/network.h"
#include "guest-init/process_table.h"
#include "guest-init/resolver.h"
#include "guest-init/resource_plan.h"
#include "guest-init/socket_listener.h"

/*
 * Theory of operation: the life of the one container is a line.
 *
 *   state              leaves when                                      by
 *   WAITING            "create" came
 *   CREATING           process 0 is ready to exec                       CREATED frame
 *   CREATED            "start" let it, and it did                       STARTED frame
 *   RUNNING            process 0 ended (from CREATED too)
 *   ENDING             no process is left, and the streams are drained  EXITED frame
 *   ENDED              the monitor closes the connection
 *
 * Until process 0 runs, what fails of it is reported and the monitor ends the machine. From then
 * on nothing is fatal but the loss of the monitor: what cannot be done is left undone. Other
 * processes come and go while it is CREATED or RUNNING; each one's failure is its own.
 */
enum supervisor_state { WAITING, CREATING, CREATED, RUNNING, ENDING, ENDED };

/* Events: the low half of their data says what, the high half the serial of a process. */
enum { EVENT_SIGNAL, EVENT_CONTROL, EVENT_SOCKETS, EVENT_NETWORK, EVENT_MEMORY, EVENT_PROCESSES };

struct supervisor {
	enum supervisor_state state;
	int epoll_fd;
	int signal_fd;
	struct control_channel channel;
	struct container_plan plan; /* from CREATING on */
	struct resource_plan resources;
	struct container_cgroup cgroup;
	uint32_t nr_oom_kills; /* as the monitor knows it */
	struct process_table processes;
	struct socket_listeners *sockets;
	struct network *network;	   /* NULL: there was nothing to do yet */
	struct resolver *resolver;	   /* NULL: there is none */
	struct incoming *incoming;	   /* NULL: nobody came yet */
	struct network_plan early_network; /* what came when CREATING */
	bool has_early_network;
	bool has_children;   /* when ENDING */
	int64_t deadline_ms; /* when ENDING: not to wait for children any longer */
};

/* Tell the monitor why something about @process cannot be. Returns 0 or a negative errno value. */
int supervisor_send_error(const struct supervisor *supervisor, uint32_t process,
			  const struct failure *reason);

/* Have epoll tell of @events of @fd, by one of the numbers above. -1 and errno when it cannot. */
int supervisor_watch(const struct supervisor *supervisor, int fd, uint32_t events, uint64_t data);

/* The first of a process's CONTAINER_PROCESS_EVENTS numbers. */
uint64_t supervisor_event_base(const struct container_process *process);
