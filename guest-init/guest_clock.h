/* SPDX-License-Identifier: Apache-2.0 */
/* guest_clock.h - the time of day, which a machine that was saved has missed */
#pragma once

#include <stdint.h>

#include "guest-init/failure.h"

/* Set CLOCK_REALTIME to @time_ns nanoseconds since 1970. */
int guest_clock_set(int64_t time_ns, struct failure *err);
