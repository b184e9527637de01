/* SPDX-License-Identifier: Apache-2.0 */
/* network_namespace.h - network namespaces for unit tests, set up by ip(8) */
#pragma once

#include <stdbool.h>

/*
 * Enter a new network namespace, whose loopback is up. Returns false where that is not allowed; the
 * test is then to be skipped.
 */
bool network_namespace_enter(void);

/* A descriptor of the network namespace that the caller is in, for setns(2). */
int network_namespace_fd(void);

/* Run the shell's @command. Returns its exit code. */
int network_namespace_run(const char *command);
