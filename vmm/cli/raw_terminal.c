/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/raw_terminal.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void unblock(int signal, sigset_t *ret_before)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, ret_before);
}

static bool is_in_background(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group > 0 && group != getpgrp();
}

void raw_terminal_init(struct raw_terminal *terminal, int fd)
{
	*terminal = (struct raw_terminal){ .fd = isatty(fd) ? fd : -1 };
	if (terminal->fd < 0)
		return;
	unblock(SIGTTIN, NULL);
	unblock(SIGTTOU, NULL);
}

bool raw_terminal_exists(const struct raw_terminal *terminal)
{
	return terminal->fd >= 0;
}

void raw_terminal_enter(struct raw_terminal *terminal)
{
	struct termios raw;

	/*
	 * Restart output, which nobody has suspended: in the background this stops us until we are
	 * in the foreground, and only there is what we find worth saving.
	 */
	if (terminal->fd < 0 || ioctl(terminal->fd, TCXONC, TCOON) < 0)
		return;
	if (!terminal->is_raw && tcgetattr(terminal->fd, &terminal->saved) < 0)
		return;
	raw = terminal->saved;
	cfmakeraw(&raw);
	if (tcsetattr(terminal->fd, TCSANOW, &raw) == 0)
		terminal->is_raw = true;
}

void raw_terminal_leave(struct raw_terminal *terminal)
{
	if (terminal->is_raw && !is_in_background(terminal->fd))
		(void)tcsetattr(terminal->fd, TCSANOW, &terminal->saved);
	terminal->is_raw = false;
}

void raw_terminal_suspend(struct raw_terminal *terminal)
{
	sigset_t before;

	raw_terminal_leave(terminal);
	(void)kill(getpid(), SIGTSTP);
	unblock(SIGTSTP, &before); /* here we stand still */
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	raw_terminal_enter(terminal);
}
