/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - signals as events, for processes whose every signal is meant for somebody in a
 * container
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"

/*
 * Block the calling thread's signals, and those of threads that it makes, but not what tells of
 * faults of our own, which must not be swallowed.
 */
int signals_block(struct error *err);

/*
 * A non-blocking signalfd for the signals that signals_block() blocks, but SIGPIPE: a broken pipe
 * is an error code here; SIGCHLD only @with_children. The descriptor is the caller's.
 */
int signals_open(bool with_children, struct error *err);
