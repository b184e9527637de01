/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/template_maker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/backend/fs_channel.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/base/log.h"
#include "vmm/base/signals.h"
#include "vmm/container/host_ids.h"
#include "vmm/container/launch_message.h"
#include "vmm/machine.h"
#include "vmm/machine_template.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/namespaces.h"
#include "vmm/sandbox/sandbox.h"

#define EXIT_FAILED 1
#define TIME_LIMIT_MS 60000 /* an emulated processor takes five seconds */
#define PAGE_SIZE 4096
#define TICK_NS 10000000
#define QUIET_TICKS 2	/* until a guest that waits has nothing else to do either */
#define PAUSES_MAX 100u /* while a device has a request under way */

struct maker {
	const struct template_maker_request *request;
	int sync_fd, state_fd, tick_fd, id_lock_fd;
	struct fs_channel channel, idle_end; /* nobody serves the other end */
	struct event_loop loop;
	struct event_source tick_source;
	struct machine machine;
	unsigned int nr_ticks; /* since the guest waits; 0: it does not yet */
	unsigned int nr_pauses;
};

/* --- the process ------------------------------------------------------------------------------ */

static _Noreturn void fail(const struct maker *maker, const struct error *err)
{
	launch_message_send(maker->sync_fd, LAUNCH_FAILED, err);
	_exit(EXIT_FAILED);
}

static int on_vcpu_start(struct error *err)
{
	return call_filter_load(&vcpu_filter, err);
}

static void on_machine_end(void *context, const char *text)
{
	struct error err;

	(void)error_invalid(&err, "the virtual machine ended before it was ready: %s", text);
	fail(context, &err);
}

static void on_template_point(void *context)
{
	struct maker *maker = context;

	maker->nr_ticks = 1;
}

static void on_tick(void *context, uint32_t events)
{
	struct maker *maker = context;
	uint64_t count;

	(void)events;
	(void)!read(maker->tick_fd, &count, sizeof(count));
	if (maker->nr_ticks && maker->nr_ticks++ == QUIET_TICKS)
		machine_pause(&maker->machine);
}

static void on_paused(void *context)
{
	struct maker *maker = context;
	uint8_t *state;
	struct error err;
	size_t size;
	int r = machine_save(&maker->machine, maker->request->memory_fd, &state, &size, &err);

	if (r == -EAGAIN && maker->nr_pauses++ < PAUSES_MAX) {
		maker->nr_ticks = 1;
		machine_resume(&maker->machine);
		return;
	}
	if (!r) {
		r = file_write_full(maker->state_fd, state, size);
		if (r < 0)
			(void)error_set(&err, -r, "write the machine's state");
	}
	if (r < 0)
		fail(maker, &err);
	launch_message_send(maker->sync_fd, LAUNCH_CREATED, NULL);
	_exit(EXIT_SUCCESS);
}

/* Nobody but the machine itself answers while it becomes a template. */
static bool on_connect(void *service, struct vsock_connection *connection, uint32_t port)
{
	(void)service;
	(void)connection;
	(void)port;
	return false;
}

static const struct vsock_service no_service = { .on_connect = on_connect };

static int start_ticking(struct maker *maker, struct error *err)
{
	const struct itimerspec interval = { { .tv_nsec = TICK_NS }, { .tv_nsec = TICK_NS } };

	maker->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (maker->tick_fd < 0 || timerfd_settime(maker->tick_fd, 0, &interval, NULL) < 0)
		return error_set(err, errno, "create a timer");
	return event_loop_add(&maker->loop, &maker->tick_source, maker->tick_fd, EPOLLIN, on_tick,
			      maker, err);
}

static int build(struct maker *maker, struct error *err)
{
	const struct template_maker_request *request = maker->request;
	const struct machine_config config = {
		.kvm_fd = request->kvm_fd,
		.kernel_fd = request->kernel_fd,
		.initramfs_fd = request->initramfs_fd,
		.kernel_path = request->kernel_path,
		.initramfs_path = request->initramfs_path,
		.memory_bytes = request->memory_bytes,
		.nr_vcpus = request->nr_vcpus,
		.fs_channel = &maker->channel,
		.service = &no_service,
		.debug_fd = request->is_debug ? STDERR_FILENO : -1,
		.on_vcpu_start = on_vcpu_start,
		.on_end = on_machine_end,
		.on_paused = on_paused,
		.is_template = true,
		.on_template_point = on_template_point,
		.context = maker,
	};
	int r = event_loop_init(&maker->loop, err);

	if (!r)
		r = fs_channel_create(&maker->channel, &maker->idle_end, err);
	if (!r)
		r = fs_channel_map(&maker->channel, err);
	if (!r)
		r = start_ticking(maker, err);
	if (!r)
		r = machine_init(&maker->machine, &config, &maker->loop, err);
	(void)close(request->kernel_fd);
	(void)close(request->initramfs_fd);
	return r;
}

