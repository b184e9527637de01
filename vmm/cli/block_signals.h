/* SPDX-License-Identifier: Apache-2.0 */
/* block_signals.h - signals as events, for verbs that stand for a process in a container */
#pragma once

#include "vmm/base/error.h"

/*
 * Block every signal but SIGPIPE, and those that our caller has ignored, which stay so (nohup, a
 * shell's background job). *@ret_fd is a signalfd for them, the caller's.
 */
int block_signals(int *ret_fd, struct error *err);
