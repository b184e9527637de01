/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/container_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/backend/host_stream.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/descriptor_limit.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/base/signals.h"
#include "vmm/container/hook_runner.h"
#include "vmm/container/host_ids.h"
#include "vmm/container/launch_message.h"
#include "vmm/container/monitor.h"
#include "vmm/container/mount_tree.h"
#include "vmm/container/network_start.h"
#include "vmm/container/socket_connect.h"
#include "vmm/file_server/file_server.h"
#include "vmm/host_cgroup/host_limits.h"
#include "vmm/host_cgroup/oom_report.h"
#include "vmm/oci/administrator_config.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/namespaces.h"
#include "vmm/sandbox/sandbox.h"

/*
 * Theory of operation
 *
 *   1. Tied to the command line by PDEATHSIG, and by its end of the sync socket.
 *   2. The container's control group on the host, then namespaces. The mount namespace comes
 *      last: the monitor must not share it.
 *   3. The network process is forked, then the monitor. From here the VM boots, in parallel to
 *      what follows; its file requests wait in the channel.
 *   4. The descriptors that only the monitor needs are closed, and the container's tree is built.
 *      With that all its namespaces are as hooks may expect them: the command line runs its
 *      hooks, then this process the createContainer hooks, which still see the host's tree.
 *   5. The container's tree becomes this process's root.
 *   6. The process is sealed (sandbox.h). A thread serves files. The main thread waits for
 *      signals, for the command line's COMMIT, for connections to make to sockets of the host,
 *      and for the monitor's end, which is its own.
 */

#define EXIT_FAILED 1
#define EXIT_SIGNAL_BASE 128
#define CACHE_TIMEOUT_MS 1000

struct shim {
	const struct launch_request *request;
	int sync_fd; /* -1 once the container stands alone */
	pid_t monitor;
	int id_lock_fd;	      /* holds the monitor's user id, or -1 */
	int oom_event_fd;     /* written by the monitor */
	int oom_report_fd;    /* -1: there is nothing to report with, or it is done */
	pid_t oom_reporter;   /* our child that does it; 0: none */
	int empty_network_fd; /* the monitor's network namespace, which is to outlive it */
	struct fs_channel channel;
	struct file_server *server;
	pthread_t thread;
	struct socket_connect sockets;
};

static _Noreturn void fail(const struct shim *shim, const struct error *err)
{
	launch_message_send(shim->sync_fd, LAUNCH_FAILED, err);
	_exit(EXIT_FAILED);
}

/* The guest has these names of its own; here they are for hooks and for others of a pod. */
static int set_names(const struct container_config *config, struct error *err)
{
	const char *host = config->hostname, *domain = config->domainname;

	if (host && sethostname(host, strlen(host)) < 0)
		return error_set(err, errno, "hostname: set '%s'", host);
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		return error_set(err, errno, "domainname: set '%s'", domain);
	return 0;
}

/* A machine can stand in for a container's network, not for the host's. */
static int refuse_own_network(int netns_fd, const char *path, struct error *err)
{
	struct stat own, other;

	if (stat("/proc/self/ns/net", &own) < 0 || fstat(netns_fd, &other) < 0)
		return error_set(err, errno, "linux.namespaces: stat '%s'", path);
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino)
		return error_invalid(err,
				     "linux.namespaces: '%s' is the host's network, which is not "
				     "supported",
				     path);
	return 0;
}

static int join_network(const char *path, struct error *err)
{
	AUTO_CLOSE int netns = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (netns < 0)
		return error_set(err, errno, "linux.namespaces: open '%s'", path);
	r = refuse_own_network(netns, path, err);
	if (!r && setns(netns, CLONE_NEWNET) < 0)
		r = error_set(err, errno, "linux.namespaces: join '%s'", path);
	return r;
}

static int enter_namespaces(const struct container_config *config, struct error *err)
{
	int r;

	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_set(err, errno, "create namespaces");
	r = set_names(config, err);
	if (r < 0)
		return r;
	if (config->netns_path)
		return join_network(config->netns_path, err);
	return unshare(CLONE_NEWNET) < 0 ? error_set(err, errno, "create a network namespace") : 0;
}

