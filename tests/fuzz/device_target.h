/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_target.h - a fuzzer's program as the driver of a device that serves each request by itself
 */
#pragma once

#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_program.h"

/* Log nothing, and check that changes of guest memory are noticed. Returns 0, or aborts. */
int device_target_init(void);

/*
 * Start @driver's device and run @program on it, while memory changes under its eyes. Aborts unless
 * the device comes to rest in the end, and, started anew by a driver that keeps to the rules,
 * serves a request on queue @queue. @on_step, unless NULL, is called before each step: what happens
 * on the device's other side.
 */
void device_target_run(struct fake_driver *driver, struct fake_program *program, unsigned int queue,
		       void (*on_step)(struct fake_program *program));
