/* SPDX-License-Identifier: Apache-2.0 */
/* test_console_proxy.c - `run` in the foreground: bytes, sizes, signals, job control, raw mode */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/cli/block_signals.h"
#include "vmm/cli/console_proxy.h"

#define PATIENCE_MS 20000
#define PASTE_SIZE (1 << 20)
#define NR_PIECES 1400 /* of ten bytes: more than a pipe holds, and less than with a pty */

static struct error err;
static char bytes[PASTE_SIZE + 1];

/* --- the workload, at the other end of the container's pty ----------------------------------- */

typedef void workload_fn(void);

static void greet(void)
{
	(void)!write(STDOUT_FILENO, "hello\n", 6);
}

/* Take one line and answer. */
static void converse(void)
{
	char line[16];
	ssize_t n;

	greet();
	n = read(STDIN_FILENO, line, sizeof(line));
	if (n > 0)
		(void)!write(STDOUT_FILENO, line, (size_t)n);
	_exit(n == 4 && memcmp(line, "keys", 4) == 0 ? 42 : 1);
}

static void wait_for_signal(void)
{
	greet();
	(void)pause();
}

static void write_much(void)
{
	greet();
	for (unsigned int i = 0; i < NR_PIECES; i++)
		(void)!write(STDOUT_FILENO, "0123456789", 10);
	_exit(3);
}

static void write_for_ever(void)
{
	while (write(STDOUT_FILENO, "more\n", 5) > 0)
		continue;
}

static void greet_for_ever(void)
{
	greet();
	write_for_ever();
}

/* Never reads, and says more once it was told to. */
static void greet_and_await(int signal)
{
	sigset_t told;

	(void)sigemptyset(&told);
	(void)sigaddset(&told, signal);
	(void)sigprocmask(SIG_BLOCK, &told, NULL);
	greet();
	(void)sigwait(&told, &signal);
}

static void never_read(void)
{
	greet_and_await(SIGUSR1);
	(void)!write(STDOUT_FILENO, "still here\n", 11);
	(void)pause();
}

/* Reads slowly, and ends with whether the bytes are those of the paste. */
static void read_slowly(void)
{
	size_t done = 0;
	ssize_t n;

	greet();
	while (done < PASTE_SIZE && (n = read(STDIN_FILENO, bytes, 999)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != (char)('a' + (done + (size_t)i) % 26))
				_exit(1);
		done += (size_t)n;
		if (done % 16 == 0)
			(void)usleep(100);
	}
	_exit(done == PASTE_SIZE ? 7 : 2);
}

/* Ends, and leaves somebody behind who writes until nobody reads. */
static void leave_a_writer(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)ioctl(STDIN_FILENO, TIOCNOTTY);
	greet();
	if (fork() == 0)
		write_for_ever();
	_exit(4);
}

