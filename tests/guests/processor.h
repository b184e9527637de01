/* SPDX-License-Identifier: Apache-2.0 */
/* processor.h - the second processor, and the interrupt controllers */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/guests/device.h"

#define SECOND_START UINT64_C(0x8000) /* where it begins, below 1 MiB; nothing else lies there */

/*
 * Let the second processor, if there is one, call @work again and again until
 * second_processor_rest(), which waits for its end. Returns false when there is none.
 */
bool second_processor_work(void (*work)(void));
void second_processor_rest(void);

/* Let it stand still, as before its start. */
void second_processor_stop(void);

/* From now on interrupts of all devices arrive at the boot processor, and are counted. */
void interrupts_enable(void);
void interrupts_disable(void);
uint64_t interrupts_count(void);

/* Write to the local interrupt controller's command register: @destination is an APIC id. */
void interrupt_command(uint32_t destination, uint32_t command);
#define INTERRUPT_INIT 0x4500u
#define INTERRUPT_START 0x4600u
