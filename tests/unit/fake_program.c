/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_program.h"

#include <linux/virtio_mmio.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/virtio/virtio_mmio.h"

#define MAX_SEGMENTS 4
#define MAX_EVENTS 8

uint8_t fake_program_byte(struct fake_program *program)
{
	if (program->len == 0)
		return 0;
	program->len--;
	return *program->bytes++;
}

uint32_t fake_program_word(struct fake_program *program)
{
	uint32_t word = 0;

	for (unsigned int i = 0; i < sizeof(word); i++)
		word = word << 8 | fake_program_byte(program);
	return word;
}

bool fake_program_is_done(const struct fake_program *program)
{
	return program->len == 0;
}

uint64_t fake_program_number(struct fake_program *program, uint64_t limit)
{
	uint8_t choice = fake_program_byte(program);

	switch (choice % 16) {
	case 0:
		return 0;
	case 1:
		return limit - 1;
	case 2:
		return limit;
	case 3:
		return limit + 1;
	case 4:
		return UINT64_C(1) << (fake_program_byte(program) % 64);
	case 5:
		return UINT64_MAX;
	case 6:
		return fake_program_word(program);
	default: /* mostly numbers that pass */
		return limit ? fake_program_word(program) % limit : 0;
	}
}

uint64_t fake_program_address(struct fake_program *program, uint64_t len)
{
	static const uint64_t edges[] = {
		0,
		FAKE_LOW_SIZE,
		GUEST_MEMORY_LOW_LIMIT,
		FAKE_MMIO_WINDOW,
		GUEST_MEMORY_HIGH_BASE,
		GUEST_MEMORY_HIGH_BASE + FAKE_HIGH_SIZE,
	};
	uint64_t edge = edges[fake_program_byte(program) % ARRAY_SIZE(edges)];

	switch (fake_program_byte(program) % 8) {
	case 0:
		return edge;
	case 1:
		return edge - len;
	case 2:
		return edge - len + 1;
	case 3:
		return edge - 1;
	case 4: /* among the rings */
		return fake_program_word(program) % FAKE_BUFFERS;
	default:
		return FAKE_BUFFERS + fake_program_word(program) % 0x1000;
	}
}

void fake_program_place_queue(struct fake_program *program, struct fake_queue *queue)
{
	uint64_t end = fake_program_byte(program) % 2 ? FAKE_LOW_SIZE
						      : GUEST_MEMORY_HIGH_BASE + FAKE_HIGH_SIZE;
	uint16_t size = (uint16_t)(1U << (fake_program_byte(program) % 10));

	queue->size = size;
	queue->next_descriptor = 0;
	/* The last places that are valid, and the first that are not. */
	end += 2 * (fake_program_byte(program) % 9U);
	switch (fake_program_byte(program) % 5) {
	case 0:
		queue->descriptors = (end - fake_descriptors_size(size)) & ~UINT64_C(15);
		return;
	case 1:
		queue->available = end - fake_available_size(size);
		return;
	case 2:
		queue->used = (end - fake_used_size(size)) & ~UINT64_C(3);
		return;
	case 3:
		queue->used = FAKE_MMIO_WINDOW;
		return;
	default:
		queue->descriptors = 0x4000;
		queue->available = 0x7000;
		queue->used = 0x8000;
		return;
	}
}

static void set_descriptor(struct fake_program *program, struct fake_driver *driver,
			   unsigned int queue)
{
	uint16_t size = driver->queues[queue].size;
	uint16_t index = (uint16_t)fake_program_number(program, size);
	uint32_t len = (uint32_t)fake_program_number(program, 256);
	uint64_t gpa = fake_program_address(program, len);
	uint8_t flags = fake_program_byte(program) % 8;
	uint16_t next = (uint16_t)fake_program_number(program, size);

	fake_driver_set_descriptor(driver, queue, index, gpa, len, flags, next);
}

