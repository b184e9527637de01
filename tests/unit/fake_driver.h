/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_driver.h - the guest's side of a virtio device, in a box: a driver that follows the
 * specification, and the primitives to break each of its rules
 *
 * Guest memory has an inaccessible page on each side of each region, so that a device that
 * touches one byte outside dies at once. Nothing here looks at the device except through its
 * registers, its rings and its interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/event/event_loop.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/virtio_mmio.h"

#define FAKE_LOW_SIZE 0x200000	     /* bytes of RAM at 0 */
#define FAKE_HIGH_SIZE 0x10000	     /* bytes of RAM at GUEST_MEMORY_HIGH_BASE */
#define FAKE_BUFFERS 0x20000	     /* where fake_driver_alloc() starts */
#define FAKE_MMIO_WINDOW 0xd0000000U /* an address that is not RAM */

struct fake_queue {
	uint16_t size;
	uint64_t descriptors; /* guest-physical, as the others */
	uint64_t available;
	uint64_t used;
	uint16_t next_descriptor; /* free ones are handed out in a circle */
	uint16_t available_index;
	uint16_t used_index; /* up to here used entries were taken */
};

struct fake_buffer {
	uint64_t gpa;
	uint32_t len;
};

struct fake_driver {
	struct guest_memory memory;
	struct event_loop loop;
	struct virtio_transport transport;
	uint32_t registers[VIRTIO_MMIO_SIZE / sizeof(uint32_t)]; /* as the device shows them */
	uint64_t nr_interrupts;					 /* atomic */
	struct virtio_device *device; /* NULL when only the rings are of interest */
	struct fake_queue queues[VIRTIO_DEVICE_MAX_QUEUES];
	uint64_t next_buffer;
};

/* Memory, event loop, interrupt and default places for the rings. Aborts if the host fails. */
void fake_driver_init(struct fake_driver *driver);
void fake_driver_fini(struct fake_driver *driver);

/* Bytes of each ring of a queue of @size, for placing them flush with the end of RAM. */
uint64_t fake_descriptors_size(uint16_t size);
uint64_t fake_available_size(uint16_t size);
uint64_t fake_used_size(uint16_t size);

/* Registers, with 4-byte accesses, and bytes of the config space as it is shown. */
uint32_t fake_driver_read(const struct fake_driver *driver, uint64_t offset);
const uint8_t *fake_driver_config(const struct fake_driver *driver);
void fake_driver_write(struct fake_driver *driver, uint64_t offset, uint32_t value);

/* The steps of section 3.1.1, one by one: status bits so far, features, queues. */
void fake_driver_acknowledge(struct fake_driver *driver);
void fake_driver_write_features(struct fake_driver *driver, uint64_t features);
void fake_driver_configure_queue(struct fake_driver *driver, unsigned int index);

/* All steps with every feature the device offers. Returns true if the device went live. */
bool fake_driver_start(struct fake_driver *driver);

/* Reset the device, forget the rings' content. */
void fake_driver_reset(struct fake_driver *driver);

/* Fill @queue as the transport would, for tests of the ring alone. */
void fake_driver_describe(const struct fake_driver *driver, unsigned int index,
			  struct virtqueue *queue);

/* Guest memory: a fresh buffer, and the host's view of an address. Aborts when not RAM. */
uint64_t fake_driver_alloc(struct fake_driver *driver, uint32_t len);
void *fake_driver_bytes(const struct fake_driver *driver, uint64_t gpa, uint64_t len);

/* Raw ring accesses with any number; those outside RAM are lost. */
void fake_driver_set_descriptor(struct fake_driver *driver, unsigned int queue, uint16_t index,
				uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next);
void fake_driver_set_available_index(struct fake_driver *driver, unsigned int queue,
				     uint16_t index);
void fake_driver_set_used_event(struct fake_driver *driver, unsigned int queue, uint16_t index);
uint16_t fake_driver_available_event(struct fake_driver *driver, unsigned int queue);

/* Announce the chain that starts at @head. */
void fake_driver_make_available(struct fake_driver *driver, unsigned int queue, uint16_t head);

/* Build a chain of these buffers, in this order, and announce it. Returns its head. */
uint16_t fake_driver_add(struct fake_driver *driver, unsigned int queue,
			 const struct fake_buffer *readable, unsigned int nr_readable,
			 const struct fake_buffer *writable, unsigned int nr_writable);

/* The commonest chains: @len bytes of @data to read, and a buffer of @room bytes to write. */
uint16_t fake_driver_request(struct fake_driver *driver, unsigned int queue, const void *data,
			     uint32_t len, uint32_t room, uint64_t *ret_room_gpa);

void fake_driver_kick(struct fake_driver *driver, unsigned int queue);

/* Take one used entry. Returns false when there is none. */
bool fake_driver_take_used(struct fake_driver *driver, unsigned int queue, uint32_t *ret_id,
			   uint32_t *ret_len);

/* How often the interrupt was raised since the last call. */
uint64_t fake_driver_take_interrupts(struct fake_driver *driver);

/* Deliver events until there are none, or @max_events were. Returns how many were delivered. */
unsigned int fake_driver_run(struct fake_driver *driver, unsigned int max_events);
