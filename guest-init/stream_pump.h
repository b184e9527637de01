/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_pump.h - bytes of one direction from one descriptor to another, without blocking
 *
 * A pump reads only when it has written all it read: the buffer is its bound, and a reader that
 * stalls stalls the writer. It is driven by edge-triggered events and remembers by itself whether
 * it could go on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PUMP_BUFFER_SIZE ((size_t)64 * 1024)

struct stream_pump {
	int from_fd, to_fd; /* both -1: the pump has stopped */
	bool is_ready;	    /* could move bytes without waiting for an event */
	size_t start, len;  /* what the buffer holds */
	uint8_t buffer[STREAM_PUMP_BUFFER_SIZE];
};

/* A pump that never runs. */
void stream_pump_init_stopped(struct stream_pump *pump);

/* Start a pump; takes both descriptors and makes them non-blocking. */
void stream_pump_init(struct stream_pump *pump, int from_fd, int to_fd);

/*
 * Move bytes until one side would block, or for so long that others deserve their turn (the pump
 * stays ready then). At the end of the source, when all is written, the destination is shut down
 * for writing (if it is a socket) and both are closed. A destination that takes no more bytes
 * closes both at once, so that the writer of the source learns of it.
 */
void stream_pump_run(struct stream_pump *pump);

/* Close both ends, whatever the buffer still holds. */
void stream_pump_stop(struct stream_pump *pump);

bool stream_pump_is_running(const struct stream_pump *pump);
