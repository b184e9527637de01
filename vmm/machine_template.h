/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_template.h - a machine's complete state, saved where guest-init is about to be a
 * container's, so that later machines go on from there instead of booting
 *
 * The point is reached when guest-init asks for its first connection to PROTOCOL_PORT_CONTROL. The
 * request has been taken from the ring and is not answered: a restored machine answers it as if
 * it had just come. Everything else is idle then.
 *
 * What is saved belongs to this host, kernel and build: nothing of it is meant to travel.
 *
 * Thread: the event loop's.
 * Trust:  the state was written by a process of ours, but rings and RAM in it are a guest's:
 *         everything is checked as if a driver had said it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/machine.h"

#define MACHINE_STATE_MAX ((size_t)4 << 20) /* bytes, of any state that is not RAM */

/*
 * A machine that was initialised by machine_init() with config.is_template calls
 * config.on_template_point(), once, on the event loop when the point is reached, instead of its
 * service. The caller then pauses it, and when it is paused:
 *
 * Append the state of processors, interrupt controllers, clock and devices to a buffer from the
 * heap, the caller's then, and write RAM into @memory_fd: a file of zeroes and of exactly
 * config.memory_bytes (rounded up to whole pages), low region first. Pages that are zero are left
 * out of it.
 *
 * config.kvm_fd is still open. Calls of the system: ioctl (KVM_RUN, KVM_CHECK_EXTENSION and
 * KVM_GET_…), pwrite, and memory from the heap. Returns 0;
 * -EAGAIN when a device has a request under way, then the caller may resume and pause once more;
 * or another negative errno value.
 */
int machine_save(struct machine *machine, int memory_fd, uint8_t **ret_state, size_t *ret_size,
		 struct error *err);

/*
 * Like machine_init(), from a saved state instead of kernel and initramfs. RAM maps @memory_fd
 * copy-on-write: nobody may change the file afterwards, and it stays the caller's.
 *
 * A state that does not fit (the machine's size, the host's KVM, truncated, impossible values) is
 * refused, and nothing is left of the machine but its struct: the caller may go on with
 * machine_init().
 */
int machine_restore(struct machine *machine, const struct machine_config *config, int memory_fd,
		    const uint8_t *state, size_t size, struct event_loop *loop, struct error *err);
