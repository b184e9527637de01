/* SPDX-License-Identifier: Apache-2.0 */
/* checked_math.h - arithmetic on sizes and addresses that cannot wrap unnoticed */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* True when [offset, offset + len) lies inside [0, size). No sum is formed, so nothing wraps. */
static inline bool range_fits(uint64_t offset, uint64_t len, uint64_t size)
{
	return offset <= size && len <= size - offset;
}

static inline bool is_power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}

/* @alignment is a power of two; @value is at most UINT64_MAX - @alignment + 1. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
