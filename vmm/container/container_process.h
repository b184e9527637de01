/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_process.h - the process that engines see as the container
 *
 * It lives in namespaces of its own (pid, mount, ipc, uts, and the network namespace the engine
 * chose), its root is the container's root with the volumes in place, and it serves just that tree
 * to the guest. It starts the monitor, passes signals on to it, and ends as the workload ended.
 */
#pragma once

#include "vmm/container/launch.h"

/*
 * Become the container process: called in the child, as PID 1 of a new pid namespace. Reports on
 * @sync_fd (launch_message.h), which is taken.
 */
_Noreturn void container_process_run(const struct launch_request *request, int sync_fd);
