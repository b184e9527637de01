/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/guest_clock.h"

#include <errno.h>
#include <time.h>

#define NS_PER_S 1000000000

int guest_clock_set(int64_t time_ns, struct failure *err)
{
	const struct timespec now = { .tv_sec = time_ns / NS_PER_S, .tv_nsec = time_ns % NS_PER_S };

	return clock_settime(CLOCK_REALTIME, &now) ? failure_set(err, errno, "set the clock") : 0;
}
