/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/event/event_loop.h"

#include <errno.h>
#include <unistd.h>

#include "vmm/base/bug.h"

#define EVENT_BATCH 32

int event_loop_init(struct event_loop *loop, struct error *err)
{
	*loop = (struct event_loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0)
		return error_set(err, errno, "create an epoll instance");
	return 0;
}

void event_loop_fini(struct event_loop *loop)
{
	if (loop->epoll_fd >= 0)
		(void)close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int event_loop_add(struct event_loop *loop, struct event_source *source, int fd, uint32_t events,
		   event_fn on_event, void *context, struct error *err)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		source->fd = -1;
		return error_set(err, errno, "watch descriptor %d", fd);
	}
	*source = (struct event_source){ .fd = fd, .on_event = on_event, .context = context };
	return 0;
}

void event_loop_modify(struct event_loop *loop, struct event_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	BUG_ON(epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0);
}

void event_loop_remove(struct event_loop *loop, struct event_source *source)
{
	if (source->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	for (int i = 0; i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

int event_loop_run(struct event_loop *loop, struct error *err)
{
	struct epoll_event batch[EVENT_BATCH];
	int r = 0;

	loop->batch = batch;
	while (!loop->is_stopping && !r) {
		int n = epoll_wait(loop->epoll_fd, batch, EVENT_BATCH, -1);

		if (n < 0 && errno != EINTR)
			r = error_set(err, errno, "wait for events");
		loop->batch_len = n;
		for (int i = 0; i < n && !loop->is_stopping; i++) {
			struct event_source *source = batch[i].data.ptr;

			if (source)
				source->on_event(source->context, batch[i].events);
		}
	}
	loop->batch = NULL;
	loop->batch_len = 0;
	return r;
}

void event_loop_stop(struct event_loop *loop)
{
	loop->is_stopping = true;
}
