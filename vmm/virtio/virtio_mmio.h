/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_mmio.h - the register file in front of a virtio device (virtio 1.2, section 4.2.2,
 * version 2 only)
 *
 * Thread: vCPU threads.
 * Trust:  offset and data of every access are the guest's; they are checked here once.
 */
#pragma once

#include <stdint.h>

#include "vmm/virtio/virtio_device.h"

#define VIRTIO_MMIO_SIZE 0x1000
#define VIRTIO_MMIO_QUEUE_NOTIFY_OFFSET 0x50 /* where ioeventfds are registered, 4 bytes wide */

/* A bus_access_fn whose @context is the struct virtio_device. */
void virtio_mmio_access(void *context, uint64_t offset, uint8_t *data, uint32_t len, bool is_write);
