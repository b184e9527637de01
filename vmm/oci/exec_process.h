/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_process.h - the process of `exec` when it is described by options: the container's own, with
 * another program
 *
 * Thread: any. Trust: options and the saved config.json are the administrator's.
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/container_state.h"

/* What differs from the container's process; all borrowed. */
struct exec_options {
	char *const *args; /* at least one */
	int nr_args;
	const char *cwd;      /* NULL: the container's */
	const char *user;     /* "UID" or "UID:GID"; NULL: the container's */
	struct text_list env; /* NAME=VALUE, after the container's */
	/* Numbers, perhaps several with commas; instead of the container's. */
	struct text_list additional_gids;
	struct text_list capabilities; /* "CAP_…", added to bounding, effective and permitted */
	bool has_terminal;
	bool no_new_privileges; /* in any case; else as the container */
};

/*
 * Fill @ret, which container_process_clear() releases, from the saved config.json of @state
 * and the options.
 */
int exec_process_make(const struct container_state *state, const struct exec_options *options,
		      struct container_process *ret, struct error *err);
