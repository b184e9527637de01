/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - a virtio-mmio driver that does what its caller says, right or wrong
 *
 * Each device has rings at their own, proper place (device_start()); an attack writes into their
 * bytes or places others. Nothing is checked on the way.
 */
#pragma once

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define DEVICE_MAX_QUEUES 3
#define DEVICE_MAX_QUEUE_SIZE 256

/* Of the slots for network cards, which are alike, the first; it may have a card or none. */
enum device_index {
	DEVICE_FS,
	DEVICE_VSOCK,
	DEVICE_CONSOLE,
	DEVICE_RNG,
	DEVICE_NET,
	DEVICE_BALLOON,
	NR_DEVICES
};

struct ring {
	uint16_t size;
	volatile struct vring_desc *descriptors;
	volatile struct vring_avail *available;
	volatile struct vring_used *used;
	uint16_t seen; /* of the used ring */
};

struct device {
	const char *name;
	unsigned int place; /* among the machine's devices */
	uintptr_t base;
	unsigned int nr_queues;
	unsigned int main_queue; /* whose requests the device always takes */
	uint16_t queue_size;	 /* the largest that it offers */
	uint64_t features;	 /* that it cannot do without */
	struct ring rings[DEVICE_MAX_QUEUES];
};

extern struct device devices[NR_DEVICES];

/* Give every device its rings. */
void devices_init(void);

uint32_t device_read(const struct device *device, uint32_t reg);
void device_write(const struct device *device, uint32_t reg, uint32_t value);

/* The device has seen a violation, and says that it needs a reset. */
bool device_has_failed(const struct device *device);

/* Wait until it has. Returns false if it does not come to that. */
bool device_fails(const struct device *device);

/* Reset, then all steps up to and including FEATURES_OK, with those @features. */
void device_negotiate(struct device *device, uint64_t features);

/* Where queue @index lies; it is ready afterwards. */
void device_place(const struct device *device, unsigned int index, uint32_t size,
		  uint64_t descriptors, uint64_t available, uint64_t used);

/* device_place() at the proper place, zeroed. */
void device_place_properly(struct device *device, unsigned int index);

void device_set_status(const struct device *device, uint32_t status);
#define STATUS_DRIVER 3u
#define STATUS_FEATURES_OK 11u
#define STATUS_DRIVER_OK 15u
#define STATUS_NEEDS_RESET 0x40u

/* Everything as a proper driver does it, with those queues that device_answers() needs. */
void device_start(struct device *device);

struct ring *device_main_ring(struct device *device);

void ring_describe(const struct ring *ring, unsigned int index, uint64_t address, uint32_t len,
		   uint16_t flags, uint16_t next);

/* Make the chain that begins with descriptor @head available. */
void ring_offer(const struct ring *ring, uint16_t head);

void device_ring(const struct device *device, unsigned int queue);

/* Wait until the device has used another chain. Returns false when it does not. */
bool ring_await(struct ring *ring, uint32_t *ret_written);

/*
 * A whole request: a readable and a writable buffer (of no bytes: none), descriptors 0 and 1.
 * Returns false when there is no answer.
 */
bool device_request(struct device *device, unsigned int queue, const void *out, uint32_t out_len,
		    void *in, uint32_t in_len, uint32_t *ret_written);

/* Wait until the slot of DEVICE_NET has a card. Returns false when none comes. */
bool device_await_card(void);

/* Start the device anew and do a proper request: does its answer make sense? */
bool device_answers(struct device *device);

/* The same without a new start, if the device is in use. */
bool device_still_answers(struct device *device);
