/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pseudo_terminal.h - the terminal of a process, from the container's own /dev/pts
 *
 * The terminal must come from there for its name (/dev/pts/0) to mean something to the process.
 */
#pragma once

#include <stdint.h>

#include "guest-init/failure.h"

struct pseudo_terminal {
	int master_fd;
	int slave_fd;
};

/*
 * Open a terminal from the devpts mounted below @root_fd, its slave owned by @uid, of the given
 * size (0: not given).
 */
int pseudo_terminal_open(struct pseudo_terminal *terminal, int root_fd, uint32_t uid, uint32_t rows,
			 uint32_t columns, struct failure *err);

/* Make the slave /dev/console of the container. */
int pseudo_terminal_bind_console(const struct pseudo_terminal *terminal, int root_fd,
				 struct failure *err);

/* Tell the terminal, and so its foreground process group, the size of its window. */
int pseudo_terminal_resize(int master_fd, uint32_t rows, uint32_t columns);
