/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.h - a world of its own for a process: nothing in it, nobody else in it */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/base/error.h"

/*
 * fork() into a new pid namespace, whose first process the child is; the caller and its later
 * children stay where they are. Needs CAP_SYS_ADMIN and /proc. Returns like fork(), or a negative
 * errno value.
 */
pid_t namespaces_fork(struct error *err);

/*
 * The same with an empty network namespace for the child, which the descriptor *@ret_network_fd
 * keeps until it is closed. Should the namespace end with the child, then the kernel would take it
 * apart while the child's last files are closed, and both wait for the same lock.
 */
pid_t namespaces_fork_offline(int *ret_network_fd, struct error *err);

/*
 * namespaces_fork() into the control group (version 2) whose directory @cgroup_fd is: born there
 * the child need not be moved, for which the kernel waits some milliseconds. *@ret_is_inside says
 * whether the child is there; it is not where the kernel refuses, or @cgroup_fd is negative.
 *
 * Thread: the process has one only. The C library does not know of the child, which must not ask it
 * for the thread's own number.
 */
pid_t namespaces_fork_into(int cgroup_fd, bool *ret_is_inside, struct error *err);

/* Exchange the root for the directory @root_fd, a mount, and drop the old root's tree. */
int namespaces_change_root(int root_fd, struct error *err);

/*
 * Enter new namespaces of every kind but pid and network, with an empty read-only root. The user
 * namespace has nobody but the caller's effective user and group in it. Where the kernel has none
 * to give it is left out, and then this takes CAP_SYS_ADMIN.
 *
 * Thread: the process has one only.
 */
int namespaces_enter_empty(struct error *err);

/* The same, but for the user namespace, which stays. Takes CAP_SYS_ADMIN. */
int namespaces_enter_empty_but_network(struct error *err);
