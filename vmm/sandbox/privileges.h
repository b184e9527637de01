/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges.h - what a process gives up for good: users, capabilities, ways to more
 *
 * Thread: the process has one only; those that it makes later inherit all of this.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"

/*
 * Become user and group @id, without supplementary groups. The capabilities of a privileged caller
 * stay, for what has to be done on the way. A caller who is @id already only leaves its groups, if
 * it may.
 */
int privileges_become(uid_t id, struct error *err);

/*
 * Keep the capabilities in @kept (bit N: capability N) as far as the caller has them, and no other,
 * in no set; never get another one, from no file and no user id (no_new_privs, securebits); let
 * nobody of the same user look into this process, and no core file be written.
 */
int privileges_drop(uint64_t kept, struct error *err);

/* Overwrite the environment, which is the engine's and may hold its secrets. */
void privileges_forget_environment(void);
