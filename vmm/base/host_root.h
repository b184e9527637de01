/* SPDX-License-Identifier: Apache-2.0 */
/* host_root.h - whether this process is the host's administrator */
#pragma once

#include <stdbool.h>

/* Root, and not in a user namespace: all user ids are mapped to themselves. */
bool is_host_root(void);
