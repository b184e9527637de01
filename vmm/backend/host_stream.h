/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_stream.h - a standard stream or terminal of the host, read and written without blocking
 *
 * The descriptors that an engine hands over are shared with other processes, so O_NONBLOCK must
 * not be set on them. Whoever passes one on, and may still open files, opens pipes and terminals
 * once more; sockets are told per call, regular files never block. The stream has its place in
 * epoll from the beginning to the end, so that nothing can run out (kernel memory,
 * max_user_watches) while bytes flow.
 *
 * Thread: the event loop's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/event/event_loop.h"

struct host_stream {
	int fd; /* ours; -1 when closed */
	bool is_socket;
	bool is_blocking;     /* a pipe or terminal with O_NONBLOCK unset: ask before each access */
	bool is_always_ready; /* a file or a device that epoll does not take */
	uint32_t events;      /* those we watch now */
	struct event_loop *loop;
	struct event_source source;
	event_fn on_event;
	void *context;
};

/*
 * A descriptor to give to host_stream_init(), here or in another process: the pipe or terminal
 * behind @fd opened once more, non-blocking; where that is not allowed, and for everything else, a
 * duplicate. @fd stays the caller's. Returns it (above those of the standard streams), or a
 * negative errno value. Opens a file.
 */
int host_stream_duplicate(int fd, struct error *err);

/*
 * Take @fd (also on failure) and prepare it for @loop; nothing is watched before
 * host_stream_watch(). @on_event is called like any event_fn. Returns 0 or a negative errno value,
 * -ENOSPC and -ENOMEM if the kernel refuses to watch one descriptor more.
 */
int host_stream_init(struct host_stream *stream, int fd, struct event_loop *loop, event_fn on_event,
		     void *context, struct error *err);

/*
 * The same for a stream that nobody shares with us: it is made non-blocking. For the master of a
 * pty, which cannot be opened again.
 */
int host_stream_init_own(struct host_stream *stream, int fd, struct event_loop *loop,
			 event_fn on_event, void *context, struct error *err);

/*
 * Wait for @events (EPOLLIN, EPOLLOUT or both), 0 for none: then not even a hang-up is reported.
 * Returns true when the stream is always ready, so that no event will come and the caller goes on
 * at once.
 */
bool host_stream_watch(struct host_stream *stream, uint32_t events);

/*
 * read(2) and write(2) that never block: bytes, or -errno (-EAGAIN). A pipe without a reader raises
 * SIGPIPE, which the process blocks; a socket does not.
 */
ssize_t host_stream_read(struct host_stream *stream, void *data, size_t len);
ssize_t host_stream_write(struct host_stream *stream, const void *data, size_t len);

/* The reader of a socket sees the end of what was written; other streams are left alone. */
void host_stream_end_write(const struct host_stream *stream);

/* Stop watching and close. Does nothing for a closed stream. */
void host_stream_close(struct host_stream *stream);
