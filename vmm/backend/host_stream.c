/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/host_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fd.h"

/* A pipe that poll(2) calls writable takes this much without blocking. */
#define BLOCKING_WRITE_MAX PIPE_BUF

/* A new descriptor for the pipe or terminal behind @fd, or -1: a pipe may be another user's. */
static int open_again(int fd)
{
	char path[32];
	int flags = fcntl(fd, F_GETFL);

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

int host_stream_duplicate(int fd, struct error *err)
{
	struct stat st;
	int again = -1;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat a standard stream");
	if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd)))
		again = open_again(fd);
	if (again < 0)
		again = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return again < 0 ? error_set(err, errno, "duplicate a standard stream") : again;
}

/* True when one read, or one write of BLOCKING_WRITE_MAX bytes, would not block. */
static bool is_ready(const struct host_stream *stream, short events)
{
	struct pollfd pollfd = { .fd = stream->fd, .events = events };

	return !stream->is_blocking || poll(&pollfd, 1, 0) > 0;
}

/* A hang-up of a stream that is not watched is delivered once, and is nobody's business. */
static void on_source_event(void *context, uint32_t events)
{
	struct host_stream *stream = context;

	if (stream->events)
		stream->on_event(stream->context, events);
}

/* Take the place in the loop that is kept until the stream is closed: later changes cannot fail. */
static int enter_loop(struct host_stream *stream, struct error *err)
{
	struct error watch_error;
	int r = event_loop_add(stream->loop, &stream->source, stream->fd, EPOLLONESHOT,
			       on_source_event, stream, &watch_error);

	/* Regular files and some devices refuse to be watched: they are always ready. */
	stream->is_always_ready = r == -EPERM;
	if (stream->is_always_ready)
		stream->is_blocking = false;
	if (r < 0 && r != -EPERM) {
		*err = watch_error;
		return r;
	}
	return 0;
}

int host_stream_init(struct host_stream *stream, int fd, struct event_loop *loop, event_fn on_event,
		     void *context, struct error *err)
{
	struct statx st;
	int r;

	*stream = (struct host_stream){
		.fd = fd, .loop = loop, .source.fd = -1, .on_event = on_event, .context = context
	};
	if (fd_stat(fd, &st) < 0) {
		r = error_set(err, errno, "stat a standard stream");
		host_stream_close(stream);
		return r;
	}
	stream->is_socket = S_ISSOCK(st.stx_mode);
	if (S_ISFIFO(st.stx_mode) || S_ISCHR(st.stx_mode))
		stream->is_blocking = !(fcntl(fd, F_GETFL) & O_NONBLOCK);
	r = enter_loop(stream, err);
	if (r < 0)
		host_stream_close(stream);
	return r;
}

int host_stream_init_own(struct host_stream *stream, int fd, struct event_loop *loop,
			 event_fn on_event, void *context, struct error *err)
{
	int r;

	*stream = (struct host_stream){
		.fd = fd, .loop = loop, .source.fd = -1, .on_event = on_event, .context = context
	};
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		r = error_set(err, errno, "make a stream non-blocking");
	else
		r = enter_loop(stream, err);
	if (r < 0)
		host_stream_close(stream);
	return r;
}

bool host_stream_watch(struct host_stream *stream, uint32_t events)
{
	if (stream->fd < 0 || stream->is_always_ready)
		return events && stream->is_always_ready && stream->fd >= 0;
	if (events == stream->events)
		return false;
	stream->events = events;
	/* One shot: after the hang-up, which cannot be masked, epoll is silent until then. */
	event_loop_modify(stream->loop, &stream->source, events ? events : EPOLLONESHOT);
	return false;
}

ssize_t host_stream_read(struct host_stream *stream, void *data, size_t len)
{
	ssize_t n;

	if (!is_ready(stream, POLLIN))
		return -EAGAIN;
	do {
		if (stream->is_socket)
			n = recv(stream->fd, data, len, MSG_DONTWAIT);
		else
			n = read(stream->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t host_stream_write(struct host_stream *stream, const void *data, size_t len)
{
	ssize_t n;

	if (!is_ready(stream, POLLOUT))
		return -EAGAIN;
	if (stream->is_blocking && len > BLOCKING_WRITE_MAX)
		len = BLOCKING_WRITE_MAX;
	do {
		if (stream->is_socket)
			n = send(stream->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(stream->fd, data, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

void host_stream_end_write(const struct host_stream *stream)
{
	if (stream->is_socket)
		(void)shutdown(stream->fd, SHUT_WR);
}

void host_stream_close(struct host_stream *stream)
{
	if (stream->fd < 0)
		return;
	event_loop_remove(stream->loop, &stream->source);
	fd_close(&stream->fd);
}
