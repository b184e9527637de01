/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor_network.h - what the monitor says about the container's network: protocol.h */
#pragma once

#include "guest-init/supervisor_state.h"

int supervisor_on_network(struct supervisor *supervisor, json_t *message, struct failure *err);

/*
 * Process 0 has done what it has to do with the network itself: apply what the monitor has said so
 * far.
 */
int supervisor_begin_network(struct supervisor *supervisor, struct failure *err);

/* "start": whether all is there that the container was promised. */
int supervisor_check_network(const struct supervisor *supervisor, struct failure *err);