static void show_size(void)
{
	struct winsize size;
	char text[32];

	greet_and_await(SIGWINCH);
	(void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	(void)!write(STDOUT_FILENO, text,
		     (size_t)snprintf(text, sizeof(text), "%d %d\n", size.ws_row, size.ws_col));
	_exit(0);
}

static _Noreturn void run_workload(const struct console_pty *pty, workload_fn *workload)
{
	sigset_t none;
	int slave = pty->slave_fd;

	(void)setsid();
	(void)ioctl(slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(slave, fd);
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(PATIENCE_MS / 1000);
	workload();
	_exit(0);
}

/* --- `run`, whose standard streams are set --------------------------------------------------- */

/* Ends as the workload ended. */
static _Noreturn void run(workload_fn *workload)
{
	struct console_pty pty;
	int signal_fd, status;
	pid_t pid;

	(void)alarm(2 * PATIENCE_MS / 1000);
	if (block_signals(&signal_fd, &err) < 0 || console_pty_open(&pty, 24, 80, &err) < 0)
		_exit(99);
	pid = fork();
	if (pid == 0)
		run_workload(&pty, workload);
	fd_close(&pty.slave_fd);
	if (console_proxy(&pty, pid, signal_fd, &status, &err) < 0)
		_exit(98);
	_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* --- the user, at a terminal, with a shell --------------------------------------------------- */

struct user {
	int terminal;	    /* the master: what is typed and seen */
	int slave;	    /* the description that run's standard streams share */
	int output;	    /* read end of run's output, when that is a pipe */
	int events, orders; /* from and to the shell */
	pid_t shell, run;
};

/* Start run as the foreground job, say what becomes of it, and do as we are told. */
static _Noreturn void shell(const struct user *user, int output, int events, int orders,
			    workload_fn *workload)
{
	int status;
	pid_t job;
	char order;

	(void)setsid();
	(void)ioctl(user->slave, TIOCSCTTY, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	job = fork();
	if (job == 0) {
		(void)setpgid(0, 0);
		(void)tcsetpgrp(user->slave, getpgrp());
		(void)signal(SIGTTOU, SIG_DFL);
		(void)signal(SIGHUP, SIG_DFL);
		(void)dup2(user->slave, STDIN_FILENO);
		(void)dup2(output < 0 ? user->slave : output, STDOUT_FILENO);
		(void)close(user->terminal);
		(void)close(user->slave);
		(void)close(output);
		run(workload);
	}
	(void)close(user->terminal);
	(void)close(output);
	(void)!write(events, &job, sizeof(job));
	while (waitpid(job, &status, WUNTRACED) == job) {
		(void)tcsetpgrp(user->slave, getpgrp());
		(void)!write(events, &status, sizeof(status));
		if (!WIFSTOPPED(status) || read(orders, &order, 1) != 1)
			break;
		if (order == 'f')
			(void)tcsetpgrp(user->slave, job);
		(void)kill(-job, SIGCONT);
	}
	_exit(0);
}

static void start(struct user *user, workload_fn *workload, bool has_pipe)
{
	int events[2], orders[2], output[2] = { -1, -1 };

	ok(openpty(&user->terminal, &user->slave, NULL, NULL, NULL) == 0);
	ok(pipe2(events, O_CLOEXEC) == 0 && pipe2(orders, O_CLOEXEC) == 0);
	if (has_pipe)
		ok(pipe2(output, O_CLOEXEC) == 0 && fcntl(output[1], F_SETPIPE_SZ, 4096) > 0);
	(void)fflush(stdout);
	user->shell = fork();
	if (user->shell == 0) {
		(void)close(output[0]);
		shell(user, output[1], events[1], orders[0], workload);
	}
	(void)close(events[1]);
	(void)close(orders[0]);
	if (has_pipe)
		(void)close(output[1]);
	user->events = events[0];
	user->orders = orders[1];
	user->output = output[0];
	ok(read(user->events, &user->run, sizeof(user->run)) == (ssize_t)sizeof(user->run));
}

/* What the shell hears next about run. */
static int next_status(const struct user *user)
{
	struct pollfd pollfd = { .fd = user->events, .events = POLLIN };
	int status = -1;

	if (poll(&pollfd, 1, PATIENCE_MS) == 1)
		(void)!read(user->events, &status, sizeof(status));
	return status;
}

static bool is_raw(const struct user *user)
{
	struct termios attributes;

	return tcgetattr(user->slave, &attributes) == 0 && !(attributes.c_lflag & ICANON) &&
	       !(attributes.c_iflag & ICRNL) && !(attributes.c_oflag & OPOST);
}

static bool becomes_raw(const struct user *user)
{
	for (unsigned int i = 0; i < PATIENCE_MS / 10 && !is_raw(user); i++)
		(void)usleep(10000);
	return is_raw(user);
}

/* Whether @text is what is seen next, white space aside. */
static bool sees(const struct user *user, const char *text)
{
	int fd = user->output < 0 ? user->terminal : user->output;
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	while (*text) {
		char c = 0;

		if (poll(&pollfd, 1, PATIENCE_MS) != 1 || read(fd, &c, 1) != 1)
			return false;
		if (c == '\r' || (c == '\n' && *text != '\n'))
			continue;
		if (c != *text++)
			return false;
	}
	return true;
}

/* Take what comes, whatever it is, until the shell hears something. */
static void look_away(const struct user *user)
{
	struct pollfd pollfds[] = { { .fd = user->events, .events = POLLIN },
				    { .fd = user->terminal, .events = POLLIN } };

	while (poll(pollfds, 2, PATIENCE_MS) > 0 && !pollfds[0].revents)
		(void)!read(user->terminal, bytes, sizeof(bytes));
}

/* run ends with @code, and the user has a terminal as before, which the shell can read from. */
static void check_end(struct user *user, int code)
{
	int status = next_status(user);

	ok(WIFEXITED(status));
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code);
	if (user->terminal >= 0) {
		ok(!is_raw(user));
		is_int(fcntl(user->slave, F_GETFL) & O_NONBLOCK, 0);
		(void)close(user->terminal);
	}
	(void)close(user->slave);
	(void)close(user->events);
	(void)close(user->orders);
	if (user->output >= 0)
		(void)close(user->output);
	ok(waitpid(user->shell, NULL, 0) == user->shell);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_conversation(void)
{
	struct user user;

	start(&user, converse, false);
	ok(sees(&user, "hello\n"));
	ok(becomes_raw(&user));
	is_int(fcntl(user.slave, F_GETFL) & O_NONBLOCK, 0);
	ok(write(user.terminal, "keys", 4) == 4);
	ok(sees(&user, "keys"));
	check_end(&user, 42);
}

/* What ends the workload comes from us, is passed on by run, or comes from elsewhere. */
static void test_signals(void)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR2 };
	struct user user;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		start(&user, wait_for_signal, false);
		ok(sees(&user, "hello\n") && becomes_raw(&user));
		ok(kill(user.run, signals[i]) == 0);
		check_end(&user, 128 + signals[i]);
	}
}

static pid_t child_of(pid_t parent)
{
	char path[64], text[32] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

static bool has_no_child(pid_t parent)
{
	for (unsigned int i = 0; i < PATIENCE_MS / 10 && child_of(parent) > 0; i++)
		(void)usleep(10000);
	return child_of(parent) <= 0;
}

static void test_killed_workload(void)
{
	struct user user;

	start(&user, wait_for_signal, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	ok(kill(child_of(user.run), SIGKILL) == 0);
	check_end(&user, 128 + SIGKILL);
}

/* Paste until nobody takes it for a while. Returns what was taken. */
static size_t paste(const struct user *user)
{
	struct pollfd pollfd = { .fd = user->terminal, .events = POLLOUT };
	size_t done = 0;

	for (size_t i = 0; i < PASTE_SIZE; i++)
		bytes[i] = (char)('a' + i % 26);
	(void)fcntl(user->terminal, F_SETFL, O_RDWR | O_NONBLOCK);
	while (done < PASTE_SIZE && poll(&pollfd, 1, 2000) == 1) {
		ssize_t n = write(user->terminal, bytes + done, PASTE_SIZE - done);

		if (n < 0 && errno != EAGAIN)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	(void)fcntl(user->terminal, F_SETFL, O_RDWR);
	return done;
}

/* Class: a paste into a program that does not read stops everything. */
static void test_paste_unread(void)
{
	struct user user;

	start(&user, never_read, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	ok(paste(&user) < PASTE_SIZE);
	ok(kill(user.run, SIGUSR1) == 0);
	ok(sees(&user, "still here\n"));
	is_int(fcntl(user.slave, F_GETFL) & O_NONBLOCK, 0);
	ok(kill(user.run, SIGTERM) == 0);
	check_end(&user, 128 + SIGTERM);
}

static void test_paste_read(void)
{
	struct user user;

	start(&user, read_slowly, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	is_int(paste(&user), PASTE_SIZE);
	check_end(&user, 7);
}

static void test_stop(void)
{
	struct user user;
	int status;

	start(&user, converse, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	ok(kill(user.run, SIGTSTP) == 0);
	status = next_status(&user);
	ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	ok(!is_raw(&user));
	/* In the background it would take the terminal from the shell: it waits. */
	ok(write(user.orders, "b", 1) == 1);
	status = next_status(&user);
	ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
	ok(!is_raw(&user));
	ok(write(user.orders, "f", 1) == 1);
	ok(becomes_raw(&user));
	/* Stopped by SIGSTOP it could do nothing; the shell may have changed the terminal. */
	ok(kill(user.run, SIGSTOP) == 0);
	status = next_status(&user);
	ok(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	ok(write(user.orders, "f", 1) == 1);
	ok(becomes_raw(&user));
	ok(write(user.terminal, "keys", 4) == 4);
	ok(sees(&user, "keys"));
	check_end(&user, 42);
}

static void test_size(void)
{
	const struct winsize size = { .ws_row = 33, .ws_col = 111 };
	struct user user;

	start(&user, show_size, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	ok(ioctl(user.terminal, TIOCSWINSZ, &size) == 0);
	ok(sees(&user, "33 111\n"));
	check_end(&user, 0);
}

/* The workload's terminal hangs up with what stands behind it. */
static void test_hang_up(void)
{
	struct user user;

	start(&user, wait_for_signal, false);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	(void)close(user.terminal);
	user.terminal = -1;
	check_end(&user, 128 + SIGHUP);

	start(&user, greet_for_ever, true);
	ok(sees(&user, "hello\n") && becomes_raw(&user));
	(void)close(user.output);
	user.output = -1;
	check_end(&user, 128 + SIGHUP);
}

static void test_last_words(void)
{
	struct user user;

	start(&user, write_much, true);
	ok(sees(&user, "hello\n"));
	ok(has_no_child(user.run));
	for (unsigned int i = 0; i < NR_PIECES; i++)
		if (!sees(&user, "0123456789")) {
			is_int(i, NR_PIECES);
			break;
		}
	check_end(&user, 3);

	/* Nobody takes them: there is a way out. */
	start(&user, write_much, true);
	ok(sees(&user, "hello\n"));
	ok(has_no_child(user.run));
	ok(kill(user.run, SIGTERM) == 0);
	check_end(&user, 3);

	/* Class: what is left behind keeps run alive. */
	start(&user, leave_a_writer, false);
	ok(sees(&user, "hello\n"));
	look_away(&user);
	check_end(&user, 4);
}

/* --- without a terminal of our own ----------------------------------------------------------- */

static void check_pipes(int signal, int code)
{
	int input[2], output[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	ok(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(input[0], STDIN_FILENO);
		(void)dup2(output[1], STDOUT_FILENO);
		run(converse);
	}
	(void)close(input[0]);
	(void)close(output[1]);
	while (len < 6 && (n = read(output[0], bytes + len, 6 - len)) > 0)
		len += (size_t)n;
	ok(len == 6 && memcmp(bytes, "hello\n", 6) == 0);
	if (signal)
		ok(kill(pid, signal) == 0);
	else
		ok(write(input[1], "keys", 4) == 4);
	is_int(read(output[0], bytes, sizeof(bytes)), signal ? 0 : 4);
	ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	is_int(WEXITSTATUS(status), code);
	(void)close(input[1]);
	(void)close(output[0]);
}

int main(void)
{
	(void)alarm(300);
	test_conversation();
	test_signals();
	test_killed_workload();
	test_paste_unread();
	test_paste_read();
	test_stop();
	test_size();
	test_hang_up();
	test_last_words();
	check_pipes(0, 42);
	check_pipes(SIGTERM, 128 + SIGTERM);
	return tap_done();
}
