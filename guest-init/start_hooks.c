/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/start_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/process_filter.h"
#include "guest-init/scope.h"

/*
 * The seccomp filter may be in force already, and knows nothing of what happens here. So this keeps
 * to calls that every program makes: no pidfd, no signalfd. A hook that ends closes the pipe it
 * writes to and is noticed at once; when something that it left behind still holds that pipe, its
 * end is noticed with the next tick.
 */
#define TICK_MS 20
#define OUTPUT_SIZE 512 /* of what a hook prints, the end */
#define OUTPUT_ROUNDS 64
#define EXIT_NOT_EXECUTED 127

struct start_hook_run {
	pid_t pid;
	int output_fd; /* -1 at its end */
	int error_fd;  /* an errno value when the program was not executed */
	char output[OUTPUT_SIZE];
	size_t output_len;
};

int start_hooks_prepare(const struct container_plan *plan, int *ret_fd, struct failure *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!plan->nr_start_hooks)
		return 0;
	if (json_object_set_new(plan->hook_state, "pid", json_integer(getpid())) == 0)
		text = json_dumps(plan->hook_state, JSON_COMPACT);
	if (!text)
		return failure_set(err, ENOMEM, "hooks.startContainer");
	fd = memfd_create("state", MFD_CLOEXEC);
	len = strlen(text);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return failure_set(err, errno, "hooks.startContainer: write the state");
	*ret_fd = fd_take(&fd);
	return 0;
}

static _Noreturn void start_hook_exec(const struct container_plan *plan,
				      const struct plan_hook *hook, int state_fd, int output_fd,
				      int error_fd)
{
	struct failure err = { .code = 0 };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)setsid(); /* a process group to kill, and no terminal */
	if (lseek(state_fd, 0, SEEK_SET) < 0 || dup2(state_fd, STDIN_FILENO) < 0 ||
	    dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0)
		err.code = errno;
	else if (!plan->process.no_new_privileges || !process_filter_install(&plan->process, &err))
		(void)execve(hook->path, hook->args.items, hook->env.items);
	if (!err.code)
		err.code = errno;
	(void)!write(error_fd, &err.code, sizeof(err.code));
	_exit(EXIT_NOT_EXECUTED);
}

/* Keep the end of what the hook prints. Returns false when there is no more for now. */
static bool start_hook_read(struct start_hook_run *run)
{
	char piece[OUTPUT_SIZE];
	ssize_t n = read(run->output_fd, piece, sizeof(piece));
	size_t kept = run->output_len;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(&run->output_fd);
	if (n <= 0)
		return false;
	if (kept > sizeof(run->output) - (size_t)n)
		kept = sizeof(run->output) - (size_t)n;
	memmove(run->output, run->output + run->output_len - kept, kept);
	memcpy(run->output + kept, piece, (size_t)n);
	run->output_len = kept + (size_t)n;
	return true;
}

static int64_t start_hook_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns 0 with the status, or -ETIMEDOUT when the hook had to be killed. */
static int start_hook_wait(struct start_hook_run *run, uint32_t timeout_s, int *ret_status)
{
	int64_t deadline_ms = start_hook_now_ms() + (int64_t)timeout_s * 1000;
	int r = 0;

	while (waitpid(run->pid, ret_status, WNOHANG) == 0) {
		struct pollfd pollfd = { .fd = run->output_fd, .events = POLLIN };

		if (timeout_s && start_hook_now_ms() >= deadline_ms) {
			(void)kill(-run->pid, SIGKILL);
			(void)kill(run->pid, SIGKILL);
			(void)waitpid(run->pid, ret_status, 0);
			r = -ETIMEDOUT;
			break;
		}
		if (poll(&pollfd, 1, TICK_MS) > 0)
			(void)start_hook_read(run);
	}
	for (int i = 0; i < OUTPUT_ROUNDS && run->output_fd >= 0 && start_hook_read(run); i++)
		;
	return r;
}

/* Put ": <the end of what the hook printed>", as a part of one line, behind the sentence. */
static void start_hook_quote(struct start_hook_run *run, struct failure *err)
{
	size_t used = strlen(err->text);

	while (run->output_len && (unsigned char)run->output[run->output_len - 1] <= ' ')
		run->output_len--;
	for (size_t i = 0; i < run->output_len; i++)
		if ((unsigned char)run->output[i] < ' ' || run->output[i] == 0x7f)
			run->output[i] = ' ';
	if (run->output_len)
		(void)snprintf(err->text + used, sizeof(err->text) - used, ": %.*s",
			       (int)run->output_len, run->output);
}

static int start_hook_finish(struct start_hook_run *run, const struct plan_hook *hook,
			     struct failure *err)
{
	int status = 0;
	int code = 0;
	bool is_executed = read(run->error_fd, &code, sizeof(code)) != sizeof(code);
	int r = start_hook_wait(run, is_executed ? hook->timeout_s : 0, &status);

	if (!is_executed)
		return failure_set(err, code, "execute \"%s\"", hook->path);
	if (r)
		(void)failure_invalid(err, "\"%s\" was still running after its timeout of %u s",
				      hook->path, hook->timeout_s);
	else if (WIFSIGNALED(status))
		(void)failure_invalid(err, "\"%s\" was ended by signal %d", hook->path,
				      WTERMSIG(status));
	else if (WEXITSTATUS(status))
		(void)failure_invalid(err, "\"%s\" ended with exit code %d", hook->path,
				      WEXITSTATUS(status));
	else
		return 0;
	start_hook_quote(run, err);
	return -err->code;
}

static int start_hook_run(const struct container_plan *plan, const struct plan_hook *hook,
			  int state_fd, struct failure *err)
{
	struct start_hook_run run = { .output_fd = -1, .error_fd = -1 };
	int output[2] = { -1, -1 };
	int error[2] = { -1, -1 };
	int r;

	if (pipe2(output, O_CLOEXEC) || fcntl(output[0], F_SETFL, O_NONBLOCK) ||
	    pipe2(error, O_CLOEXEC)) {
		r = failure_set(err, errno, "create a pipe");
		goto out;
	}
	run.pid = fork();
	if (!run.pid)
		start_hook_exec(plan, hook, state_fd, output[1], error[1]);
	r = run.pid < 0 ? failure_set(err, errno, "fork") : 0;
	fd_close(&output[1]);
	fd_close(&error[1]);
	run.output_fd = fd_take(&output[0]);
	run.error_fd = error[0];
	if (!r)
		r = start_hook_finish(&run, hook, err);
	fd_close(&run.output_fd);
out:
	for (int i = 0; i < 2; i++) {
		fd_close(&output[i]);
		fd_close(&error[i]);
	}
	return r;
}

int start_hooks_run(const struct container_plan *plan, int state_fd, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_start_hooks; i++)
		if (start_hook_run(plan, &plan->start_hooks[i], state_fd, err))
			return failure_prefix(err, "hooks.startContainer[%zu]", i);
	return 0;
}
