/* SPDX-License-Identifier: Apache-2.0 */
/* denied_frame.h - why the filter denied a frame, in words (used by card_denials.c) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/network/network_state.h"

#define DENIED_FRAME_SIZE 128u /* what is looked at */

struct denied_card {
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	struct network_address addresses[NETWORK_ADDRESSES_MAX];
	size_t nr_addresses;
	bool allows_spoofing, has_allow_list;
};

/*
 * Describe the first @size bytes of an Ethernet frame, any bytes: "eth0: denied TCP to
 * 10.1.2.3:443 (allow-list)". False when it is nothing to tell of: what a network stack says of
 * itself when its card comes up.
 */
bool denied_frame_describe(const struct denied_card *card, const uint8_t *frame, size_t size,
			   char *line, size_t line_size);
