/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespace_files.h - what /proc alone tells of a network namespace, or sets there: opened in time
 *
 * Thread: the network process's only one.
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"

struct namespace_files {
	int tcp_fd;	   /* /proc/net/tcp; -1: there is none */
	int port_range_fd; /* net.ipv4.ip_local_port_range; -1: it may not be written */
};

/* Open the caller's network namespace's; needs /proc. */
void namespace_files_open(struct namespace_files *files);
void namespace_files_close(struct namespace_files *files);

/* Whether somebody listens for TCP connections to 127.0.0.11: an engine's resolver. */
bool namespace_files_have_resolver(const struct namespace_files *files);

/* Have the kernel choose ports from host_ports.h for sockets of the namespace from now on. */
int namespace_files_limit_ports(const struct namespace_files *files, struct error *err);
