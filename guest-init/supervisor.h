/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor.h - PID 1 at work: obeys the monitor, moves the streams, reaps, reports
 *
 * Thread: one, woken by epoll. Runs with all signals blocked.
 */
#pragma once

#include "guest-init/failure.h"

/*
 * Say HELLO on the control connection @control_fd and serve it. Returns 0 when the monitor closed
 * it, which means that nobody needs this machine any more, or a negative errno value.
 */
int supervisor_run(int control_fd, struct failure *err);
