/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/processor.h"

#include "tests/guests/runtime.h"
#include "vmm/boot/memory_layout.h"

#define APIC_PRIORITY 0x80
#define APIC_SPURIOUS 0xf0
#define APIC_COMMAND_LOW 0x300
#define APIC_COMMAND_HIGH 0x310
#define APIC_ENABLE 0x1ffu /* and the spurious vector, 255 */
#define IOAPIC_DATA 0x10
#define PIC_MASK 0x21
#define PIC_SECOND_MASK 0xa1
#define IOAPIC_TABLE 0x10u
#define DEVICE_VECTOR 48u
#define MASKED 0x10000u
#define SECOND_APIC 1u

extern uint8_t second_start[], second_start_end[], second_start_page_table[];
extern volatile uint64_t interrupts_taken;

static void (*volatile second_work)(void);
static volatile bool second_is_up;
static volatile unsigned int second_rounds; /* finished looks at second_work */

static void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(LAYOUT_LAPIC + reg) = value;
}

void interrupt_command(uint32_t destination, uint32_t command)
{
	apic_write(APIC_COMMAND_HIGH, destination << 24);
	apic_write(APIC_COMMAND_LOW, command);
}

void second_main(void);

void second_main(void)
{
	second_is_up = true;
	for (;;) {
		void (*work)(void) = second_work;

		if (work)
			work();
		else
			relax();
		second_rounds++;
	}
}

static bool await_second(void)
{
	uint64_t start = read_tsc();

	while (!second_is_up)
		if (read_tsc() - start > PATIENCE / 10)
			return false;
	return true;
}

static bool start_second(void)
{
	uint8_t *place = (uint8_t *)(uintptr_t)SECOND_START;
	size_t len = (uintptr_t)second_start_end - (uintptr_t)second_start;
	size_t table = (uintptr_t)second_start_page_table - (uintptr_t)second_start;
	uint32_t value = (uint32_t)page_table();

	memcpy(place, second_start, len);
	memcpy(place + table, &value, sizeof(value));
	apic_write(APIC_SPURIOUS, APIC_ENABLE);
	interrupt_command(SECOND_APIC, INTERRUPT_INIT);
	pause_for(PATIENCE / 1000);
	interrupt_command(SECOND_APIC, INTERRUPT_START | (uint32_t)(SECOND_START >> 12));
	return await_second();
}

bool second_processor_work(void (*work)(void))
{
	if (!second_is_up && !start_second())
		return false;
	second_work = work;
	return true;
}

void second_processor_rest(void)
{
	unsigned int round;

	second_work = 0;
	/* The round under way may have begun before that, the one after it has not. */
	round = second_rounds;
	while (second_rounds - round < 2)
		relax();
}

void second_processor_stop(void)
{
	if (second_is_up)
		interrupt_command(SECOND_APIC, INTERRUPT_INIT);
	second_is_up = false;
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)LAYOUT_IOAPIC = reg;
	*(volatile uint32_t *)(uintptr_t)(LAYOUT_IOAPIC + IOAPIC_DATA) = value;
}

static void set_pins(uint32_t flags)
{
	for (uint32_t i = 0; i < NR_DEVICES; i++) {
		uint32_t entry = IOAPIC_TABLE + 2 * (LAYOUT_VIRTIO_PIN(devices[i].place));

		ioapic_write(entry + 1, 0);
		ioapic_write(entry, (DEVICE_VECTOR + i) | flags);
	}
}

void interrupts_enable(void)
{
	apic_write(APIC_SPURIOUS, APIC_ENABLE);
	set_pins(0);
	/* Pins below 16 are the PIC's, too, which would call for vectors of its own. */
	out8(PIC_MASK, UINT8_MAX);
	out8(PIC_SECOND_MASK, UINT8_MAX);
	/* Earlier attacks may have left a priority below which nothing gets through. */
	apic_write(APIC_PRIORITY, 0);
	__asm__ volatile("sti");
}

void interrupts_disable(void)
{
	__asm__ volatile("cli");
	set_pins(MASKED);
}

uint64_t interrupts_count(void)
{
	return interrupts_taken;
}
