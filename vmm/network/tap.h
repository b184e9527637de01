/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - tap interfaces in the caller's network namespace, as virtio/net.h wants them
 *
 * Thread: the network process's only one. Needs CAP_NET_ADMIN over the network namespace.
 */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"

/*
 * Open the device that taps are made of, for the network namespace of this moment. Returns the
 * descriptor, which does not block, or a negative errno value.
 */
int tap_open(struct error *err);

/*
 * Make a tap of @fd, which tap_open() returned, and which is no tap yet or whose tap somebody has
 * deleted. It stays down, has no addresses of its own and never answers for any. It is gone with
 * its last descriptor. On failure @fd may be a tap nevertheless.
 */
int tap_create(int fd, struct mnl_socket *netlink, uint32_t *ret_ifindex, struct error *err);

/* Whether there still is a tap that @fd belongs to. */
bool tap_exists(int fd);

/* Give the tap its interface's MTU and bring it up. */
int tap_up(struct mnl_socket *netlink, uint32_t ifindex, uint32_t mtu, struct error *err);

int tap_down(struct mnl_socket *netlink, uint32_t ifindex, struct error *err);

/* Whether an interface called @name is a tap of a network process, this one or another. */
bool tap_is_name(const char *name);
