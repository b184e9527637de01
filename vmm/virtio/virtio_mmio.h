/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_mmio.h - the register file in front of a virtio device (virtio 1.2, section 4.2.2,
 * version 2 only)
 *
 * The driver reads the registers in a page that KVM shows it, without an exit; only what it writes
 * comes to the monitor. Whoever changes something that a register shows, shows it.
 *
 * Thread: vCPU threads, but for virtio_mmio_show().
 * Trust:  offset and data of every access are the guest's; they are checked here once.
 */
#pragma once

#include <stdint.h>

#include "vmm/virtio/virtio_device.h"

#define VIRTIO_MMIO_SIZE 0x1000

/* Write all that the driver reads to the page of @device's transport. Any thread; lock held. */
void virtio_mmio_show(const struct virtio_device *device);

/*
 * A bus_access_fn whose @context is the struct virtio_device. What is no write of a register does
 * nothing: the config space is read-only.
 */
void virtio_mmio_access(void *context, uint64_t offset, uint8_t *data, uint32_t len, bool is_write);
