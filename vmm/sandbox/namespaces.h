/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.h - a world of its own for a process: nothing in it, nobody else in it */
#pragma once

#include <sys/types.h>

#include "vmm/base/error.h"

/*
 * fork() into a new pid namespace, whose first process the child is; the caller and its later
 * children stay where they are. Needs CAP_SYS_ADMIN and /proc. Returns like fork(), or a negative
 * errno value.
 */
pid_t namespaces_fork(struct error *err);

/* Exchange the root for the directory @root_fd, a mount, and drop the old root's tree. */
int namespaces_change_root(int root_fd, struct error *err);

/*
 * Enter new namespaces of every kind but pid, with an empty read-only root. The user namespace
 * has nobody but the caller's effective user and group in it. Where the kernel has none to give it
 * is left out, and then this takes CAP_SYS_ADMIN.
 *
 * Thread: the process has one only.
 */
int namespaces_enter_empty(struct error *err);

/* The same, but for the user and network namespaces, which stay. Takes CAP_SYS_ADMIN. */
int namespaces_enter_empty_but_network(struct error *err);