/* A chain of buffers that mostly lie in RAM. */
static void add_chain(struct fake_program *program, struct fake_driver *driver, unsigned int queue)
{
	struct fake_buffer buffers[MAX_SEGMENTS];
	unsigned int nr = 1 + fake_program_byte(program) % MAX_SEGMENTS;
	unsigned int nr_readable = fake_program_byte(program) % (nr + 1);

	for (unsigned int i = 0; i < nr; i++) {
		buffers[i].len = (uint32_t)fake_program_number(program, 256);
		buffers[i].gpa = fake_program_address(program, buffers[i].len);
	}
	(void)fake_driver_add(driver, queue, buffers, nr_readable, buffers + nr_readable,
			      nr - nr_readable);
}

void fake_program_touch_ring(struct fake_program *program, struct fake_driver *driver,
			     unsigned int queue)
{
	uint16_t size = driver->queues[queue].size;
	uint32_t word;
	gpa_t gpa;

	switch (fake_program_byte(program) % 8) {
	case 0:
		set_descriptor(program, driver, queue);
		return;
	case 1:
		fake_driver_make_available(driver, queue,
					   (uint16_t)fake_program_number(program, size));
		return;
	case 2:
		fake_driver_set_available_index(driver, queue,
						(uint16_t)fake_program_word(program));
		return;
	case 3:
		fake_driver_set_used_event(driver, queue, (uint16_t)fake_program_word(program));
		return;
	case 4:
		word = fake_program_word(program);
		gpa.raw = fake_program_address(program, sizeof(word));
		(void)guest_memory_write(&driver->memory, gpa, &word, sizeof(word));
		return;
	default:
		add_chain(program, driver, queue);
		return;
	}
}

/* A register that a driver writes, as it is meant to be written. */
static void write_register(struct fake_program *program, struct fake_driver *driver)
{
	static const uint8_t registers[] = {
		VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES,
		VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_MMIO_QUEUE_SEL,
		VIRTIO_MMIO_QUEUE_NUM,		 VIRTIO_MMIO_QUEUE_READY,
		VIRTIO_MMIO_INTERRUPT_ACK,	 VIRTIO_MMIO_QUEUE_DESC_LOW,
		VIRTIO_MMIO_QUEUE_DESC_HIGH,	 VIRTIO_MMIO_QUEUE_AVAIL_LOW,
		VIRTIO_MMIO_QUEUE_AVAIL_HIGH,	 VIRTIO_MMIO_QUEUE_USED_LOW,
		VIRTIO_MMIO_QUEUE_USED_HIGH,
	};
	uint8_t offset = registers[fake_program_byte(program) % ARRAY_SIZE(registers)];

	fake_driver_write(driver, offset,
			  (uint32_t)fake_program_number(program, driver->device->nr_queues));
}

static void access_register(struct fake_program *program, struct fake_driver *driver)
{
	uint8_t data[8] = { 0 };
	uint64_t value = fake_program_number(program, 256);
	uint32_t len = 1U << (fake_program_byte(program) % 4);
	bool is_write = fake_program_byte(program) % 2;

	memcpy(data, &value, sizeof(data));
	virtio_mmio_access(driver->device, fake_program_number(program, VIRTIO_MMIO_CONFIG + 64),
			   data, len, is_write);
}

void fake_program_step(struct fake_program *program, struct fake_driver *driver)
{
	unsigned int nr_queues = driver->device->nr_queues;
	unsigned int queue = fake_program_byte(program) % nr_queues;
	uint32_t id;
	uint32_t len;

	switch (fake_program_byte(program) % 16) {
	case 0:
		access_register(program, driver);
		return;
	case 1:
		write_register(program, driver);
		return;
	case 2:
		(void)fake_driver_start(driver);
		return;
	case 3:
		fake_driver_reset(driver);
		return;
	case 4:
		fake_program_place_queue(program, &driver->queues[queue]);
		return;
	case 5:
		fake_driver_write(driver, VIRTIO_MMIO_STATUS, fake_program_byte(program) & 0xcf);
		return;
	case 6:
		fake_driver_configure_queue(driver, queue);
		return;
	case 7:
	case 8:
		(void)fake_driver_run(driver, MAX_EVENTS);
		return;
	case 9:
	case 10:
		fake_driver_kick(driver, (unsigned int)fake_program_number(program, nr_queues));
		return;
	case 11:
		while (fake_driver_take_used(driver, queue, &id, &len) && id < 16)
			continue;
		return;
	default:
		fake_program_touch_ring(program, driver, queue);
		return;
	}
}