/* Standard streams belong to the workload: keep nothing of them here but, for debugging, stderr. */
static int detach_stdio(bool keeps_stderr, struct error *err)
{
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return error_set(err, errno, "open /dev/null");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if ((fd != STDERR_FILENO || !keeps_stderr) && dup2(null, fd) < 0)
			return error_set(err, errno, "detach from the standard streams");
	return 0;
}

/* The request with the workload's streams moved out of the way of our own. */
static int move_streams(const struct launch_request *request, struct launch_request *ret_request,
			struct error *err)
{
	*ret_request = *request;
	for (unsigned int i = 0; i < ARRAY_SIZE(request->stdio_fds); i++) {
		if (request->stdio_fds[i] < 0)
			continue;
		ret_request->stdio_fds[i] = host_stream_duplicate(request->stdio_fds[i], err);
		if (ret_request->stdio_fds[i] < 0)
			return ret_request->stdio_fds[i];
	}
	if (request->terminal_fd >= 0) {
		ret_request->terminal_fd = host_stream_duplicate(request->terminal_fd, err);
		if (ret_request->terminal_fd < 0)
			return ret_request->terminal_fd;
	}
	if (request->is_foreground && log_descriptor() == STDERR_FILENO) {
		int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return error_set(err, errno, "keep standard error");
		log_set_descriptor(fd);
	}
	return detach_stdio(request->is_debug, err);
}

static _Noreturn void become_monitor(const struct launch_request *request,
				     const struct monitor_channels *channels, int sync_fd)
{
	int keep[] = {
		request->kvm_fd,
		request->kernel_fd,
		request->initramfs_fd,
		request->template ? request->template->memory_fd : -1,
		request->stdio_fds[0],
		request->stdio_fds[1],
		request->stdio_fds[2],
		request->terminal_fd,
		request->control_fd,
		request->oom_event_fd,
		channels->fs.memory_fd,
		channels->fs.socket_fd,
		channels->socket_fd,
		channels->network.channel_fd,
		channels->network.resolver_fd,
		sync_fd,
		log_descriptor(),
	};

	close_descriptors_except(keep, ARRAY_SIZE(keep));
	monitor_run(request, channels, sync_fd);
}

static int start_monitor(struct shim *shim, const struct launch_request *request, struct error *err)
{
	struct monitor_channels channels;
	int socket_fd = -1;
	int r = network_start(request->config, request->monitor_id, &channels.network, err);

	if (!r)
		r = fs_channel_create(&channels.fs, &shim->channel, err);
	if (!r)
		r = socket_channel_create(&channels.socket_fd, &socket_fd, err);
	if (!r)
		r = socket_connect_init(&shim->sockets, socket_fd, err);
	if (r < 0)
		return r;
	shim->monitor = namespaces_fork_offline(&shim->empty_network_fd, err);
	if (shim->monitor < 0)
		return shim->monitor;
	if (shim->monitor == 0)
		become_monitor(request, &channels, shim->sync_fd);
	return 0;
}

static void *serve(void *argument)
{
	struct shim *shim = argument;
	struct error err;
	int r;

	(void)pthread_setname_np(pthread_self(), "file-server");
	r = file_server_enter_thread(shim->server, &err);
	if (!r)
		r = call_filter_load(&file_server_filter, &err);
	if (!r)
		r = file_server_run(shim->server, &shim->channel);
	/* Without files there is no container. The monitor's end is about to be ours. */
	if (r < 0)
		_exit(EXIT_SIGNAL_BASE + SIGKILL);
	for (;;)
		(void)poll(&(struct pollfd){ .fd = -1 }, 1, -1);
}

/* Those of the command line, then those of this process's namespaces. */
static int run_hooks(const struct shim *shim, struct error *err)
{
	const struct container_config *config = shim->request->config;
	const struct hook_setting setting = {
		.state = shim->request->hook_state,
		.directory = config->rootfs,
		.signal_fd = -1,
		.peer_fd = -1,
	};
	struct launch_message message;

	launch_message_send(shim->sync_fd, LAUNCH_PREPARED, NULL);
	if (launch_message_receive(shim->sync_fd, &message) != 1 || message.type != LAUNCH_GO_ON)
		_exit(EXIT_FAILED); /* it died, or one of its hooks failed */
	return hooks_run(&config->hooks, HOOK_CREATE_CONTAINER, &setting, err);
}

