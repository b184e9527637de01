/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempts_network.h - what code in a sealed process could try with networks
 *
 * By the netlink socket that the process has, if it has one. All are as in `struct attempt`.
 */
#pragma once

/* A socket that sees, and sends, packets of any protocol. */
int attempt_raw_socket(void);

/* Enter a network namespace by the names that those have. */
int attempt_open_namespace(void);

/* An interface for another namespace: by the processes that are in some, or by open descriptors. */
int attempt_move_interface(void);

/* See interfaces of a namespace that an interface of this one leads to, by the kernel's number. */
int attempt_reach_peer(void);

/* Leave an interface behind. */
int attempt_persist_interface(void);
