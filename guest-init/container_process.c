/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"
#include "guest-init/user_namespace.h"

/* As fork(2), into the new namespaces @flags and the control group @cgroup_fd, if any. */
static pid_t process_clone(int flags, int cgroup_fd, int *ret_pid_fd)
{
	int pid_fd = -1;
	struct clone_args args = {
		.flags = (uint64_t)(unsigned int)flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pid_fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned int)cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	*ret_pid_fd = pid_fd;
	return pid;
}

/*
 * The pipe is readable: a whole report is there, or its end. Returns 0, or -EPIPE when the process
 * ended or exec'ed without one.
 */
static int process_read_report(int report_fd, struct container_report *ret_report)
{
	ssize_t n;

	do
		n = read(report_fd, ret_report, sizeof(*ret_report));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*ret_report) ? 0 : -EPIPE;
}

static int process_take_terminal(const struct container_process *process, int number,
				 int *ret_terminal_fd, struct failure *err)
{
	*ret_terminal_fd = -1;
	if (number < 0)
		return 0;
	*ret_terminal_fd = (int)syscall(SYS_pidfd_getfd, process->pid_fd, number, 0);
	if (*ret_terminal_fd < 0)
		return failure_set(err, errno, "take over the terminal");
	return 0;
}

/* Let a process in a new user namespace build the container. */
static int process_admit(const struct container_process *process,
			 const struct container_start *start, struct failure *err)
{
	int r = user_namespace_admit(process->pid, start->plan, err);

	if (!r && write(process->gate_fd, "", 1) != 1)
		r = failure_set(err, errno, "let the process build the container");
	return r;
}

static int process_clone_started(struct container_process *process, struct container_start *start,
				 int namespaces, struct failure *err)
{
	int report[2] = { -1, -1 };
	int gate[2] = { -1, -1 };

	memcpy(start->stdio_fds, process->streams.child_fds, sizeof(start->stdio_fds));
	if (pipe2(report, O_CLOEXEC) || pipe2(gate, O_CLOEXEC))
		return failure_set(err, errno, "create the pipes of a process");
	start->report_fd = report[1];
	start->gate_fd = gate[0];
	process->pid = process_clone(namespaces, start->cgroup_fd, &process->pid_fd);
	if (!process->pid) {
		/* A writer of its own would keep the process at a gate that guest-init has left. */
		fd_close(&gate[1]);
		container_run(start);
	}
	fd_close(&report[1]);
	fd_close(&gate[0]);
	process->report_fd = report[0];
	process->gate_fd = gate[1];
	if (process->pid < 0) {
		process->pid = 0;
		return failure_set(err, errno, "create a process of the container");
	}
	return (namespaces & CLONE_NEWUSER) ? process_admit(process, start, err) : 0;
}

static int process_watch_report(const struct container_process *process, int epoll_fd,
				uint64_t event_base, struct failure *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data = { .u64 = event_base } };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, process->report_fd, &event))
		return failure_set(err, errno, "watch a process");
	return 0;
}

void container_process_init(struct container_process *process, uint32_t number, uint32_t serial)
{
	process->number = number;
	process->serial = serial;
	process->state = PROCESS_PREPARING;
	process->pid = 0;
	process->pid_fd = -1;
	process->gate_fd = -1;
	process->report_fd = -1;
	process->status = 0;
	process->is_reported = false;
	process->deadline_ms = 0;
	process_streams_init(&process->streams);
}

int container_process_spawn(struct container_process *process, struct container_start *start,
			    int namespaces, int epoll_fd, uint64_t event_base, struct failure *err)
{
	int r = process_streams_open(&process->streams, process->number, start->process, err);

	if (!r)
		r = process_clone_started(process, start, namespaces, err);
	if (!r)
		r = process_watch_report(process, epoll_fd, event_base, err);
	if (r && process->pid > 0)
		(void)kill(process->pid, SIGKILL); /* reaped as nobody's child */
	if (r)
		container_process_release(process);
	return r;
}

static int process_on_ready(struct container_process *process, int epoll_fd, uint64_t event_base,
			    struct failure *err)
{
	struct container_report report;
	int terminal_fd = -1;
	int r;

	if (process_read_report(process->report_fd, &report))
		return failure_invalid(err, "the container's process ended while it was set up");
	if (!report.is_ready) {
		*err = report.failure;
		return -err->code;
	}
	r = process_take_terminal(process, report.terminal_fd, &terminal_fd, err);
	if (!r)
		r = process_streams_start(&process->streams, terminal_fd, epoll_fd, event_base + 1,
					  err);
	if (!r)
		process->state = PROCESS_READY;
	return r;
}

int container_process_on_report(struct container_process *process, int epoll_fd,
				uint64_t event_base, struct failure *err)
{
	struct container_report report;
	bool has_report;

	if (process->state == PROCESS_PREPARING) {
		int r = process_on_ready(process, epoll_fd, event_base, err);

		if (r)
			fd_close(&process->report_fd);
		return r;
	}
	/* No report: execve closed the pipe, or the process was killed, as its status will tell. */
	has_report = !process_read_report(process->report_fd, &report);
	fd_close(&process->report_fd);
	process->state = PROCESS_RUNNING;
	if (!has_report)
		return 0;
	*err = report.failure;
	return -err->code;
}

int container_process_let_go(struct container_process *process, struct failure *err)
{
	AUTO_CLOSE int gate_fd = fd_take(&process->gate_fd);

	/* A stop of before would keep it from running: it is called off. */
	(void)kill(process->pid, SIGCONT);
	process->state = PROCESS_EXECUTING;
	if (write(gate_fd, "", 1) != 1)
		return failure_set(err, errno, "start the process");
	return 0;
}

static bool signal_ends_a_program(int signal)
{
	static const int harmless[] = { SIGCHLD, SIGURG,  SIGWINCH, SIGCONT,
					SIGSTOP, SIGTSTP, SIGTTIN,  SIGTTOU };

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (signal == harmless[i])
			return false;
	return signal > 0;
}

void container_process_signal(const struct container_process *process, int signal)
{
	if (process->pid <= 0 || process->state == PROCESS_ENDED)
		return;
	if (process->state < PROCESS_EXECUTING && signal_ends_a_program(signal))
		signal = SIGKILL;
	(void)kill(process->pid, signal);
}

void container_process_end(struct container_process *process, int status)
{
	process->state = PROCESS_ENDED;
	process->status = status;
	fd_close(&process->gate_fd);
	fd_close(&process->report_fd);
}

void container_process_release(struct container_process *process)
{
	process_streams_stop(&process->streams);
	fd_close(&process->pid_fd);
	fd_close(&process->gate_fd);
	fd_close(&process->report_fd);
}
