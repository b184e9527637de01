/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/hook_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/clock.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/container/stop_signal.h"

#define OUTPUT_SIZE 1024 /* of what a hook prints, the end */
#define OUTPUT_ROUNDS 64 /* reads after its end: what it left behind may print for ever */
#define EXIT_NOT_EXECUTED 127

struct hook_process {
	pid_t pid;
	int pid_fd;
	int output_fd; /* what it prints, not blocking; -1 at its end */
	char output[OUTPUT_SIZE];
	size_t output_len;
};

/* A file, not a pipe: a hook that does not read it keeps nobody waiting. */
static int open_state(const char *state, struct error *err)
{
	AUTO_CLOSE int fd = memfd_create("state", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : file_write_full(fd, state, strlen(state));

	if (!r && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? error_set(err, -r, "write the container's state") : fd_take(&fd);
}

/* In the child: become the hook. What fails is told on @error_fd as an errno value. */
static _Noreturn void become_hook(const struct container_hook *hook, const char *directory,
				  pid_t parent, int state_fd, int output_fd, int error_fd)
{
	static char *const no_environment[] = { NULL };
	sigset_t none;
	int code;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid(); /* a process group to kill, and no terminal */
	if (dup2(state_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
	    dup2(output_fd, STDERR_FILENO) >= 0 && chdir(directory) == 0 &&
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
		close_descriptors_except(&error_fd, 1);
		if (getppid() != parent)
			_exit(EXIT_NOT_EXECUTED); /* it died before it could be watched */
		(void)execve(hook->path, hook->args.items,
			     hook->env.count ? hook->env.items : no_environment);
	}
	code = errno;
	(void)!write(error_fd, &code, sizeof(code));
	_exit(EXIT_NOT_EXECUTED);
}

static void kill_hook(const struct hook_process *process)
{
	(void)kill(-process->pid, SIGKILL);
	(void)kill(process->pid, SIGKILL);
}

static void reap(const struct hook_process *process)
{
	while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* Fork the hook and wait until it is executed. On failure it is gone. */
static int start_hook(const struct container_hook *hook, const struct hook_setting *setting,
		      int output_fd, struct hook_process *process, struct error *err)
{
	AUTO_CLOSE int state_fd = open_state(setting->state, err);
	AUTO_CLOSE int error_read = -1;
	AUTO_CLOSE int error_write = -1;
	pid_t parent = getpid();
	int fds[2];
	int code;

	if (state_fd < 0)
		return state_fd;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, errno, "create a pipe");
	error_read = fds[0];
	error_write = fds[1];
	process->pid = fork();
	if (process->pid < 0)
		return error_set(err, errno, "fork");
	if (process->pid == 0)
		become_hook(hook, setting->directory, parent, state_fd, output_fd, error_write);
	fd_close(&error_write);
	if (file_read_full(error_read, &code, sizeof(code)) == (ssize_t)sizeof(code)) {
		reap(process);
		return error_set(err, code, "execute '%s' in '%s'", hook->path, setting->directory);
	}
	process->pid_fd = pidfd_open(process->pid, 0);
	if (process->pid_fd < 0) {
		code = errno;
		kill_hook(process);
		reap(process);
		return error_set(err, code, "watch '%s'", hook->path);
	}
	return 0;
}

/* Keep the end of what the hook prints. Returns false when there is no more for now. */
static bool read_output(struct hook_process *process)
{
	char piece[OUTPUT_SIZE];
	ssize_t n = read(process->output_fd, piece, sizeof(piece));
	size_t kept = process->output_len;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(&process->output_fd);
	if (n <= 0)
		return false;
	if (kept > sizeof(process->output) - (size_t)n)
		kept = sizeof(process->output) - (size_t)n;
	memmove(process->output, process->output + process->output_len - kept, kept);
	memcpy(process->output + kept, piece, (size_t)n);
	process->output_len = kept + (size_t)n;
	return true;
}

/* For poll(2): until @deadline_ms, and -1 for ever. */
static int poll_timeout(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms < 0)
		return -1;
	left = deadline_ms - clock_now_ms();
	if (left < 0)
		return 0;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* Returns 0 when the hook has ended, else why it must be ended: -ETIMEDOUT, -EINTR, -ECANCELED. */
static int wait_for_end(struct hook_process *process, const struct container_hook *hook,
			const struct hook_setting *setting)
{
	int64_t deadline_ms =
		hook->timeout_s ? clock_now_ms() + (int64_t)hook->timeout_s * 1000 : -1;

	for (;;) {
		struct pollfd pollfds[] = {
			{ .fd = process->pid_fd, .events = POLLIN },
			{ .fd = process->output_fd, .events = POLLIN },
			{ .fd = setting->signal_fd, .events = POLLIN },
			{ .fd = setting->peer_fd, .events = POLLIN },
		};

		if (poll(pollfds, ARRAY_SIZE(pollfds), poll_timeout(deadline_ms)) < 0)
			continue;
		if (pollfds[0].revents)
			return 0;
		if (pollfds[1].revents)
			(void)read_output(process);
		if (pollfds[2].revents && stop_signal_read(setting->signal_fd))
			return -EINTR;
		if (pollfds[3].revents)
			return -ECANCELED;
		if (deadline_ms >= 0 && clock_now_ms() >= deadline_ms)
			return -ETIMEDOUT;
	}
}

/* Put ": <the end of what the hook printed>", as a part of one line, behind the sentence. */
static void quote_output(struct hook_process *process, struct error *err)
{
	size_t used = strlen(err->text);

	while (process->output_len &&
	       (unsigned char)process->output[process->output_len - 1] <= ' ')
		process->output_len--;
	for (size_t i = 0; i < process->output_len; i++)
		if ((unsigned char)process->output[i] < ' ' || process->output[i] == 0x7f)
			process->output[i] = ' ';
	if (process->output_len)
		(void)snprintf(err->text + used, sizeof(err->text) - used, ": %.*s",
			       (int)process->output_len, process->output);
}

static int judge(const struct container_hook *hook, int reason, const siginfo_t *end,
		 struct error *err)
{
	if (reason == -ETIMEDOUT)
		return error_invalid(err, "'%s' was still running after its timeout of %u s",
				     hook->path, hook->timeout_s);
	if (reason < 0)
		return error_set(err, -reason, "run '%s'", hook->path);
	if (end->si_code != CLD_EXITED)
		return error_invalid(err, "'%s' was ended by signal %d", hook->path,
				     end->si_status);
	if (end->si_status)
		return error_invalid(err, "'%s' ended with exit code %d", hook->path,
				     end->si_status);
	return 0;
}

static int finish_hook(struct hook_process *process, const struct container_hook *hook,
		       const struct hook_setting *setting, struct error *err)
{
	int reason = wait_for_end(process, hook, setting);
	siginfo_t end = { 0 };
	int r;

	/* Not reaped yet: its pid stays that of its process group. */
	if (!reason && waitid(P_PID, (id_t)process->pid, &end, WEXITED | WNOWAIT) < 0)
		reason = -errno;
	r = judge(hook, reason, &end, err);
	if (r < 0)
		kill_hook(process);
	reap(process);
	for (int i = 0; i < OUTPUT_ROUNDS && process->output_fd >= 0 && read_output(process); i++)
		continue;
	if (r < 0)
		quote_output(process, err);
	return r;
}

int hook_run(const struct container_hooks *hooks, enum container_hook_kind kind, size_t index,
	     const struct hook_setting *setting, struct error *err)
{
	const struct container_hook *hook = &hooks->lists[kind].items[index];
	struct hook_process process = { .pid_fd = -1, .output_fd = -1 };
	AUTO_CLOSE int output_fd = -1;
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, errno, "create a pipe");
	process.output_fd = fds[0];
	output_fd = fds[1];
	(void)fcntl(process.output_fd, F_SETFL, O_NONBLOCK);
	r = start_hook(hook, setting, output_fd, &process, err);
	fd_close(&output_fd);
	if (!r)
		r = finish_hook(&process, hook, setting, err);
	fd_close(&process.output_fd);
	fd_close(&process.pid_fd);
	return r < 0 ? error_prefix(err, "hooks.%s[%zu]", container_hook_name(kind), index) : 0;
}

int hooks_run(const struct container_hooks *hooks, enum container_hook_kind kind,
	      const struct hook_setting *setting, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < hooks->lists[kind].count; i++)
		r = hook_run(hooks, kind, i, setting, err);
	return r;
}
