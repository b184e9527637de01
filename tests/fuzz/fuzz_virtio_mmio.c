/* SPDX-License-Identifier: Apache-2.0 */
/* Registers, rings and doorbells of a device that echoes, with a model of its status. */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>

#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"
#include "vmm/virtio/virtio_mmio.h"

#define NR_QUEUES 3
#define ECHO_MAX 4096

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_driver driver;
static struct virtio_device device;

static void on_queue(struct virtio_device *rung, unsigned int index)
{
	static struct virtqueue_chain chain;
	static uint8_t buffer[ECHO_MAX];
	unsigned int nr;

	BUG_ON(index >= rung->nr_queues || !rung->queues[index].is_active);
	for (nr = 0; nr < rung->queue_size_max; nr++) {
		size_t len;

		if (!virtio_device_pop(rung, index, &chain))
			break;
		len = virtqueue_chain_read(&chain, 0, buffer, sizeof(buffer));
		len = virtqueue_chain_write(&chain, 0, buffer, len);
		virtqueue_push(&rung->queues[index], chain.head, (uint32_t)len);
	}
	virtio_device_notify(rung, index);
	if (nr == rung->queue_size_max)
		virtio_device_ring(rung, index);
}

/* Whatever was written: a queue is served only when live, as it was when it was checked. */
static void check_device(void)
{
	uint32_t no_faults = ~(uint32_t)(VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED);
	uint32_t status = device.status & no_faults;

	BUG_ON(status != 0 && status != 1 && status != 3 && status != 11 && status != 15);
	for (unsigned int i = 0; i < NR_QUEUES; i++) {
		struct virtqueue *queue = &device.queues[i];
		struct virtqueue copy = *queue;

		BUG_ON(queue->size > device.queue_size_max);
		if (!queue->is_active)
			continue;
		BUG_ON(!queue->is_ready || status != 15 ||
		       device.status & VIRTIO_CONFIG_S_NEEDS_RESET);
		BUG_ON(virtqueue_activate(&copy, &driver.memory, false) < 0);
		BUG_ON(copy.descriptors != queue->descriptors ||
		       copy.available != queue->available || copy.used != queue->used);
	}
	BUG_ON(status >= 11 && device.driver_features & ~device.device_features);
	BUG_ON(fake_driver_read(&driver, VIRTIO_MMIO_STATUS) != device.status);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct error err;

	(void)argc;
	(void)argv;
	fetch_watch_check();
	return log_open("/dev/null", false, false, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_device_ops ops = { .on_queue = on_queue };
	static const uint8_t config[12];
	struct fake_program program = { data, size };
	struct error err;

	fake_driver_init(&driver);
	fetch_watch_begin(&program);
	fetch_watch_add_driver(&driver);
	device = (struct virtio_device){
		.name = "echo",
		.device_id = 42,
		.ops = &ops,
		.nr_queues = NR_QUEUES,
		.queue_size_max = 16,
		.config = config,
		.config_size = sizeof(config),
	};
	BUG_ON(virtio_device_init(&device, &driver.memory, &driver.loop, driver.transport, &err) <
	       0);
	driver.device = &device;
	(void)fake_driver_start(&driver);
	while (!fake_program_is_done(&program)) {
		fake_program_step(&program, &driver);
		check_device();
	}
	fetch_watch_end();
	virtio_device_fini(&device, &driver.loop);
	fake_driver_fini(&driver);
	return 0;
}
