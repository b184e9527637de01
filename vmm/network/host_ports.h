/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_ports.h - the ports of the network namespace's own sockets, where it has some that ask
 * outside (an engine's resolver): addresses are the guest's as well, but what comes to these ports
 * is not
 */
#pragma once

#define NETWORK_HOST_PORT_FIRST 61000u
#define NETWORK_HOST_PORT_LAST 65000u
