/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/runtime.h"

#include <asm/bootparam.h>
#include <stdarg.h>

#include "vmm/boot/memory_layout.h"

#define PAGE_PRESENT_WRITABLE UINT64_C(3)
#define PAGE_LARGE UINT64_C(0x80)
#define LARGE_PAGE (2 * MIB)
#define ENTRIES 512
#define IDENTITY_TABLES 4		/* GiB */
#define WINDOW_BASE (UINT64_C(8) * GIB) /* of the virtual addresses */

#define VECTORS 256
#define STUB_SIZE 16
#define SELECTOR_CODE 0x10
#define INTERRUPT_GATE 0x8e00

struct gate {
	uint16_t offset_low, selector, type, offset_middle;
	uint32_t offset_high, reserved;
};

static uint64_t top[ENTRIES] __attribute__((aligned(4096)));
static uint64_t pointers[ENTRIES] __attribute__((aligned(4096)));
static uint64_t directories[IDENTITY_TABLES][ENTRIES] __attribute__((aligned(4096)));
static uint64_t window_directory[ENTRIES] __attribute__((aligned(4096)));
static struct gate gates[VECTORS];
static struct boot_params boot;
static unsigned int nr_results;

extern const uint8_t vector_stubs[];

void *memcpy(void *to, const void *from, size_t len)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
	return start;
}

void *memmove(void *to, const void *from, size_t len)
{
	uint8_t *out = to;
	const uint8_t *in = from;

	if (out <= in)
		return memcpy(to, from, len);
	for (volatile size_t i = len; i > 0; i--)
		out[i - 1] = in[i - 1];
	return to;
}

void *memset(void *to, int value, size_t len)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *first = a, *second = b;

	for (volatile size_t i = 0; i < len; i++)
		if (first[i] != second[i])
			return first[i] - second[i];
	return 0;
}

size_t strlen(const char *text)
{
	const volatile char *end = text;

	while (*end)
		end++;
	return (size_t)(end - text);
}

bool text_equals(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && memcmp(a, b, len) == 0;
}

/* --- processor -------------------------------------------------------------------------------- */

static void build_page_tables(void)
{
	top[0] = (uintptr_t)pointers | PAGE_PRESENT_WRITABLE;
	for (uint64_t i = 0; i < IDENTITY_TABLES; i++) {
		pointers[i] = (uintptr_t)directories[i] | PAGE_PRESENT_WRITABLE;
		for (uint64_t j = 0; j < ENTRIES; j++)
			directories[i][j] =
				(i * GIB + j * LARGE_PAGE) | PAGE_PRESENT_WRITABLE | PAGE_LARGE;
	}
	pointers[WINDOW_BASE / GIB] = (uintptr_t)window_directory | PAGE_PRESENT_WRITABLE;
	__asm__ volatile("mov %0, %%cr3" : : "r"(page_table()) : "memory");
}

uint64_t page_table(void)
{
	return (uintptr_t)top;
}

uintptr_t map_window(uint64_t address)
{
	uint64_t base = address & ~(LARGE_PAGE - 1);

	/* Two pages, so that accesses may cross from one to the other. */
	for (uint64_t i = 0; i < 2; i++) {
		uintptr_t place = WINDOW_BASE + i * LARGE_PAGE;

		*(volatile uint64_t *)&window_directory[i] =
			(base + i * LARGE_PAGE) | PAGE_PRESENT_WRITABLE | PAGE_LARGE;
		__asm__ volatile("invlpg (%0)" : : "r"(place) : "memory");
	}
	return WINDOW_BASE + (address - base);
}

static void load_gates(const void *base, uint16_t limit)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { limit, (uintptr_t)base };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static void take_exceptions(void)
{
	for (unsigned int i = 0; i < VECTORS; i++) {
		uintptr_t stub = (uintptr_t)vector_stubs + (uintptr_t)i * STUB_SIZE;

		gates[i] = (struct gate){
			.offset_low = (uint16_t)stub,
			.selector = SELECTOR_CODE,
			.type = INTERRUPT_GATE,
			.offset_middle = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
	load_gates(gates, sizeof(gates) - 1);
}

_Noreturn void on_fatal_exception(unsigned int vector, uint64_t rip, uint64_t rip_behind_code);

_Noreturn void on_fatal_exception(unsigned int vector, uint64_t rip, uint64_t rip_behind_code)
{
	report("\nnot ok exception %u at %x or %x\n", vector, rip, rip_behind_code);
	halt();
}

_Noreturn void triple_fault(void)
{
	load_gates(NULL, 0);
	__asm__ volatile("ud2");
	halt();
}

_Noreturn void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void runtime_init(const void *boot_params)
{
	memcpy(&boot, boot_params, sizeof(boot));
	build_page_tables();
	take_exceptions();
}

uint64_t ram_end(void)
{
	const struct boot_e820_entry *last = &boot.e820_table[boot.e820_entries - 1];

	return last->addr + last->size;
}

const char *initramfs(size_t *ret_size)
{
	*ret_size = boot.hdr.ramdisk_size;
	return (const char *)(uintptr_t)boot.hdr.ramdisk_image;
}

uint64_t random_number(void)
{
	static uint64_t state;

	/* A linear congruential generator: the same numbers at each run, nothing more is asked. */
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 16;
}

/* --- the report ------------------------------------------------------------------------------- */

struct line {
	char text[256];
	size_t len;
};

static void add(struct line *line, char c)
{
	if (line->len < sizeof(line->text))
		line->text[line->len++] = c;
}

static void add_number(struct line *line, uint64_t number, unsigned int base)
{
	char digits[20];
	unsigned int nr = 0;

	do {
		digits[nr++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	while (nr)
		add(line, digits[--nr]);
}

void report(const char *format, ...)
{
	struct line line = { .len = 0 };
	va_list args;

	va_start(args, format);
	for (const char *c = format; *c; c++) {
		if (*c != '%') {
			add(&line, *c);
			continue;
		}
		c++;
		if (*c == 'u')
			add_number(&line, va_arg(args, unsigned int), 10);
		else if (*c == 'x')
			add_number(&line, va_arg(args, uint64_t), 16);
		else
			for (const char *text = va_arg(args, const char *); *text; text++)
				add(&line, *text);
	}
	va_end(args);
	out_string(LAYOUT_EARLY_CONSOLE_PORT, line.text, line.len);
}

void report_result(bool is_ok, const char *target, const char *name)
{
	report("%s %u %s: %s\n", is_ok ? "ok" : "not ok", ++nr_results, target, name);
}

unsigned int report_count(void)
{
	return nr_results;
}
