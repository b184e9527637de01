/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inherited.h - what a caller may hand down to a container's process beside its streams
 *
 * Descriptors of the host have no meaning in a virtual machine. A caller that relies on one of its
 * own being there is told so; one that asks for more than it has open loses nothing.
 */
#pragma once

#include "vmm/base/error.h"

/*
 * The process of `exec`: @preserved (--preserve-fds) descriptors from 3 on. Fails with an error
 * that names the first that is open.
 */
int inherited_check(int preserved, struct error *err);

/*
 * The container's process: also the sockets of LISTEN_FDS, when they are meant for us
 * (sd_listen_fds(3)), with those of @preserved behind them. Says in the log, for --debug, that
 * NOTIFY_SOCKET is not passed on.
 */
int inherited_check_for_container(int preserved, struct error *err);
