/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.h - the calling thread gives up all files, signals to others, and TCP
 *
 * What the kernel knows of it: files since ABI 1, moving between directories 2, truncating 3,
 * TCP 4, device ioctls 5, abstract sockets and signals 6.
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"

/* The ABI version of the running kernel, or 0: it has no Landlock, or it is not enabled. */
int landlock_abi(void);

/*
 * Allow nothing of what this kernel can restrict, TCP left alone if @allows_tcp; does nothing where
 * that is nothing. The thread has no_new_privs; threads made later inherit it.
 */
int landlock_deny_all(bool allows_tcp, struct error *err);
