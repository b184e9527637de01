/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_process.h - the process that stands between a container's VM and its network namespace
 *
 * It is in the namespace, with CAP_NET_ADMIN over it: it finds the interfaces that an engine made,
 * gives each one a tap and a filter, the monitor the tap, and the guest, through the monitor, all
 * that it has to know; then it follows what changes. Frames do not pass through it.
 *
 * Trust: the monitor's messages are as good as the guest's: they are few, and each costs a bounded
 *        amount of work. The namespace is the engine's.
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/network_policy.h"

struct network_process_config {
	int monitor_fd;	 /* the process's end of network_channel.h; taken */
	int resolver_fd; /* the process's end of socket_channel.h; taken */
	const struct network_policy *policy;
	/*
	 * Called when all that needs privileges or files is open: give up the rest. From then on
	 * the process calls what network_process_filter (sandbox/call_filter.h) lets through.
	 */
	int (*seal)(void *context, struct error *err);
	void *context; /* the callback's */
};

/*
 * Do all of the process's work, in the network namespace that the caller is in, with its /proc and
 * /dev/net/tun in place. Returns 0 when the monitor is gone, or a negative errno value. Nothing is
 * left in the namespace, but that its own sockets keep to the ports of host_ports.h.
 */
int network_process_run(const struct network_process_config *config, struct error *err);
