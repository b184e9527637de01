/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_driver.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtio_mmio.h"

#define GUARD_SIZE 4096
#define QUEUE_SPACING 0x4000

static void add_region(struct guest_memory *memory, uint64_t base, uint64_t size)
{
	uint8_t *host = mmap(NULL, size + 2 * GUARD_SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	BUG_ON(host == MAP_FAILED);
	BUG_ON(mprotect(host + GUARD_SIZE, size, PROT_READ | PROT_WRITE) < 0);
	memory->regions[memory->nr_regions++] = (struct guest_memory_region){
		.base = { base },
		.size = size,
		.host = host + GUARD_SIZE,
	};
}

static void place_queues(struct fake_driver *driver)
{
	for (unsigned int i = 0; i < VIRTIO_DEVICE_MAX_QUEUES; i++) {
		uint64_t base = (uint64_t)QUEUE_SPACING * (i + 1);

		driver->queues[i] = (struct fake_queue){
			.size = 16,
			.descriptors = base,
			.available = base + 0x1000,
			.used = base + 0x2000,
		};
	}
}

static void on_interrupt(void *context)
{
	struct fake_driver *driver = context;

	__atomic_fetch_add(&driver->nr_interrupts, 1, __ATOMIC_RELAXED);
}

void fake_driver_init(struct fake_driver *driver)
{
	struct error err;

	*driver = (struct fake_driver){ .next_buffer = FAKE_BUFFERS };
	add_region(&driver->memory, 0, FAKE_LOW_SIZE);
	add_region(&driver->memory, GUEST_MEMORY_HIGH_BASE, FAKE_HIGH_SIZE);
	BUG_ON(event_loop_init(&driver->loop, &err) < 0);
	driver->transport = (struct virtio_transport){ on_interrupt, driver, driver->registers };
	place_queues(driver);
}

void fake_driver_fini(struct fake_driver *driver)
{
	for (unsigned int i = 0; i < driver->memory.nr_regions; i++) {
		struct guest_memory_region *region = &driver->memory.regions[i];

		(void)munmap(region->host - GUARD_SIZE, region->size + 2 * GUARD_SIZE);
	}
	event_loop_fini(&driver->loop);
}

uint64_t fake_descriptors_size(uint16_t size)
{
	return 16 * (uint64_t)size;
}

uint64_t fake_available_size(uint16_t size)
{
	return 6 + 2 * (uint64_t)size;
}

uint64_t fake_used_size(uint16_t size)
{
	return 6 + 8 * (uint64_t)size;
}

static void store16(struct fake_driver *driver, uint64_t gpa, uint16_t value)
{
	uint16_t *at = guest_memory_range(&driver->memory, (gpa_t){ gpa }, sizeof(value));

	if (at)
		__atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

static uint16_t load16(const struct fake_driver *driver, uint64_t gpa)
{
	const uint16_t *at = guest_memory_range(&driver->memory, (gpa_t){ gpa }, sizeof(*at));

	return at ? __atomic_load_n(at, __ATOMIC_SEQ_CST) : 0;
}

uint32_t fake_driver_read(const struct fake_driver *driver, uint64_t offset)
{
	return driver->registers[offset / sizeof(driver->registers[0])];
}

const uint8_t *fake_driver_config(const struct fake_driver *driver)
{
	return (const uint8_t *)driver->registers + VIRTIO_MMIO_CONFIG;
}

void fake_driver_write(struct fake_driver *driver, uint64_t offset, uint32_t value)
{
	virtio_mmio_access(driver->device, offset, (uint8_t *)&value, sizeof(value), true);
}

static void add_status(struct fake_driver *driver, uint32_t bit)
{
	fake_driver_write(driver, VIRTIO_MMIO_STATUS,
			  fake_driver_read(driver, VIRTIO_MMIO_STATUS) | bit);
}

void fake_driver_acknowledge(struct fake_driver *driver)
{
	fake_driver_write(driver, VIRTIO_MMIO_STATUS, 0);
	add_status(driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(driver, VIRTIO_CONFIG_S_DRIVER);
}

void fake_driver_write_features(struct fake_driver *driver, uint64_t features)
{
	for (uint32_t word = 0; word < 2; word++) {
		fake_driver_write(driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		fake_driver_write(driver, VIRTIO_MMIO_DRIVER_FEATURES,
				  (uint32_t)(features >> (32 * word)));
	}
}

static uint64_t read_features(struct fake_driver *driver)
{
	uint64_t features = 0;

	for (uint32_t word = 0; word < 2; word++) {
		fake_driver_write(driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		features |= (uint64_t)fake_driver_read(driver, VIRTIO_MMIO_DEVICE_FEATURES)
			    << (32 * word);
	}
	return features;
}

static void write_address(struct fake_driver *driver, uint64_t offset, uint64_t gpa)
{
	fake_driver_write(driver, offset, (uint32_t)gpa);
	fake_driver_write(driver, offset + 4, (uint32_t)(gpa >> 32));
}

void fake_driver_configure_queue(struct fake_driver *driver, unsigned int index)
{
	const struct fake_queue *queue = &driver->queues[index];

	fake_driver_write(driver, VIRTIO_MMIO_QUEUE_SEL, index);
	fake_driver_write(driver, VIRTIO_MMIO_QUEUE_NUM, queue->size);
	write_address(driver, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->descriptors);
	write_address(driver, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->available);
	write_address(driver, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
	fake_driver_write(driver, VIRTIO_MMIO_QUEUE_READY, 1);
}

bool fake_driver_start(struct fake_driver *driver)
{
	fake_driver_acknowledge(driver);
	fake_driver_write_features(driver, read_features(driver));
	add_status(driver, VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned int i = 0; i < driver->device->nr_queues; i++)
		fake_driver_configure_queue(driver, i);
	add_status(driver, VIRTIO_CONFIG_S_DRIVER_OK);
	return fake_driver_read(driver, VIRTIO_MMIO_STATUS) ==
	       (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
		VIRTIO_CONFIG_S_DRIVER_OK);
}

void fake_driver_reset(struct fake_driver *driver)
{
	fake_driver_write(driver, VIRTIO_MMIO_STATUS, 0);
	for (unsigned int i = 0; i < VIRTIO_DEVICE_MAX_QUEUES; i++) {
		struct fake_queue *queue = &driver->queues[i];

		store16(driver, queue->available + 2, 0);
		store16(driver, queue->used + 2, 0);
		queue->next_descriptor = 0;
		queue->available_index = 0;
		queue->used_index = 0;
	}
}

void fake_driver_describe(const struct fake_driver *driver, unsigned int index,
			  struct virtqueue *queue)
{
	const struct fake_queue *fake = &driver->queues[index];

	*queue = (struct virtqueue){
		.size = fake->size,
		.descriptor_area = { fake->descriptors },
		.driver_area = { fake->available },
		.device_area = { fake->used },
		.is_ready = true,
	};
}

uint64_t fake_driver_alloc(struct fake_driver *driver, uint32_t len)
{
	uint64_t gpa = driver->next_buffer;

	if (!range_fits(gpa, len, FAKE_LOW_SIZE))
		gpa = FAKE_BUFFERS; /* long tests reuse the first buffers */
	BUG_ON(!range_fits(gpa, len, FAKE_LOW_SIZE));
	driver->next_buffer = align_up(gpa + len, 16);
	return gpa;
}

void *fake_driver_bytes(const struct fake_driver *driver, uint64_t gpa, uint64_t len)
{
	void *bytes = guest_memory_range(&driver->memory, (gpa_t){ gpa }, len);

	BUG_ON(!bytes);
	return bytes;
}

void fake_driver_set_descriptor(struct fake_driver *driver, unsigned int queue, uint16_t index,
				uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
	uint64_t at = driver->queues[queue].descriptors + sizeof(struct vring_desc) * index;
	uint64_t *words =
		guest_memory_range(&driver->memory, (gpa_t){ at }, sizeof(struct vring_desc));

	if (!words)
		return;
	__atomic_store_n(&words[0], gpa, __ATOMIC_RELAXED);
	__atomic_store_n(&words[1], len | (uint64_t)flags << 32 | (uint64_t)next << 48,
			 __ATOMIC_RELAXED);
}

void fake_driver_set_available_index(struct fake_driver *driver, unsigned int queue, uint16_t index)
{
	driver->queues[queue].available_index = index;
	store16(driver, driver->queues[queue].available + 2, index);
}

void fake_driver_set_used_event(struct fake_driver *driver, unsigned int queue, uint16_t index)
{
	const struct fake_queue *fake = &driver->queues[queue];

	store16(driver, fake->available + fake_available_size(fake->size) - 2, index);
}

uint16_t fake_driver_available_event(struct fake_driver *driver, unsigned int queue)
{
	const struct fake_queue *fake = &driver->queues[queue];

	return load16(driver, fake->used + fake_used_size(fake->size) - 2);
}

void fake_driver_make_available(struct fake_driver *driver, unsigned int queue, uint16_t head)
{
	struct fake_queue *fake = &driver->queues[queue];
	uint64_t entry = 4 + 2 * (uint64_t)(fake->available_index % fake->size);

	store16(driver, fake->available + entry, head);
	fake_driver_set_available_index(driver, queue, (uint16_t)(fake->available_index + 1));
}

uint16_t fake_driver_add(struct fake_driver *driver, unsigned int queue,
			 const struct fake_buffer *readable, unsigned int nr_readable,
			 const struct fake_buffer *writable, unsigned int nr_writable)
{
	struct fake_queue *fake = &driver->queues[queue];
	unsigned int nr = nr_readable + nr_writable;
	uint16_t head = fake->next_descriptor;
	uint16_t index = head;

	for (unsigned int i = 0; i < nr; i++) {
		bool is_writable = i >= nr_readable;
		const struct fake_buffer *buffer =
			is_writable ? &writable[i - nr_readable] : &readable[i];
		uint16_t next = (uint16_t)((index + 1) % fake->size);
		unsigned int flags = (is_writable ? VRING_DESC_F_WRITE : 0U) |
				     (i + 1 < nr ? VRING_DESC_F_NEXT : 0U);

		fake_driver_set_descriptor(driver, queue, index, buffer->gpa, buffer->len,
					   (uint16_t)flags, next);
		index = next;
	}
	fake->next_descriptor = index;
	fake_driver_make_available(driver, queue, head);
	return head;
}

uint16_t fake_driver_request(struct fake_driver *driver, unsigned int queue, const void *data,
			     uint32_t len, uint32_t room, uint64_t *ret_room_gpa)
{
	struct fake_buffer readable = { .gpa = fake_driver_alloc(driver, len), .len = len };
	struct fake_buffer writable = { .gpa = fake_driver_alloc(driver, room), .len = room };

	if (len)
		memcpy(fake_driver_bytes(driver, readable.gpa, len), data, len);
	if (ret_room_gpa)
		*ret_room_gpa = writable.gpa;
	return fake_driver_add(driver, queue, &readable, len > 0, &writable, room > 0);
}

void fake_driver_kick(struct fake_driver *driver, unsigned int queue)
{
	fake_driver_write(driver, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool fake_driver_take_used(struct fake_driver *driver, unsigned int queue, uint32_t *ret_id,
			   uint32_t *ret_len)
{
	struct fake_queue *fake = &driver->queues[queue];
	struct vring_used_elem element;
	gpa_t at = { fake->used + 4 + sizeof(element) * (uint64_t)(fake->used_index % fake->size) };

	if (load16(driver, fake->used + 2) == fake->used_index ||
	    guest_memory_read(&driver->memory, at, &element, sizeof(element)) < 0)
		return false;
	fake->used_index++;
	*ret_id = element.id;
	*ret_len = element.len;
	return true;
}

uint64_t fake_driver_take_interrupts(struct fake_driver *driver)
{
	return __atomic_exchange_n(&driver->nr_interrupts, 0, __ATOMIC_RELAXED);
}

unsigned int fake_driver_run(struct fake_driver *driver, unsigned int max_events)
{
	unsigned int nr = 0;
	struct epoll_event event;

	/* One event at a time: event_loop_run() would not return when there are no more. */
	while (nr < max_events && epoll_wait(driver->loop.epoll_fd, &event, 1, 0) == 1) {
		struct event_source *source = event.data.ptr;

		source->on_event(source->context, event.events);
		nr++;
	}
	return nr;
}
