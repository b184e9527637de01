/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_connection.h - vsock connections from the guest to its monitor, all from source ports below
 * PROTOCOL_SOURCE_PORTS: the monitor accepts no others
 */
#pragma once

#include <stdint.h>

#include "guest-init/failure.h"

/* Connect to @port of the host. Returns a blocking stream socket or a negative errno value. */
int host_connection_open(uint32_t port, struct failure *err);

/*
 * Begin to connect to @port of the host. Returns a non-blocking stream socket, writable when
 * connected, or a negative errno value.
 */
int host_connection_begin(uint32_t port);
