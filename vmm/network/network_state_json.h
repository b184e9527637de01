/* SPDX-License-Identifier: Apache-2.0 */
/* network_state_json.h - a "network" message to the guest (guest-init/protocol.h) */
#pragma once

#include <stdbool.h>

#include "vmm/network/network_state.h"

/* To be called before the process is sealed: the library opens a file at its first use. */
void network_state_json_prepare(void);

/*
 * The members of the message: interface i of @state is card @cards[i], or is left out when that is
 * negative. Routes that go nowhere are told with the first interface. When there is more than
 * NETWORK_STATE_MAX bytes can tell, neighbours and routes are left out, and *@ret_is_truncated is
 * true. Returns the text, which the caller frees, or NULL without memory.
 */
char *network_state_json(const struct network_state *state, const int cards[NETWORK_SLOTS],
			 bool *ret_is_truncated);
