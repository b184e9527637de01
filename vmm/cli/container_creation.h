/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_creation.h - what `create` and `run` share: from a bundle to a container that waits
 * for its start
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/console.h"
#include "vmm/container/launch.h"
#include "vmm/container/user_network.h"
#include "vmm/oci/container_state.h"

struct creation_options {
	const char *id;
	const char *bundle;	    /* NULL: the working directory */
	const char *config;	    /* NULL: the bundle's config.json */
	const char *pid_file;	    /* NULL: none */
	const char *console_socket; /* NULL: none */
	const char *pidfd_socket;   /* NULL: none */
	int preserved_fds;	    /* number of --preserve-fds */
	struct user_network user_network;
	bool is_foreground; /* the caller stays; it may be the terminal itself */
};

struct creation {
	struct container_state *state; /* locked */
	struct launch launch;
	struct console_pty pty; /* the master, when the caller is the terminal */
	int signal_fd;		/* every signal, blocked from before the container existed */
};

/*
 * Create the container and commit it: recorded, pid file written. On failure nothing is left. On
 * success the caller releases *@ret with creation_end().
 */
int creation_run(const struct global_options *globals, const struct creation_options *options,
		 struct creation *ret, struct error *err);
void creation_end(struct creation *creation);
