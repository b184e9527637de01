/* SPDX-License-Identifier: Apache-2.0 */
/* test_signals.c - which signals wait to be read, and which strike */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/base/signals.h"

static bool is_blocked(int number)
{
	sigset_t set;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, number);
}

static void test_block(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct error err;

	is_int(signals_block(&err), 0);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		ok(!is_blocked(faults[i]));
	ok(is_blocked(SIGTERM) && is_blocked(SIGHUP) && is_blocked(SIGPIPE) &&
	   is_blocked(SIGCHLD) && is_blocked(SIGRTMAX));
}

/* The number of the signal that is read; -1 without one. */
static int read_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : -1;
}

static void test_open(void)
{
	struct error err;
	int fd = signals_open(false, &err);
	int with_children = signals_open(true, &err);

	ok(fd >= 0 && with_children >= 0);
	is_int(read_signal(fd), -1);
	is_int(errno, EAGAIN);
	(void)kill(getpid(), SIGUSR2);
	is_int(read_signal(fd), SIGUSR2);
	is_int(read_signal(with_children), -1);
	(void)kill(getpid(), SIGCHLD);
	(void)kill(getpid(), SIGPIPE);
	is_int(read_signal(fd), -1);
	is_int(read_signal(with_children), SIGCHLD);
	is_int(read_signal(with_children), -1);
	(void)close(fd);
	(void)close(with_children);
}

int main(void)
{
	test_block();
	test_open();
	return tap_done();
}
