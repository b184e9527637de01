/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_ports.h - the ports that the network namespace itself connects from
 *
 * The container's addresses are the namespace's, too: a name server of the engine that lives there
 * asks others from them. These ports are the namespace's, so that the answers can be told apart.
 */
#pragma once

#define NETWORK_HOST_PORT_FIRST 61000
#define NETWORK_HOST_PORT_LAST 65000
