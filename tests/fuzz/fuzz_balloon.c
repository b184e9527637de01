/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon: whatever the driver does, it comes to rest, and serves the next one. */
#include "tests/fuzz/device_target.h"
#include "vmm/base/bug.h"
#include "vmm/virtio/balloon.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return device_target_init();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	static struct fake_driver driver;
	static struct balloon balloon;
	struct error err;

	fake_driver_init(&driver);
	BUG_ON(balloon_init(&balloon, &driver.memory, &driver.loop, driver.transport, &err) < 0);
	driver.device = &balloon.device;
	device_target_run(&driver, &program, 2, NULL);
	balloon_fini(&balloon, &driver.loop);
	fake_driver_fini(&driver);
	return 0;
}
