/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_terminal.h - our own terminal, lent to a program that has a line discipline of its own
 *
 * What is typed has to reach the guest as it is, so the terminal is raw meanwhile; whoever else
 * uses it (the shell that started us) gets it back as it was, also while we are stopped. Only
 * SIGKILL of ourselves leaves it raw, since nothing runs then: `stty sane` or `reset` helps.
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <stdbool.h>
#include <termios.h>

struct raw_terminal {
	int fd; /* -1: there is none; not ours to close */
	bool is_raw;
	struct termios saved; /* while it is raw */
};

/*
 * Prepare to borrow the terminal behind @fd, if it is one. From now on SIGTTIN and SIGTTOU are not
 * blocked: in the background the use of the terminal stops us, as it should.
 */
void raw_terminal_init(struct raw_terminal *terminal, int fd);

bool raw_terminal_exists(const struct raw_terminal *terminal);

/* Make it raw, also again after somebody else has changed it. May stop us until the foreground. */
void raw_terminal_enter(struct raw_terminal *terminal);

/* Give it back as it was found. In the background it is somebody else's, and is left alone. */
void raw_terminal_leave(struct raw_terminal *terminal);

/*
 * Stop as SIGTSTP, which is blocked, would have stopped us; the terminal is as it was found
 * meanwhile. Returns after SIGCONT, or at once where no shell is there that could send it.
 */
void raw_terminal_suspend(struct raw_terminal *terminal);