static int enter_tree(const struct shim *shim, uint64_t *ret_binds, size_t *ret_nr_binds,
		      struct error *err)
{
	AUTO_CLOSE int root = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return error_set(err, errno, "create a mount namespace");
	root = mount_tree_build(shim->request->config, ret_binds, ret_nr_binds, err);
	r = root < 0 ? root : run_hooks(shim, err);
	return r < 0 ? r : mount_tree_enter(root, shim->request->config, err);
}

/*
 * A name for every descriptor of this process, and nothing else: this is not the host's proc file
 * system with a way up, but a mount of that one directory.
 */
static int open_descriptor_names(struct error *err)
{
	int fd = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? error_set(err, errno, "clone /proc/self/fd") : fd;
}

/* To be asked while the host's /proc can be seen; for the hooks the limit is still the caller's. */
static uint64_t descriptors_for_files(const struct container_config *config)
{
	return min_u64(descriptor_limit_share(DESCRIPTOR_FILE_MAX),
		       host_limits_nodes(config->memory_bytes));
}

static int start_file_server(struct shim *shim, struct error *err)
{
	const struct container_config *config = shim->request->config;
	/* Needed as long as the process lives. */
	uint64_t *binds = calloc(config->nr_mounts + 1, sizeof(*binds));
	struct file_server_options options = { .cache_timeout_ms = CACHE_TIMEOUT_MS,
					       .sockets = shim->sockets.table,
					       .bind_mounts = binds };
	int proc_fd = open_descriptor_names(err);
	uint64_t max_descriptors = descriptors_for_files(config);
	int root_fd;
	int r;

	if (proc_fd < 0)
		return proc_fd;
	if (!binds)
		return error_set(err, ENOMEM, "list the container's mounts");
	r = enter_tree(shim, binds, &options.nr_bind_mounts, err);
	if (!r)
		r = socket_connect_start(&shim->sockets, proc_fd, err);
	if (!r)
		r = descriptor_limit_set(max_descriptors, err);
	if (!r)
		r = fs_channel_map(&shim->channel, err);
	if (r < 0)
		return r;
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return error_set(err, errno, "open the container's root");
	r = file_server_init(&shim->server, root_fd, proc_fd, &options, err);
	if (!r)
		r = container_process_seal(config->process.capabilities[CAPABILITY_BOUNDING], err);
	if (r < 0)
		return r;
	r = pthread_create(&shim->thread, NULL, serve, shim);
	return r ? error_set(err, r, "start the file server's thread") : 0;
}

/* Only what this process itself needs: everything else is the monitor's. */
static void close_others(const struct shim *shim)
{
	int keep[] = {
		shim->sync_fd,	    shim->channel.memory_fd, shim->channel.socket_fd,
		shim->oom_event_fd, shim->oom_report_fd,     shim->sockets.channel_fd,
		shim->id_lock_fd,   shim->empty_network_fd,  log_descriptor(),
	};

	close_descriptors_except(keep, ARRAY_SIZE(keep));
}

/* Not inlined: a message is large, and the caller lives as long as the process. */
__attribute__((noinline)) static void on_command_line(struct shim *shim)
{
	struct launch_message message;

	if (launch_message_receive(shim->sync_fd, &message) != 1 || message.type != LAUNCH_COMMIT)
		_exit(EXIT_FAILED); /* it died before it was done */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	launch_message_send(shim->sync_fd, LAUNCH_COMMITTED, NULL);
	fd_close(&shim->sync_fd);
}

static void on_oom(struct shim *shim)
{
	eventfd_t count;

	if (eventfd_read(shim->oom_event_fd, &count) < 0 || shim->oom_report_fd < 0)
		return;
	/* Once: the monitor may say it as often as the guest likes. */
	shim->oom_reporter = oom_report_start(shim->oom_report_fd);
	fd_close(&shim->oom_report_fd);
	fd_close(&shim->oom_event_fd);
}

/*
 * The monitor says itself why it ends; when a signal ended it nobody else can tell. Not inlined:
 * see on_command_line().
 */
