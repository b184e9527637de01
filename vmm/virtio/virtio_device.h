/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_device.h - what every virtio device has: status, features, queues, config bytes
 * (virtio 1.2, section 2)
 *
 * Thread: register accesses come on vCPU threads, doorbells and backend events on the event
 *         loop. Both take @lock; the callbacks run with it held. Lock order: a device's lock is
 *         taken alone, never inside another device's.
 * Trust:  everything the driver writes is the guest's. A driver that breaks the protocol stops
 *         its own device (virtio_device_fail), nothing else.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/event/event_loop.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/virtqueue.h"

#define VIRTIO_DEVICE_MAX_QUEUES 4

struct virtio_device;

/* How what a device says reaches the guest. */
struct virtio_transport {
	/* Its interrupt, an edge: any thread, with its lock held; it must not fail, nor block. */
	void (*pulse)(void *context);
	void *context;
	/* A page that the guest may read and not write: the registers (virtio_mmio.h). */
	uint32_t *registers;
};

struct virtio_device_ops {
	/* The driver set DRIVER_OK: the queues are active. May be NULL. */
	void (*on_activate)(struct virtio_device *device);
	/* Doorbell of queue @index, which is active. [loop] */
	void (*on_queue)(struct virtio_device *device, unsigned int index);
	/* The driver reset the device: drop all requests in flight. May be NULL. */
	void (*on_reset)(struct virtio_device *device);
};

/* One queue's way into the event loop. */
struct virtio_doorbell {
	struct event_source source;
	struct virtio_device *device;
	unsigned int index;
};

struct virtio_device {
	/* Set once by the device's own init function. */
	const char *name;	    /* for messages, such as "fs" */
	uint64_t device_features;   /* without the transport's, which virtio_device_init() adds */
	uint64_t required_features; /* of these, the ones that a driver cannot do without */
	const struct virtio_device_ops *ops;
	unsigned int nr_queues;
	uint16_t queue_size_max; /* a power of two, at most VIRTQUEUE_SIZE_MAX */
	const uint8_t *config;	 /* config space, read-only to the driver; its bytes: [lock] */
	uint32_t config_size;

	/* What the device's own functions may change while it runs. */
	uint32_t device_id; /* [lock] 0: nothing is here (section 4.2.2) */

	/* Set once by virtio_device_init(). */
	const struct guest_memory *memory;
	struct virtio_transport transport;
	int doorbell_fds[VIRTIO_DEVICE_MAX_QUEUES]; /* eventfds, an ioeventfd each */
	struct virtio_doorbell doorbells[VIRTIO_DEVICE_MAX_QUEUES];

	pthread_mutex_t lock;
	uint64_t driver_features;	 /* [lock] */
	uint32_t status;		 /* [lock] */
	bool has_new_config;		 /* [lock] and the driver has not acknowledged it */
	uint32_t config_generation;	 /* [lock] */
	uint32_t device_features_select; /* [lock] registers that choose what others show */
	uint32_t driver_features_select; /* [lock] */
	uint32_t queue_select;		 /* [lock] may be out of range */
	struct virtqueue queues[VIRTIO_DEVICE_MAX_QUEUES]; /* [lock] */
	unsigned int nr_faults; /* [lock] protocol violations logged so far, which is bounded */
};

/*
 * Complete a device whose "set once" fields are filled: create the doorbell eventfds and watch
 * them in @loop.
 */
int virtio_device_init(struct virtio_device *device, const struct guest_memory *memory,
		       struct event_loop *loop, struct virtio_transport transport,
		       struct error *err);
void virtio_device_fini(struct virtio_device *device, struct event_loop *loop);

/* True between DRIVER_OK and reset or failure. Lock held. */
bool virtio_device_is_live(const struct virtio_device *device);

/*
 * The driver writes the status register: 0 resets the device, the other values follow section
 * 3.1.1 one bit at a time. FEATURES_OK stays clear when the driver's features are not a subset
 * of the device's with VIRTIO_F_VERSION_1 and all that the device requires; DRIVER_OK activates the
 * queues that are ready. Any other change is a violation. Lock held.
 */
void virtio_device_set_status(struct virtio_device *device, uint32_t status);

/* Ring the doorbell of queue @index (< nr_queues), as the driver does. Any thread. */
void virtio_device_ring(struct virtio_device *device, unsigned int index);

/*
 * Take the next request of queue @index. Returns false when there is none, and then the doorbell
 * rings for the next one; or when the driver broke the ring protocol, and then the device has
 * failed. An on_queue callback takes no more than the queue's size in one go, and rings its own
 * doorbell if it stopped early, so that other event sources get their turn. Lock held.
 */
bool virtio_device_pop(struct virtio_device *device, unsigned int index,
		       struct virtqueue_chain *chain);

/* Raise the interrupt of a queue if the driver wants one for what was pushed. Lock held. */
void virtio_device_notify(struct virtio_device *device, unsigned int queue_index);

/* The bytes of the config space have changed: tell the driver (section 2.5). Lock held. */
void virtio_device_config_changed(struct virtio_device *device);

/*
 * The driver broke the protocol: set DEVICE_NEEDS_RESET, stop all queues, tell the driver
 * (section 2.1.2), and log one line as long as the device has not logged too many. Lock held.
 */
void virtio_device_fail(struct virtio_device *device, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