/* What it writes is bounded, and the command line's death is its own. */
static int tie(const struct maker *maker, struct error *err)
{
	uint64_t most = align_up(maker->request->memory_bytes, PAGE_SIZE) + MACHINE_STATE_MAX;
	const struct rlimit limit = { most, most };
	char byte;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return error_set(err, errno, "be bound to the command line");
	if (recv(maker->sync_fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(EXIT_FAILED); /* it is gone already */
	return 0;
}

static int take_id(struct maker *maker, uid_t *ret_id, struct error *err)
{
	const struct administrator_config *administrator = maker->request->administrator;

	*ret_id = geteuid();
	if (!administrator->nr_ids || !host_ids_are_available())
		return 0;
	return host_id_take(HOST_IDS_DIRECTORY, administrator->first_id, administrator->nr_ids,
			    &maker->id_lock_fd, ret_id, err);
}

/* Sealed before the first instruction of the guest. */
static int seal(struct maker *maker, uid_t id, struct error *err)
{
	int r = monitor_seal(id, maker->request->nr_vcpus + 1, err);

	if (!r)
		r = tie(maker, err); /* another user's process is free of its parent */
	if (!r)
		r = machine_start(&maker->machine, err);
	return r < 0 ? r : call_filter_load(&template_maker_filter, err);
}

/* The caller's streams are none of its business, unless somebody wants to see the guest's. */
static int detach_stdio(const struct maker *maker, struct error *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int last = maker->request->is_debug || log_descriptor() == STDERR_FILENO ? STDOUT_FILENO
										 : STDERR_FILENO;

	for (int fd = STDIN_FILENO; fd <= last; fd++)
		if (null < 0 || dup2(null, fd) < 0)
			return error_set(err, errno, "detach from the standard streams");
	return 0;
}

static void keep_descriptors(const struct maker *maker)
{
	const struct template_maker_request *request = maker->request;
	int keep[] = {
		request->kvm_fd, request->kernel_fd, request->initramfs_fd, request->memory_fd,
		maker->sync_fd,	 maker->state_fd,    log_descriptor(),
	};

	close_descriptors_except(keep, ARRAY_SIZE(keep));
}

static _Noreturn void run(const struct template_maker_request *request, int sync_fd, int state_fd)
{
	/* Too large for a stack; it lives as long as the process. */
	struct maker *maker = calloc(1, sizeof(*maker));
	struct error err;
	uid_t id = (uid_t)-1;
	int r;

	(void)prctl(PR_SET_NAME, "template-maker");
	if (!maker)
		_exit(EXIT_FAILED);
	maker->request = request;
	maker->sync_fd = sync_fd;
	maker->state_fd = state_fd;
	maker->id_lock_fd = -1;
	(void)setsid();
	(void)!chdir("/");
	sandbox_use_heap_only();
	keep_descriptors(maker);
	r = tie(maker, &err);
	if (!r)
		r = detach_stdio(maker, &err);
	if (!r)
		r = signals_block(&err);
	if (!r)
		r = take_id(maker, &id, &err);
	if (!r)
		r = build(maker, &err);
	if (!r)
		r = seal(maker, id, &err);
	if (!r) {
		machine_resume(&maker->machine);
		r = event_loop_run(&maker->loop, &err);
	}
	if (r >= 0)
		(void)error_invalid(&err, "the template's machine ended");
	fail(maker, &err);
}

/* --- the command line ------------------------------------------------------------------------- */

static int await(int sync_fd, struct error *err)
{
	struct pollfd pollfd = { .fd = sync_fd, .events = POLLIN };
	struct launch_message message;
	int r;

	do
		r = poll(&pollfd, 1, TIME_LIMIT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_set(err, ETIMEDOUT, "wait for the template's machine");
	r = launch_message_receive(sync_fd, &message);
	if (r <= 0)
		return error_invalid(err, "the process that makes the template ended unexpectedly");
	if (message.type == LAUNCH_CREATED)
		return 0;
	(void)error_invalid(err, "%s", message.text);
	err->code = message.code > 0 ? message.code : EIO;
	return -err->code;
}

static int read_state(int fd, uint8_t **ret_state, size_t *ret_size, struct error *err)
{
	AUTO_FREE uint8_t *state = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, errno, "read the machine's state");
	if (st.st_size > (off_t)MACHINE_STATE_MAX)
		return error_invalid(err, "the machine's state is too large");
	state = malloc((size_t)st.st_size + 1);
	if (!state)
		return error_set(err, ENOMEM, "read the machine's state");
	if (file_read_full(fd, state, (size_t)st.st_size) != st.st_size)
		return error_set(err, EIO, "read the machine's state");
	*ret_state = pointer_take(state);
	*ret_size = (size_t)st.st_size;
	return 0;
}

int template_maker_run(const struct template_maker_request *request, uint8_t **ret_state,
		       size_t *ret_size, struct error *err)
{
	AUTO_CLOSE int state_fd = memfd_create("template-state", MFD_CLOEXEC);
	AUTO_CLOSE int own_fd = -1;
	AUTO_CLOSE int network_fd = -1; /* its end does not wait for the namespace's */
	int sync_fds[2];
	pid_t pid;
	int r;

	if (state_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync_fds) < 0)
		return error_set(err, errno, "prepare a template");
	own_fd = sync_fds[0];
	pid = namespaces_fork_offline(&network_fd, err);
	if (pid == 0) {
		fd_close(&own_fd);
		run(request, sync_fds[1], state_fd);
	}
	(void)close(sync_fds[1]);
	if (pid < 0)
		return pid;
	r = await(own_fd, err);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return r < 0 ? r : read_state(state_fd, ret_state, ret_size, err);
}
