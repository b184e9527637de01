/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_redirect.h - what is sent to 127.0.0.11, port 53, arrives at ports of our own
 *
 * Nothing of a packet is changed: BPF programs on the control group change the address that a
 * process gives to connect(2) and sendto(2), and the one it gets of recvfrom(2) and getpeername(2).
 * Interface: BPF_PROG_TYPE_CGROUP_SOCK_ADDR of bpf(2).
 */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define RESOLVER_REDIRECT_HOOKS 7u
#define RESOLVER_REDIRECT_SIZE 32u /* instructions of a program, at most */

struct resolver_redirect {
	int cgroup_fd;
	int program_fds[RESOLVER_REDIRECT_HOOKS]; /* -1: not attached */
};

/* Nothing is redirected yet; remove is fine. */
void resolver_redirect_init(struct resolver_redirect *redirect);

/* Do it for the processes of @cgroup_fd (which stays the caller's) and of all groups below. */
int resolver_redirect_install(struct resolver_redirect *redirect, int cgroup_fd, uint16_t udp_port,
			      uint16_t tcp_port, struct failure *err);

void resolver_redirect_remove(struct resolver_redirect *redirect);
