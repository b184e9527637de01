/* SPDX-License-Identifier: Apache-2.0 */
/* tap.h - tap interfaces in the caller's network namespace, as virtio/net.h wants them */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"

/* Open the device that taps are made of. Returns the descriptor, or a negative errno value. */
int tap_open(struct error *err);

/*
 * Make of @fd, which tap_open() returned and which is no tap yet, the interface @name; it stays
 * down, has no addresses of its own and never answers for any. It is gone with its last
 * descriptor. Needs CAP_NET_ADMIN over the network namespace.
 */
int tap_create(int fd, const char *name, uint32_t *ret_ifindex, struct error *err);

/* Give the tap its interface's MTU and bring it up, or down. */
int tap_set(const char *name, uint32_t mtu, bool is_up, struct error *err);
