/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balloon.h - virtio memory balloon (virtio 1.2, section 5.5), for free page reporting alone
 *
 * The driver reports ranges of memory that hold nothing (section 5.5.6.7); the memory behind them
 * goes back to the host before a report is acknowledged, and comes back empty with the next touch.
 * The balloon itself stays at size 0: what the driver says about pages that it put in or took out
 * is acknowledged, and nothing comes of it.
 *
 * VIRTIO_BALLOON_F_PAGE_POISON is not offered: without it a driver takes the reported pages for
 * uninitialised (section 5.5.6.7.1), so what they hold afterwards is of no interest. Linux does
 * not report when it counts on the content of free pages (init_on_free, page_poison).
 *
 * Linux numbers the queues that are there without a gap, so reports come in queue 2, where the
 * standard (section 5.5.2) has them in queue 4: a driver that looks there finds none.
 *
 * Thread: init before the event loop runs, fini after it.
 * Trust:  ranges are the guest's choice, and inside of its RAM (virtqueue.h). One that is in use
 *         harms the guest alone, as if it had overwritten it. The work per wake-up is bounded; what
 *         is left of a report waits for the next.
 */
#pragma once

#include "vmm/virtio/virtio_device.h"

#define BALLOON_NR_QUEUES 3

/* What a queue is at. */
struct balloon_request {
	struct virtqueue_chain chain; /* its ranges shrink as they are given back */
	bool is_begun;		      /* and not acknowledged */
	unsigned int next;	      /* of a report's ranges */
};

struct balloon {
	struct virtio_device device;
	struct balloon_request requests[BALLOON_NR_QUEUES]; /* [lock] */
};

/* @memory and @loop stay the caller's, and outlive the device. */
int balloon_init(struct balloon *balloon, const struct guest_memory *memory,
		 struct event_loop *loop, struct virtio_transport transport, struct error *err);
void balloon_fini(struct balloon *balloon, struct event_loop *loop);
