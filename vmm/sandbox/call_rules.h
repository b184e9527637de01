/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_rules.h - how the tables of call_filter.h are written
 *
 *   CALL(name, reason), CALL_IF(name, reason, condition...)
 */
#pragma once

#include <sys/syscall.h>

#include "vmm/sandbox/call_filter.h"

#define CALL(name_, reason_)                                                                       \
	{                                                                                          \
		.number = SYS_##name_, .name = #name_, .reason = (reason_)                         \
	}
#define CALL_IF(name_, reason_, ...)                                                               \
	{                                                                                          \
		.number = SYS_##name_, .name = #name_, .reason = (reason_), .conditions = {        \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/* The argument is @value_, of which the kernel looks at 32 bits. */
#define IS(index_, value_)                                                                         \
	{                                                                                          \
		.index = (index_), .mask = UINT32_MAX, .value = (uint32_t)(value_),                \
		.text = #value_                                                                    \
	}

/* Of the argument's bits no others than @bits_ are set. */
#define ONLY(index_, bits_)                                                                        \
	{                                                                                          \
		.index = (index_), .mask = ~(uint64_t)(bits_), .text = "only " #bits_              \
	}
