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
#include "vmm/container/network_start.h"

/* The monitor's ends of what it shares with the other processes of the container. */
struct monitor_channels {
	struct fs_channel fs;
	int socket_fd; /* backend/socket_channel.h */
	struct network_ends network;
};

/*
 * Become the monitor. @given and @sync_fd are taken. Descriptors other than those and those of
 * @request have been closed.
 */
_Noreturn void monitor_run(const struct launch_request *request,
			   const struct monitor_channels *given, int sync_fd);
