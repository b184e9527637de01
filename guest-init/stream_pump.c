/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/stream_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/scope.h"

#define STREAM_PUMP_TURN 16 /* buffers moved before others get their turn */

static void pump_set_nonblocking(int fd)
{
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void stream_pump_init_stopped(struct stream_pump *pump)
{
	pump->from_fd = -1;
	pump->to_fd = -1;
	pump->is_ready = false;
	pump->start = 0;
	pump->len = 0;
}

void stream_pump_init(struct stream_pump *pump, int from_fd, int to_fd)
{
	stream_pump_init_stopped(pump);
	pump->from_fd = from_fd;
	pump->to_fd = to_fd;
	pump->is_ready = true;
	pump_set_nonblocking(from_fd);
	pump_set_nonblocking(to_fd);
}

bool stream_pump_is_running(const struct stream_pump *pump)
{
	return pump->from_fd >= 0;
}

void stream_pump_stop(struct stream_pump *pump)
{
	fd_close(&pump->from_fd);
	fd_close(&pump->to_fd);
	pump->is_ready = false;
}

static bool pump_would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Returns false when the pump must wait or has stopped. */
static bool pump_fill(struct stream_pump *pump)
{
	ssize_t n = read(pump->from_fd, pump->buffer, sizeof(pump->buffer));

	if (pump_would_block(n))
		return false;
	if (n <= 0) {
		/* An error is an end, too: EIO is how a terminal says that nobody has it open. */
		(void)shutdown(pump->to_fd, SHUT_WR);
		stream_pump_stop(pump);
		return false;
	}
	pump->start = 0;
	pump->len = (size_t)n;
	return true;
}

static bool pump_drain(struct stream_pump *pump)
{
	ssize_t n = write(pump->to_fd, pump->buffer + pump->start, pump->len);

	if (pump_would_block(n))
		return false;
	if (n <= 0) {
		stream_pump_stop(pump);
		return false;
	}
	pump->start += (size_t)n;
	pump->len -= (size_t)n;
	return true;
}

void stream_pump_run(struct stream_pump *pump)
{
	pump->is_ready = false;
	if (!stream_pump_is_running(pump))
		return;
	for (unsigned int i = 0; i < 2 * STREAM_PUMP_TURN; i++)
		if (pump->len ? !pump_drain(pump) : !pump_fill(pump))
			return;
	pump->is_ready = true;
}
