/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - virtio console device (virtio 1.2, section 5.3), one port, output only: what the
 * guest's kernel prints goes to the boot log
 *
 * Thread: init before the event loop runs, fini after it.
 * Trust:  every byte is the guest's; the work per wake-up is bounded.
 */
#pragma once

#include "vmm/backend/boot_log.h"
#include "vmm/virtio/virtio_device.h"

struct console {
	struct virtio_device device;
	struct boot_log *log;
	struct virtqueue_chain chain;
};

/* @log stays the caller's, like the rest, and outlives the device. */
int console_init(struct console *console, struct boot_log *log, const struct guest_memory *memory,
		 struct event_loop *loop, struct virtio_transport transport, struct error *err);
void console_fini(struct console *console, struct event_loop *loop);
