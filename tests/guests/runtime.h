/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime.h - what the payload has in the place of an operating system: memory, page tables,
 * exceptions that are survived, the report
 *
 * Thread: the boot processor, but for memcpy() and its like, and pause_for().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define PAGE_SIZE UINT64_C(4096)

/* Some seconds, in ticks of any processor's time stamp counter. */
#define PATIENCE (UINT64_C(30) * 1000 * 1000 * 1000)

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);
bool text_equals(const char *a, const char *b);

/*
 * Map the first 4 GiB one to one, writable and executable, and take all exceptions. @boot_params
 * says where RAM ends and the initramfs lies.
 */
void runtime_init(const void *boot_params);

/* The first address behind RAM, all of which lies below 3 GiB. */
uint64_t ram_end(void);

/* The initramfs: the words in it name what is to be done. */
const char *initramfs(size_t *ret_size);

/* The top page table, for the second processor. */
uint64_t page_table(void);

/* A virtual address that leads to physical address @address, and the 2 MiB around it. */
uintptr_t map_window(uint64_t address);

/* Call @function. Returns 0, or 1 and the vector of the exception that ended it. */
unsigned int attempt(void (*function)(void *argument), void *argument);

/* Reset the machine by a triple fault. */
_Noreturn void triple_fault(void);

/* Stand still for good, interrupts off. */
_Noreturn void halt(void);

/* --- the report: Test Anything Protocol, on the early console --------------------------------- */

/* Print text, numbers: %s, %u (unsigned int), %x (uint64_t). */
void report(const char *format, ...);

/* One line, "ok" or "not ok", of the attack @name on @target. */
void report_result(bool is_ok, const char *target, const char *name);

/* How many of these there were. */
unsigned int report_count(void);

/* --- instructions ----------------------------------------------------------------------------- */

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline void pause_for(uint64_t ticks)
{
	uint64_t start = read_tsc();

	while (read_tsc() - start < ticks)
		relax();
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* @len bytes to one port, which leaves the guest once for very many. */
static inline void out_string(uint16_t port, const void *bytes, size_t len)
{
	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(len) : "d"(port) : "memory");
}

/* Any number that the compiler does not know. */
uint64_t random_number(void);
