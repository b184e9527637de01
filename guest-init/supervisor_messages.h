/* SPDX-License-Identifier: Apache-2.0 */
/* supervisor_messages.h - what the monitor says, and what is done about it: protocol.h */
#pragma once

#include "guest-init/supervisor_state.h"

/*
 * Serve the messages that have arrived. A request that fails is answered; only the loss of the
 * connection is an error here.
 */
int supervisor_on_control(struct supervisor *supervisor, struct failure *err);
