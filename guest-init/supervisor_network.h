/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor_network.h - what the monitor says about the container's network: protocol.h */
#pragma once

#include "guest-init/supervisor_state.h"

int supervisor_on_network(struct supervisor *supervisor, json_t *message, struct failure *err);
int supervisor_on_incoming(struct supervisor *supervisor, json_t *message, struct failure *err);

/*
 * Process 0 has done what it has to do with the network itself: apply what the monitor has said so
 * far.
 */
int supervisor_begin_network(struct supervisor *supervisor, struct failure *err);

/* "start": whether all is there that the container was promised. */
int supervisor_check_network(const struct supervisor *supervisor, struct failure *err);

/* Serve name server and connections from outside. Returns true if more could be done at once. */
bool supervisor_run_network(struct supervisor *supervisor);

/* The container has ended: it asks nothing more, and nobody connects to it any more. */
void supervisor_end_network(struct supervisor *supervisor);

/* After the end: whether what it sent is still on its way to the host. */
bool supervisor_network_is_draining(const struct supervisor *supervisor);
