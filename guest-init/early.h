/* SPDX-License-Identifier: Apache-2.0 */
/*
 * early.h - what PID 1 needs before it can do anything, and how it ends
 *
 * The initramfs holds nothing but /init, so not even a console is open at first.
 */
#pragma once

#include "guest-init/failure.h"

/* No signal shall end PID 1 or interrupt it; they are read from a descriptor. */
void early_block_signals(void);

/* Cover the initramfs, mount /dev and /proc, and open the null device as descriptors 0 to 2. */
int early_mount(struct failure *err);

/*
 * In a machine that becomes a template: make free memory contiguous and zero, so that neither its
 * file nor those who start from it have what the boot has left behind. Best effort.
 */
void early_clear_free_memory(void);

/* Mix @entropy, an even number of hex digits, into the kernel's random pool and use it at once. */
int early_mix_entropy(const char *entropy, struct failure *err);

/* Say why on the console, and end: the kernel panics and resets the machine. */
_Noreturn void early_die(const struct failure *err);

/* Reset the machine. */
_Noreturn void early_reboot(void);
