/* SPDX-License-Identifier: Apache-2.0 */
/*
 * card_driver.h - network cards as the devices of slots (PROTOCOL_CARD_NAME), through sysfs
 *
 * The driver of an empty slot gave up on it at boot; when there is a card, it is told to look
 * again.
 */
#pragma once

#include <net/if.h>
#include <stdint.h>

#include "guest-init/failure.h"

/*
 * Open a sysfs of our own, which nobody else can see. It shows the interfaces of the network
 * namespace that the caller is in now. Returns a descriptor of its root, or a negative errno value.
 */
int card_driver_open(struct failure *err);

/*
 * Bind the card @number to its driver unless it is, and find its interface. @sysfs_fd is the root
 * of a sysfs.
 */
int card_driver_bind(int sysfs_fd, uint32_t number, char ret_name[IF_NAMESIZE],
		     struct failure *err);

/* Take the card away from its driver: the interface is gone, wherever it is by now. */
int card_driver_unbind(int sysfs_fd, uint32_t number, struct failure *err);
