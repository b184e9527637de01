/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle.h - the steps of a container's life that several verbs share, with their hooks
 *
 * Thread: the command line's only one.
 * Spec:   runtime.md, "Lifecycle".
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/container_state.h"

/*
 * Let the process of a created container go, record that, and run the poststart hooks. The lock
 * must be held. When a hook fails the container is ended, and stays to be deleted.
 */
int lifecycle_start(struct container_state *state, struct error *err);

/*
 * End a container at once: the guest gets a moment to end the workload by itself, so that output
 * and files on their way are not lost; then the VM goes. Returns -ESRCH when it was gone already.
 */
int lifecycle_kill(struct container_state *state, struct error *err);

/*
 * Remove a container whose processes are gone, then run the poststop hooks. One that fails is
 * warned of, no more; a signal on @signal_fd (a signalfd, or -1) ends the one that runs. The lock
 * must be held.
 */
int lifecycle_remove(struct container_state *state, int signal_fd, struct error *err);
