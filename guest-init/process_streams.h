/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_streams.h - the standard streams of a process, between it and the host
 *
 * Without a terminal three pipes, which the process may open again by name (/dev/stdout); with
 * one, the terminal. Each stream has a connection to the host, see protocol.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/container_plan.h"
#include "guest-init/stream_pump.h"

#define PROCESS_STREAMS_PUMPS 3

struct process_streams {
	int host_fds[PROTOCOL_NR_STREAMS]; /* until their pumps take them */
	int pipe_fds[3];		   /* guest-init's ends, likewise */
	int child_fds[3];		   /* the process's ends, or -1 */
	int terminal_fd;		   /* for its size, or -1 */
	int slave_fd; /* keeps the terminal alive while no process has it open, or -1 */
	/* Towards the process first, then what comes from it. */
	struct stream_pump pumps[PROCESS_STREAMS_PUMPS];
};

/* Streams of no process. */
void process_streams_init(struct process_streams *streams);

/* Connect the streams of process number @id to the host, and make the pipes it needs. */
int process_streams_open(struct process_streams *streams, uint32_t id,
			 const struct plan_process *process, struct failure *err);

/*
 * Let the bytes flow. Takes @terminal_fd, -1 if the process has no terminal. Events of the pumps
 * arrive at @epoll_fd with data.u64 = @event_base + a number below PROCESS_STREAMS_EVENTS.
 */
#define PROCESS_STREAMS_EVENTS (2u * PROCESS_STREAMS_PUMPS)
int process_streams_start(struct process_streams *streams, int terminal_fd, int epoll_fd,
			  uint64_t event_base, struct failure *err);

/* Note an epoll event (@event without its base). */
void process_streams_on_event(struct process_streams *streams, uint32_t event, uint32_t events);

/* Run the pumps that can. Returns true if some could go on at once. */
bool process_streams_run(struct process_streams *streams);

/* The process ended. What it wrote is still on its way; others may hold its streams. */
void process_streams_end(struct process_streams *streams);

/*
 * After process_streams_end() and a run: true when everything the process wrote was handed to the
 * host. A terminal hands its bytes on when it likes: as long as somebody has it open they are
 * waited for, unless it @is_late.
 */
bool process_streams_have_passed_on(const struct process_streams *streams, bool is_late);

/* Nobody is left whom input could reach. */
void process_streams_end_input(struct process_streams *streams);

/* Give up what is on its way, and close everything. */
void process_streams_stop(struct process_streams *streams);

/* True until everything the process wrote was handed to the host. */
bool process_streams_are_draining(const struct process_streams *streams);
