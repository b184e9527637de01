/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_hooks.h - the startContainer hooks, run by the container's process before its program
 *
 * They are programs of the container's own file tree, run as its user, with its privileges, its
 * seccomp filter and its working directory, one after the other.
 *
 * Trust: the programs are the image's. What they print is bounded, and only quoted in an error.
 * Spec:  OCI runtime-spec, config.md "startContainer Hooks".
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * Put the state that hooks read on standard input into a file, while the process may still do
 * that. *@ret_fd is left alone when the plan has no hooks.
 */
int start_hooks_prepare(const struct container_plan *plan, int *ret_fd, struct failure *err);

/*
 * Run the hooks of the plan, each with @state_fd as its standard input. The first that cannot be
 * run, that ends with anything but exit code 0 or that outlasts its time-out is a failure that
 * names it; none is left running then.
 */
int start_hooks_run(const struct container_plan *plan, int state_fd, struct failure *err);
