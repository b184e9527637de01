/* SPDX-License-Identifier: Apache-2.0 */
/* test_control_call.c - the command line's side of the control socket */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/session_guest.h"
#include "tests/unit/tap.h"
#include "vmm/session/control_socket.h"

static struct session_guest box;

static void set_up(void)
{
	const int no_streams[PROTOCOL_NR_STREAMS] = { -1, -1, -1, -1 };

	session_guest_init(&box, no_streams, "{}");
	session_guest_reach(&box, SESSION_CREATED);
}

struct caller {
	pthread_t thread;
	int timeout_ms;
	int result;
	struct error err;
};

static void *caller_main(void *context)
{
	struct caller *caller = context;

	caller->result =
		control_call(box.state_fd, CONTROL_START, 0, caller->timeout_ms, &caller->err);
	return NULL;
}

static void call_in_thread(struct caller *caller, int timeout_ms)
{
	caller->timeout_ms = timeout_ms;
	ok(pthread_create(&caller->thread, NULL, caller_main, caller) == 0);
	while (timeout_ms < 0 && !box.session.start_client)
		session_guest_run(&box);
}

static void test_control_call(void)
{
	struct caller caller;

	set_up();
	call_in_thread(&caller, -1);
	session_guest_frame(&box, PROTOCOL_STARTED, 0, false, NULL);
	(void)pthread_join(caller.thread, NULL);
	is_int(caller.result, 0);
	session_guest_fini(&box);

	set_up();
	call_in_thread(&caller, -1);
	session_guest_frame(&box, PROTOCOL_ERROR, EACCES, false, "not allowed");
	(void)pthread_join(caller.thread, NULL);
	is_int(caller.result, -EACCES);
	is_int(caller.err.code, EACCES);
	is_str(caller.err.text, "not allowed");
	session_guest_fini(&box);

	set_up();
	call_in_thread(&caller, 20); /* nobody serves the socket meanwhile */
	(void)pthread_join(caller.thread, NULL);
	is_int(caller.result, -ETIMEDOUT);
	session_guest_fini(&box);
}

/* A monitor that hangs for so long that its backlog is full keeps nobody longer than asked. */
static void test_full_backlog(void)
{
	char path[SCRATCH_DIR_SIZE];
	struct error err;
	int state_fd, control_fd;

	scratch_dir_make(path);
	state_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	control_fd = control_socket_listen(state_fd, &err);
	ok(control_fd >= 0);
	for (int i = 0; i < CONTROL_CLIENTS_MAX + 3; i++)
		is_int(control_call(state_fd, CONTROL_START, 0, 20, &err), -ETIMEDOUT);
	(void)close(control_fd);
	(void)close(state_fd);
	scratch_dir_remove(path);
}

static void test_no_monitor(void)
{
	char path[SCRATCH_DIR_SIZE];
	struct error err;
	int state_fd, control_fd;

	scratch_dir_make(path);
	state_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	is_int(control_call(state_fd, CONTROL_START, 0, -1, &err), -ESRCH);
	control_fd = control_socket_listen(state_fd, &err);
	ok(control_fd >= 0);
	is_int(control_socket_listen(state_fd, &err), -EADDRINUSE);
	(void)close(control_fd);
	is_int(control_call(state_fd, CONTROL_START, 0, -1, &err), -ESRCH);
	(void)close(state_fd);
	scratch_dir_remove(path);
}

int main(void)
{
	test_control_call();
	test_full_backlog();
	test_no_monitor();
	return tap_done();
}
