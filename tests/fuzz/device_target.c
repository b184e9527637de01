/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/device_target.h"

#include <string.h>

#include "tests/fuzz/fetch_watch.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"

#define MAX_STEPS 400
#define MAX_EVENTS_TO_REST 10000
#define QUEUE_SIZE 16
#define REQUEST_SIZE 16
#define BUFFER_SPACING 0x8000u
#define BUFFER_MAX 0x8000u

int device_target_init(void)
{
	struct error err;

	fetch_watch_check();
	return log_open("/dev/null", false, false, &err);
}

/* A chain of up to four good buffers, which may be large. */
static void add_good_chain(struct fake_driver *driver, struct fake_program *program)
{
	struct fake_buffer buffers[4];
	unsigned int queue = fake_program_byte(program) % driver->device->nr_queues;
	unsigned int nr = 1 + fake_program_byte(program) % 4;
	unsigned int nr_readable = fake_program_byte(program) % (nr + 1);

	for (unsigned int i = 0; i < nr; i++)
		buffers[i] = (struct fake_buffer){
			.gpa = FAKE_BUFFERS + BUFFER_SPACING * i,
			.len = 1 + fake_program_word(program) % BUFFER_MAX,
		};
	(void)fake_driver_add(driver, queue, buffers, nr_readable, buffers + nr_readable,
			      nr - nr_readable);
	fake_driver_kick(driver, queue);
}

static void check_service(struct fake_driver *driver, const struct fake_queue *queues,
			  unsigned int queue)
{
	const struct fake_buffer request = { FAKE_BUFFERS, REQUEST_SIZE };
	const struct fake_buffer room = { FAKE_BUFFERS + BUFFER_SPACING, REQUEST_SIZE };
	uint32_t id = UINT32_MAX;
	uint32_t len;
	uint16_t head;

	memcpy(driver->queues, queues, sizeof(driver->queues));
	fake_driver_reset(driver);
	BUG_ON(!fake_driver_start(driver));
	head = fake_driver_add(driver, queue, &request, 1, &room, 1);
	fake_driver_kick(driver, queue);
	BUG_ON(fake_driver_run(driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	BUG_ON(!fake_driver_take_used(driver, queue, &id, &len));
	BUG_ON(id != head || len > REQUEST_SIZE);
}

void device_target_run(struct fake_driver *driver, struct fake_program *program, unsigned int queue,
		       void (*on_step)(struct fake_program *program))
{
	struct fake_queue queues[VIRTIO_DEVICE_MAX_QUEUES];

	for (unsigned int i = 0; i < driver->device->nr_queues; i++)
		driver->queues[i].size =
			(uint16_t)min_u64(driver->device->queue_size_max, QUEUE_SIZE);
	memcpy(queues, driver->queues, sizeof(queues));
	fetch_watch_begin(program);
	fetch_watch_add_driver(driver);
	BUG_ON(!fake_driver_start(driver));
	for (unsigned int i = 0; i < MAX_STEPS && !fake_program_is_done(program); i++) {
		if (on_step)
			on_step(program);
		if (fake_program_byte(program) % 2)
			add_good_chain(driver, program);
		else
			fake_program_step(program, driver);
		(void)fake_driver_run(driver, 2);
	}
	BUG_ON(fake_driver_run(driver, MAX_EVENTS_TO_REST) == MAX_EVENTS_TO_REST);
	fetch_watch_end();
	check_service(driver, queues, queue);
}
