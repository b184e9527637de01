/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_namespace.h - a container whose ids are others in the guest
 *
 * Theory of operation: the container's first process is born in the new user namespace, which so
 * owns the other namespaces that it is born in, and waits at its gate. It has every privilege
 * there and none in the guest's first user namespace, so guest-init does from outside what takes
 * those: it writes the maps, lets the limits and the scheduler be what the plan asks for, and
 * opens the gate. The process then becomes root of the namespace and builds the container as any
 * root of one could: what it makes belongs to the container's root, a file system that it mounts is
 * the container's own, and device nodes, which nobody can make there, are bound from those that
 * guest-init has made.
 *
 * Interface: user_namespaces(7). The ids outside are those of the shared tree's files, which are
 * the host's.
 */
#pragma once

#include <sys/types.h>

#include "guest-init/container_plan.h"

/*
 * In guest-init: do for process @pid, which is in the new user namespace of the plan and waits,
 * what it cannot do itself.
 */
int user_namespace_admit(pid_t pid, const struct container_plan *plan, struct failure *err);

/* In a process inside: become its root. What was the guest's root by id is out of reach then. */
int user_namespace_become_root(struct failure *err);
