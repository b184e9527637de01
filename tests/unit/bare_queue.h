/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare_queue.h - one queue of a fake driver, with no device around it
 *
 * As tap.h, it belongs into the one source file of a test program.
 */
#pragma once

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/virtio/virtqueue.h"

#define LAST_LOW (FAKE_LOW_SIZE - UINT64_C(1))

static struct fake_driver driver;
static struct virtqueue queue;
static struct virtqueue_chain chain;

static inline void set_up(bool has_event_index)
{
	fake_driver_init(&driver);
	fake_driver_describe(&driver, 0, &queue);
	is_int(virtqueue_activate(&queue, &driver.memory, has_event_index), 0);
}

static inline void tear_down(void)
{
	fake_driver_fini(&driver);
}

/* Announce a chain of one raw descriptor at index 0 and pop it. */
static inline int pop_single(uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	fake_driver_set_descriptor(&driver, 0, 0, gpa, len, flags, next);
	fake_driver_make_available(&driver, 0, 0);
	return virtqueue_pop(&queue, &chain);
}
