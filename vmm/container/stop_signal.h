/* SPDX-License-Identifier: Apache-2.0 */
/* stop_signal.h - tell the signals that mean "stop" from those that every program gets */
#pragma once

#include <stdbool.h>

/* Take one signal from the signalfd @signal_fd. Returns true when the work is to be given up. */
bool stop_signal_read(int signal_fd);
