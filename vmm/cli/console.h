/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - the host side of a container's terminal: a pty whose slave the monitor relays
 *
 * The guest has the real terminal with its line discipline; the host's pty is raw and only
 * carries bytes and window sizes.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"

struct console_pty {
	int master_fd, slave_fd; /* -1 once given away */
};

/* Make a raw pty of @rows by @columns characters (0: leave unset). */
int console_pty_open(struct console_pty *ret_pty, uint16_t rows, uint16_t columns,
		     struct error *err);
void console_pty_close(struct console_pty *pty);

/* Send the master, one descriptor, to the Unix socket at @socket_path, as engines expect it. */
int console_pty_send(const struct console_pty *pty, const char *socket_path, struct error *err);

/*
 * Put the size of our caller's terminal, the first of the standard streams that is one with a size,
 * into *@rows and *@columns; without any they keep what they hold.
 */
void console_size(uint16_t *rows, uint16_t *columns);

/* Give the pty that size, of which the monitor hears. Nothing happens without a master. */
void console_pty_resize(const struct console_pty *pty);
