/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_program.h - a fuzzer's bytes, read as a program for a hostile driver
 *
 * Random bytes in guest memory hardly ever get past the first check. Random choices of what a
 * driver can do, with the numbers and addresses at which checks go wrong, do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_driver.h"

/* Taken from the front; zeroes when they are used up. */
struct fake_program {
	const uint8_t *bytes;
	size_t len;
};

uint8_t fake_program_byte(struct fake_program *program);
uint32_t fake_program_word(struct fake_program *program);
bool fake_program_is_done(const struct fake_program *program);

/* A number worth trying where @limit numbers are valid: both ends, powers of two, anything. */
uint64_t fake_program_number(struct fake_program *program, uint64_t limit);

/* An address worth trying for @len bytes: buffers, rings, region ends, windows, wrapping. */
uint64_t fake_program_address(struct fake_program *program, uint64_t len);

/*
 * Choose size and place of the rings of @queue: at their default place, flush with the end of a
 * region, or outside RAM. The device hears of it when it is configured next.
 */
void fake_program_place_queue(struct fake_program *program, struct fake_queue *queue);

/* One thing that a driver can do to the rings of @queue, or to any byte of its memory. */
void fake_program_touch_ring(struct fake_program *program, struct fake_driver *driver,
			     unsigned int queue);

/* The same for a driver with a device: also registers, doorbells, resets, waiting for events. */
void fake_program_step(struct fake_program *program, struct fake_driver *driver);
