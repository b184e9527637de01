/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/container_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"

/* As fork(2), into the new namespaces @flags. */
static pid_t process_clone(int flags, int *ret_pid_fd)
{
	int pid_fd = -1;
	struct clone_args args = {
		.flags = (uint64_t)(unsigned int)flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pid_fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	*ret_pid_fd = pid_fd;
	return pid;
}

/* Returns 0 with a report, or -EPIPE when the process ended or exec'ed without one. */
static int process_read_report(int report_fd, struct container_report *ret_report)
{
	ssize_t n;

	do
		n = read(report_fd, ret_report, sizeof(*ret_report));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*ret_report) ? 0 : -EPIPE;
}

static int process_await_ready(int report_fd, int pid_fd, int *ret_terminal_fd, struct failure *err)
{
	struct container_report report;
	int terminal_fd = -1;

	if (process_read_report(report_fd, &report))
		return failure_invalid(err, "the container's process ended while it was set up");
	if (!report.is_ready) {
		*err = report.failure;
		return -err->code;
	}
	if (report.terminal_fd >= 0) {
		terminal_fd = (int)syscall(SYS_pidfd_getfd, pid_fd, report.terminal_fd, 0);
		if (terminal_fd < 0)
			return failure_set(err, errno, "take over the terminal");
	}
	*ret_terminal_fd = terminal_fd;
	return 0;
}

int container_process_create(struct container_process *process, const struct container_plan *plan,
			     const struct container_places *places, const int stdio_fds[3],
			     int *ret_terminal_fd, struct failure *err)
{
	struct container_start start = { .plan = plan, .places = *places };
	int report[2] = { -1, -1 };
	int gate[2] = { -1, -1 };
	int pid_fd = -1;
	int r;

	memcpy(start.stdio_fds, stdio_fds, sizeof(start.stdio_fds));
	if (pipe2(report, O_CLOEXEC) || pipe2(gate, O_CLOEXEC))
		return failure_set(err, errno, "create the pipes of a process");
	start.report_fd = report[1];
	start.gate_fd = gate[0];
	process->pid = process_clone(plan->namespaces | CLONE_NEWNS, &pid_fd);
	if (!process->pid) {
		/* A writer of its own would keep the process at a gate that guest-init has left. */
		fd_close(&gate[1]);
		container_run(&start);
	}
	fd_close(&report[1]);
	fd_close(&gate[0]);
	if (process->pid < 0)
		r = failure_set(err, errno, "create the namespaces of the container");
	else
		r = process_await_ready(report[0], pid_fd, ret_terminal_fd, err);
	fd_close(&pid_fd);
	if (r) {
		process->pid = 0;
		fd_close(&report[0]);
		fd_close(&gate[1]);
		return r;
	}
	process->report_fd = report[0];
	process->gate_fd = gate[1];
	return 0;
}

int container_process_start(struct container_process *process, struct failure *err)
{
	AUTO_CLOSE int report_fd = fd_take(&process->report_fd);
	AUTO_CLOSE int gate_fd = fd_take(&process->gate_fd);
	struct container_report report;

	/* A stop of before would keep execve, and with it guest-init, waiting: it is called off. */
	(void)kill(process->pid, SIGCONT);
	if (write(gate_fd, "", 1) != 1)
		return failure_set(err, errno, "start the process");
	/* No report: execve closed the pipe, or the process was killed, as its status will tell. */
	if (process_read_report(report_fd, &report))
		return 0;
	*err = report.failure;
	return -err->code;
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
	bool is_started = process->gate_fd < 0;

	if (process->pid <= 0)
		return;
	if (!is_started && signal_ends_a_program(signal))
		signal = SIGKILL;
	(void)kill(process->pid, signal);
}
