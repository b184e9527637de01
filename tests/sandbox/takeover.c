/* SPDX-License-Identifier: Apache-2.0 */
/*
 * takeover.c - run code of an attacker's choice in one of bulkhead's sealed threads
 *
 * A library for LD_PRELOAD: the program is the one that is released, not a copy with a hook.
 *
 *   TAKEOVER_ROLE     the thread: event-loop, vcpu, file-server, container-process or
 *                     network-process
 *   TAKEOVER_ATTEMPT  a name of attempts.c: it is made by that very thread, when it has loaded its
 *                     filter and calls one of its everyday functions for the TAKEOVER_ROUND-th time
 *                     "each": all of them, each by a child that the thread has when it is about to
 *                     load its filter, and that loads this filter first
 *   TAKEOVER_FILTER   "off": no filter is loaded, to see what the rest of the sandbox holds
 *   TAKEOVER_REPORT   the file to which what comes of it is appended, a line each:
 *                     "NAME: done", "NAME: failed, ERRNO", "NAME: killed, SIGNAL"
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sandbox/attempts.h"

#define REPORT_FD 900

static char role[32], attempt[64];
static unsigned int rounds_left = 1;
static bool is_filtered = true;
static _Thread_local bool is_target; /* it has the role, and is sealed */

__attribute__((constructor)) static void begin(void)
{
	const char *report = getenv("TAKEOVER_REPORT"), *round = getenv("TAKEOVER_ROUND");
	const char *filter = getenv("TAKEOVER_FILTER");
	int fd = report ? open(report, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

	if (fd < 0 || dup2(fd, REPORT_FD) < 0)
		abort();
	(void)close(fd);
	(void)snprintf(role, sizeof(role), "%s", getenv("TAKEOVER_ROLE"));
	(void)snprintf(attempt, sizeof(attempt), "%s", getenv("TAKEOVER_ATTEMPT"));
	if (round)
		rounds_left = (unsigned int)strtoul(round, NULL, 10);
	is_filtered = !filter || strcmp(filter, "off") != 0;
}

static int load(const scmp_filter_ctx context)
{
	int (*original)(scmp_filter_ctx) =
		(int (*)(scmp_filter_ctx))(uintptr_t)dlsym(RTLD_NEXT, "seccomp_load");

	return is_filtered ? original(context) : 0;
}

/* By a call that the role has: a report must not be what it is killed for. */
static void report(const char *name, const char *what, const char *why)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s: %s%s%s\n", name, what, *why ? ", " : "", why);

	if (strcmp(role, "file-server") == 0)
		(void)!pwrite(REPORT_FD, line, (size_t)len, 0); /* appends, as the file says */
	else
		(void)!write(REPORT_FD, line, (size_t)len);
}

static void report_result(const char *name, int code)
{
	report(name, code ? "failed" : "done", code ? strerrorname_np(code) : "");
}

/* Every everyday function of a sealed thread comes here first. */
static void take_over(void)
{
	if (!is_target || !rounds_left || --rounds_left)
		return;
	for (const struct attempt *each = attempts; each->name; each++) {
		if (strcmp(attempt, each->name) != 0)
			continue;
		report(each->name, "begun", "");
		report_result(each->name, each->make());
	}
}

/* --- one child for each attempt --------------------------------------------------------------- */

/* Shared with the child, whose exit code would be one more call that it may not have. */
static volatile int *child_result;

/*
 * The filter itself, written down before: a child of one of several threads must not allocate, for
 * another thread may have held malloc's lock.
 */
static struct sock_fprog program;

static void write_program_down(const scmp_filter_ctx context)
{
	static struct sock_filter instructions[4096];
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0 && seccomp_export_bpf(context, fd) == 0)
		len = pread(fd, instructions, sizeof(instructions), 0);
	if (len <= 0 || len == (ssize_t)sizeof(instructions))
		abort();
	(void)close(fd);
	program.len = (unsigned short)((size_t)len / sizeof(instructions[0]));
	program.filter = instructions;
}

static void try_in_child(const struct attempt *chosen)
{
	int status;
	pid_t pid;

	*child_result = -1;
	/* Its end is no SIGCHLD, upon which the container process looks for its own children. */
	pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0) {
		if (!is_filtered || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
			*child_result = chosen->make();
		for (;;)
			(void)syscall(SYS_exit, 0);
	}
	if (pid < 0 || waitpid(pid, &status, (int)__WCLONE) != pid)
		report(chosen->name, "not tried", strerrorname_np(errno));
	else if (*child_result >= 0)
		report_result(chosen->name, *child_result);
	else if (WIFSIGNALED(status))
		report(chosen->name, "killed", sigabbrev_np(WTERMSIG(status)));
	else
		report(chosen->name, "not tried", "");
}

/* Which of the five this thread is, by the name that it has given itself. */
static bool is_role(void)
{
	static const char *const names[][2] = {
		{ "monitor", "event-loop" },	  { "vcpu0", "vcpu" },
		{ "file-server", "file-server" }, { "container", "container-process" },
		{ "network", "network-process" },
	};
	char name[16] = "";

	(void)prctl(PR_GET_NAME, name);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i][0]) == 0)
			return strcmp(role, names[i][1]) == 0;
	return false;
}

static void try_each(const scmp_filter_ctx context)
{
	child_result = mmap(NULL, sizeof(*child_result), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	write_program_down(context);
	for (const struct attempt *each = attempts; each->name; each++)
		try_in_child(each);
}

/* --- functions of the C library and of libseccomp that stand before theirs -------------------- */

int seccomp_load(const scmp_filter_ctx context)
{
	bool has_role = is_role();
	int r;

	if (has_role && strcmp(attempt, "each") == 0)
		try_each(context);
	r = load(context);
	is_target = r == 0 && has_role;
	return r;
}

/* The report stays open. */
int close_range(unsigned int first, unsigned int last, int flags)
{
	if (first > REPORT_FD || last < REPORT_FD)
		return (int)syscall(SYS_close_range, first, last, flags);
	if (first < REPORT_FD && syscall(SYS_close_range, first, REPORT_FD - 1, flags) < 0)
		return -1;
	return last > REPORT_FD ? (int)syscall(SYS_close_range, REPORT_FD + 1, last, flags) : 0;
}

int epoll_wait(int fd, struct epoll_event *events, int nr, int timeout)
{
	take_over();
	return (int)syscall(SYS_epoll_wait, fd, events, nr, timeout);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	take_over();
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
	take_over();
	return syscall(SYS_recvfrom, fd, data, len, flags, NULL, NULL);
}

int poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	take_over();
	return (int)syscall(SYS_poll, fds, nr, timeout);
}
