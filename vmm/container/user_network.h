/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_network.h - a network without an engine: pasta, of Debian's package passt
 *
 * pasta makes an interface in the container's network namespace and is the network behind it, with
 * sockets of its own on the host: no bridge, no rule, no address of the host's is touched. To the
 * network process it is an interface like an engine's. It is a process of the container's pid
 * namespace and control group, and ends with them. Beside what it gives up by itself it gets none
 * of our descriptors, environment and streams; the host's loopback cannot be reached through it.
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/host_cgroup/host_cgroup.h"

#define USER_NETWORK_PROGRAM "/usr/bin/pasta"
#define PUBLISHED_PORTS_MAX 32

/* A port of the host that leads to one of the container. */
struct published_port {
	bool is_udp;
	char address[INET6_ADDRSTRLEN]; /* of the host; empty: all of them */
	uint16_t host, container;
};

struct user_network {
	bool is_wanted;
	struct published_port ports[PUBLISHED_PORTS_MAX];
	size_t nr_ports;
};

/*
 * Add a port, written [[ADDRESS:]HOST:]CONTAINER[/tcp|/udp] with an IPv6 ADDRESS in brackets. The
 * error quotes @text.
 */
int user_network_publish(struct user_network *network, const char *text, struct error *err);

/*
 * Give the network namespace of the process @container, which is PID 1 of its pid namespace, such a
 * network, and wait until it is there. @signal_fd as in launch.h: then -EINTR. On failure the error
 * has pasta's last words; what is left of it ends with the container.
 */
int user_network_start(const struct user_network *network, pid_t container,
		       const struct host_cgroup *cgroup, int signal_fd, struct error *err);
