/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - the process that holds the virtual machine
 *
 * Reports to the command line over the sync socket (launch_message.h) that the container is
 * created, or why not, and ends with the workload's exit code.
 */
#pragma once

#include "vmm/backend/fs_channel.h"
#include "vmm/container/launch.h"

/*
 * Become the monitor. @channel is the monitor's end; @socket_fd (backend/socket_channel.h) and
 * @sync_fd are taken. Descriptors other than those and those of @request have been closed.
 */
_Noreturn void monitor_run(const struct launch_request *request, struct fs_channel *channel,
			   int socket_fd, int sync_fd);
