/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loopback_listener.h - connections to the loopback of a network namespace: who makes one there
 * (an engine that forwards a port) means the container, whose loopback is inside of the VM
 *
 * All TCP connections to 127.0.0.1 and ::1, whatever their port, come to two listeners here, by a
 * BPF program at the namespace (BPF_PROG_TYPE_SK_LOOKUP); other addresses, an engine's resolver at
 * 127.0.0.11 among them, are as they were. Where several do this in one namespace, the first one
 * gets the connections. It ends with the descriptors.
 *
 * Thread: the network process's only one. loopback_listener_open() needs CAP_NET_ADMIN and CAP_BPF.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

struct loopback_listener {
	int ipv4_fd, ipv6_fd; /* listen, without blocking; -1: there is none */
	int link_fd;	      /* the program at the namespace */
};

/*
 * Begin to listen in the caller's network namespace. Returns 0, or a negative errno value where the
 * kernel does not let us; then there is nothing to close.
 */
int loopback_listener_open(struct loopback_listener *listener, struct error *err);
void loopback_listener_close(struct loopback_listener *listener);

/*
 * Take a connection that waits at @fd, one of the two listeners. Returns its descriptor, which does
 * not block and is the caller's, with the port that it is meant for, or a negative errno value:
 * -EAGAIN when there is none.
 */
int loopback_listener_accept(int fd, uint16_t *ret_port);
