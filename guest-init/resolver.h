/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.h - the name server 127.0.0.11 of the container, which is the host's: see protocol.h
 *
 * Some engines have a name server at that address of the network namespace on the host. The
 * container's own 127.0.0.11 is another machine's; so guest-init answers there.
 *
 * It does not listen at port 53: a name server of the container could not have it for all of its
 * addresses then. It listens at ports that nobody asked for, and what is sent to port 53 comes
 * there (resolver_redirect.h), as it does on the host.
 *
 * It has an epoll descriptor of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define RESOLVER_ADDRESS 0x7f00000bu /* 127.0.0.11 */
#define RESOLVER_PORT 53u

struct resolver;

/*
 * Listen in the network namespace that the caller is in, for processes of the control group
 * @cgroup_fd. Returns NULL with a failure.
 */
struct resolver *resolver_new(int cgroup_fd, struct failure *err);
void resolver_free(struct resolver *resolver);

/* Readable when there is something to do for resolver_run(). */
int resolver_epoll_fd(const struct resolver *resolver);

/* Do what can be done without waiting. Returns true if more could be done at once. */
bool resolver_run(struct resolver *resolver);