__attribute__((noinline)) static void explain_end(const struct shim *shim, int signal_number)
{
	struct error err;

	(void)error_invalid(&err, "signal %d ended the monitor%s", signal_number,
			    signal_number == SIGSYS
				    ? ": it made a system call that its sandbox does not allow"
				    : "");
	if (shim->sync_fd >= 0)
		launch_message_send(shim->sync_fd, LAUNCH_FAILED, &err);
	else
		log_error("%s", err.text);
}

/* The end of the container, which its last report must not miss. */
static _Noreturn void end(struct shim *shim, int status)
{
	on_oom(shim);
	while (shim->oom_reporter > 0 && waitpid(shim->oom_reporter, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		explain_end(shim, WTERMSIG(status));
	/*
	 * As PID 1 of its namespace this process cannot die of a signal it sends itself; engines
	 * read 128 + N the same way.
	 */
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status));
}

static void on_signal(struct shim *shim, int signal_fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		(void)kill(shim->monitor, (int)info.ssi_signo);
		return;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == shim->oom_reporter)
			shim->oom_reporter = 0;
		if (pid == shim->monitor)
			end(shim, status);
	}
}

static _Noreturn void wait_for_end(struct shim *shim, int signal_fd)
{
	for (;;) {
		struct pollfd pollfds[4] = {
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = shim->sync_fd, .events = POLLIN },
			{ .fd = shim->oom_event_fd, .events = POLLIN },
			{ .fd = shim->sockets.channel_fd, .events = POLLIN },
		};

		if (poll(pollfds, ARRAY_SIZE(pollfds), -1) < 0 && errno != EINTR)
			_exit(EXIT_FAILED);
		if (pollfds[1].revents)
			on_command_line(shim);
		if (pollfds[2].revents)
			on_oom(shim);
		if (pollfds[0].revents)
			on_signal(shim, signal_fd);
		if (pollfds[3].revents)
			socket_connect_serve(&shim->sockets);
	}
}

/* Before the first allocation of guest memory, and while the host's files can be seen. */
static int enter_cgroup(struct shim *shim, struct launch_request *request, struct error *err)
{
	int r = host_cgroup_join(request->cgroup, request->is_in_cgroup, err);

	if (r < 0)
		return r;
	shim->oom_report_fd = oom_report_open(request->cgroup);
	shim->oom_event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (shim->oom_event_fd < 0)
		return error_set(err, errno, "create an eventfd");
	request->oom_event_fd = shim->oom_event_fd;
	return 0;
}

/* While the host's files can be seen. */
static int take_monitor_id(struct shim *shim, struct launch_request *request, struct error *err)
{
	const struct administrator_config *administrator = request->config->administrator;

	request->monitor_id = geteuid();
	if (!administrator->nr_ids || !host_ids_are_available())
		return 0;
	return host_id_take(HOST_IDS_DIRECTORY, administrator->first_id, administrator->nr_ids,
			    &shim->id_lock_fd, &request->monitor_id, err);
}

void container_process_run(const struct launch_request *request, int sync_fd)
{
	struct shim shim = {
		.request = request,
		.sync_fd = sync_fd,
		.id_lock_fd = -1,
		.oom_event_fd = -1,
		.oom_report_fd = -1,
		.empty_network_fd = -1,
	};
	static struct error err; /* large, and the callees have some, too */
	struct launch_request moved;
	int signal_fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "container");
	(void)setsid();
	sandbox_use_heap_only();
	if (signals_block(&err) < 0 || move_streams(request, &moved, &err) < 0 ||
	    enter_cgroup(&shim, &moved, &err) < 0 || take_monitor_id(&shim, &moved, &err) < 0 ||
	    enter_namespaces(request->config, &err) < 0 || start_monitor(&shim, &moved, &err) < 0)
		fail(&shim, &err);
	close_others(&shim);
	if (start_file_server(&shim, &err) < 0)
		fail(&shim, &err);
	signal_fd = signals_open(true, &err);
	if (signal_fd < 0 || call_filter_load(&container_process_filter, &err) < 0)
		fail(&shim, &err);
	wait_for_end(&shim, signal_fd);
}
