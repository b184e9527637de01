/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rng.h - virtio entropy device (virtio 1.2, section 5.4): the host kernel's random bytes
 *
 * Thread: init before the event loop runs, fini after it.
 * Trust:  the number and sizes of requests are the guest's; the work per wake-up is bounded.
 */
#pragma once

#include "vmm/virtio/virtio_device.h"

struct rng {
	struct virtio_device device;
	struct virtqueue_chain chain;
};

/* @memory and @loop stay the caller's, and outlive the device. */
int rng_init(struct rng *rng, const struct guest_memory *memory, struct event_loop *loop,
	     struct virtio_transport transport, struct error *err);
void rng_fini(struct rng *rng, struct event_loop *loop);
