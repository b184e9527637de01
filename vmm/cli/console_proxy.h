/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console_proxy.h - `run` and `exec` in the foreground: our terminal and signals for the workload's
 *
 * Bytes go both ways between our standard streams and the master of the container's pty, each way
 * through one small buffer: a program that does not read stops what is typed or pasted, and never
 * output, signals or sizes. Nothing here blocks, and the standard streams, which the caller shares
 * with us, are never made non-blocking.
 *
 * Our terminal is raw meanwhile (raw_terminal.h). It is given back on every way out: when @pid
 * ends, whatever ended it or the container, when an error ends us, and while SIGTSTP stops us.
 *
 * Thread: the command line's only one; signals are blocked (block_signals.h).
 */
#pragma once

#include <sys/types.h>

#include "vmm/cli/console.h"

/*
 * Relay until @pid, our child, has ended, and what it wrote until then is passed on. Signals from
 * @signal_fd go to @pid, but with a terminal of our own SIGTSTP and SIGCONT are for us, and
 * SIGWINCH is a size. When our output or our terminal goes away, @pty is hung up: the master is
 * closed. After the end of input that is no terminal it stays.
 *
 * A @pty without a master has nothing to relay: then there are only signals.
 *
 * Returns 0 with the wait status of @pid in *@ret_status; or a negative errno value when it could
 * not begin, with @pid still running, or had to give up.
 */
int console_proxy(struct console_pty *pty, pid_t pid, int signal_fd, int *ret_status,
		  struct error *err);
