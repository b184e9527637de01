/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_hooks.h - the programs that config.json wants run at points of a container's life
 *
 * Trust: config.json is the host administrator's; what a hook does is his business.
 * Spec:  config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle" and "State".
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/text_list.h"

/* In the order in which they run. */
enum container_hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	CONTAINER_NR_HOOK_KINDS,
};

struct container_hook {
	char *path;		/* absolute */
	struct text_list args;	/* at least one: the path when none are given */
	struct text_list env;	/* all of the environment, perhaps nothing */
	unsigned int timeout_s; /* 0: none */
};

struct container_hook_list {
	struct container_hook *items;
	size_t count;
};

/* All zeros: no hooks. */
struct container_hooks {
	struct container_hook_list lists[CONTAINER_NR_HOOK_KINDS];
};

/* "prestart", "createRuntime", …: static text. */
const char *container_hook_name(enum container_hook_kind kind);

/*
 * Load only the hooks from the config.json in the directory @dir_fd, as it is kept for a container
 * since its creation. On success container_hooks_clear() releases what *@ret holds.
 */
int container_hooks_load(int dir_fd, struct container_hooks *ret, struct error *err);

void container_hooks_clear(struct container_hooks *hooks);

/*
 * The container's state as a hook reads it on its standard input. @pid 0 stands for no process and
 * is left out, as the specification has it for a stopped container; @annotations may be NULL. The
 * result is the caller's; NULL without memory.
 */
json_t *container_hook_state(const char *id, enum container_status status, pid_t pid,
			     const char *bundle, json_t *annotations);

/* The same as heap text. */
char *container_hook_state_text(const char *id, enum container_status status, pid_t pid,
				const char *bundle, json_t *annotations);
