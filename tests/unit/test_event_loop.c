/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery, removal from within a callback, and stopping. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/event/event_loop.h"

struct watcher {
	struct event_loop *loop;
	struct event_source source;
	int fd;
	unsigned int nr_events;
	unsigned int stop_at;	/* this many events stop the loop; 0 for never */
	struct watcher *victim; /* removed at the first event */
};

static void on_event(void *context, uint32_t events)
{
	struct watcher *watcher = context;

	ok(events & (EPOLLIN | EPOLLOUT));
	watcher->nr_events++;
	if (watcher->victim)
		event_loop_remove(watcher->loop, &watcher->victim->source);
	if (watcher->nr_events == watcher->stop_at)
		event_loop_stop(watcher->loop);
}

/* A watcher of an eventfd that is readable if @value is not 0. */
static void watch(struct watcher *watcher, struct event_loop *loop, unsigned int value)
{
	struct error err;

	*watcher = (struct watcher){ .loop = loop };
	watcher->fd = eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK);
	is_int(event_loop_add(loop, &watcher->source, watcher->fd, EPOLLIN, on_event, watcher,
			      &err),
	       0);
}

static void test_delivers_until_stopped(void)
{
	struct event_loop loop;
	struct watcher busy;
	struct watcher silent;
	struct error err;

	is_int(event_loop_init(&loop, &err), 0);
	watch(&busy, &loop, 1);
	watch(&silent, &loop, 0);
	busy.stop_at = 3;
	is_int(event_loop_run(&loop, &err), 0);
	is_int(busy.nr_events, 3); /* again as long as it stays readable */
	is_int(silent.nr_events, 0);
	(void)close(busy.fd);
	(void)close(silent.fd);
	event_loop_fini(&loop);
}

/* Both are ready in the same batch: whichever comes first removes the other. */
static void test_removed_source_is_not_called(void)
{
	struct event_loop loop;
	struct watcher a;
	struct watcher b;
	struct error err;

	is_int(event_loop_init(&loop, &err), 0);
	watch(&a, &loop, 1);
	watch(&b, &loop, 1);
	a.victim = &b;
	b.victim = &a;
	a.stop_at = 2;
	b.stop_at = 2;
	is_int(event_loop_run(&loop, &err), 0);
	is_int(a.nr_events + b.nr_events, 2);
	ok(a.nr_events == 0 || b.nr_events == 0);
	is_int((a.nr_events ? &b : &a)->source.fd, -1);
	event_loop_remove(&loop, &a.source);
	event_loop_remove(&loop, &a.source); /* not in the loop: nothing happens */
	(void)close(a.fd);
	(void)close(b.fd);
	event_loop_fini(&loop);
}

static void test_modify(void)
{
	struct event_loop loop;
	struct watcher muted;
	struct watcher other;
	struct error err;

	is_int(event_loop_init(&loop, &err), 0);
	watch(&muted, &loop, 1);
	watch(&other, &loop, 0);
	event_loop_modify(&loop, &muted.source, 0);
	event_loop_modify(&loop, &other.source, EPOLLOUT);
	other.stop_at = 2;
	is_int(event_loop_run(&loop, &err), 0);
	is_int(muted.nr_events, 0);
	is_int(other.nr_events, 2);
	(void)close(muted.fd);
	(void)close(other.fd);
	event_loop_fini(&loop);
}

static void test_add_fails(void)
{
	struct event_loop loop;
	struct event_source source = { .fd = 7 };
	struct error err;

	is_int(event_loop_init(&loop, &err), 0);
	is_int(event_loop_add(&loop, &source, -1, EPOLLIN, on_event, NULL, &err), -EBADF);
	is_int(source.fd, -1);
	event_loop_fini(&loop);
	is_int(loop.epoll_fd, -1);
}

static void test_run_fails(void)
{
	struct event_loop loop;
	struct error err;

	is_int(event_loop_init(&loop, &err), 0);
	event_loop_fini(&loop);
	is_int(event_loop_run(&loop, &err), -EBADF);
	is_int(err.code, EBADF);
}

int main(void)
{
	test_delivers_until_stopped();
	test_removed_source_is_not_called();
	test_modify();
	test_add_fails();
	test_run_fails();
	return tap_done();
}
