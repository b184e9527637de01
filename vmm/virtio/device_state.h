/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_state.h - what a driver has told a device and what the two are about, as bytes, and a new
 * device that goes on from there
 *
 * Thread: any, while neither driver nor event loop runs. The device's lock is not held.
 * Trust:  what is read may be anything. A device is brought up by the steps of a driver, so that
 *         nothing holds afterwards which a driver could not have brought about.
 */
#pragma once

#include "vmm/base/byte_stream.h"
#include "vmm/virtio/virtio_device.h"

/*
 * Returns 0; -EAGAIN when a request is under way; -EINVAL when the device has failed, or no driver
 * ever gets it into the state it is in.
 */
int device_state_save(struct virtio_device *device, struct byte_writer *writer, struct error *err);

/*
 * For a device as its init function leaves it, with guest memory in place. Its doorbells ring, so
 * that the event loop looks at what is in the queues, and its interrupt, if it was pending.
 *
 * Returns 0; or -EINVAL for what cannot be, and then the device is of no use any more.
 */
int device_state_restore(struct virtio_device *device, struct byte_reader *reader,
			 struct error *err);
