/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_loop.h - one thread waiting on descriptors (epoll)
 *
 * Thread: one thread calls event_loop_run(); the callbacks run on it. Sources are added, changed
 * and removed on that thread, or before it runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "vmm/base/error.h"

/* @events: the EPOLL… bits that are true. Called again as long as they stay true. */
typedef void (*event_fn)(void *context, uint32_t events);

/* Embedded in its owner, who keeps it in place from add to remove. @fd stays the owner's. */
struct event_source {
	int fd; /* -1 when not in a loop */
	event_fn on_event;
	void *context;
};

struct event_loop {
	int epoll_fd;
	bool is_stopping;
	struct epoll_event *batch; /* being delivered: a removal clears its own */
	int batch_len;
};

int event_loop_init(struct event_loop *loop, struct error *err);
void event_loop_fini(struct event_loop *loop);

/*
 * Watch @fd for @events (EPOLLIN, EPOLLOUT, 0 for errors and hang-ups only; EPOLLONESHOT: once;
 * EPOLLET: for each time that it becomes ready anew).
 */
int event_loop_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
		   event_fn on_event, void *context, struct error *err);

/* Watch for other events from now on. The source is in the loop. */
void event_loop_modify(struct event_loop *loop, struct event_source *source, uint32_t events);

/* Stop watching; no callback for it comes after this. Does nothing for a source not in a loop. */
void event_loop_remove(struct event_loop *loop, struct event_source *source);

/* Deliver events until event_loop_stop(). Returns 0, or a negative errno value if waiting fails. */
int event_loop_run(struct event_loop *loop, struct error *err);

/* Make event_loop_run() return after the current callback. On the loop's thread only. */
void event_loop_stop(struct event_loop *loop);
