/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and ports where there is nothing, or something of KVM's. */
#include "tests/guests/attack.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"
#include "vmm/boot/memory_layout.h"

#define SPAN 24 /* bytes on both sides of a border */
#define PORT_STEP 61
#define NR_STRING_BYTES 4096

struct place {
	const char *name;
	uint64_t address;
};

/* Around one address: all widths, unaligned, across the border. An exception is no failure. */
static void touch(void *argument)
{
	uint64_t address = *(uint64_t *)argument;
	uintptr_t window = map_window(address - SPAN / 2);

	for (uintptr_t offset = 0; offset < SPAN; offset += 5) {
		volatile uint8_t *place = (volatile uint8_t *)(window + offset);

		(void)*place;
		(void)*(volatile uint16_t *)place;
		(void)*(volatile uint32_t *)place;
		(void)*(volatile uint64_t *)place;
		*place = 0xff;
		*(volatile uint16_t *)place = 0xffff;
		*(volatile uint32_t *)place = 0;
		*(volatile uint64_t *)place = UINT64_MAX;
	}
}

static void touch_all(void)
{
	const struct place places[] = {
		{ "the end of RAM", ram_end() + SPAN },
		{ "above RAM", ram_end() + 64 * MIB },
		{ "below 3 GiB", 3 * GIB - SPAN },
		{ "3 GiB", 3 * GIB },
		{ "before the devices", LAYOUT_VIRTIO_BASE - SPAN },
		{ "behind the devices",
		  LAYOUT_VIRTIO_BASE + LAYOUT_VIRTIO_MAX_DEVICES * LAYOUT_VIRTIO_STRIDE },
		{ "before the IOAPIC", LAYOUT_IOAPIC - SPAN },
		{ "IOAPIC", LAYOUT_IOAPIC },
		{ "behind the IOAPIC's registers", LAYOUT_IOAPIC + 0x100 },
		{ "before the LAPIC", LAYOUT_LAPIC - SPAN },
		{ "LAPIC version", LAYOUT_LAPIC + 0x30 },
		{ "behind the LAPIC's registers", LAYOUT_LAPIC + 0x400 },
		{ "KVM's own pages", 0xfffbd000 },
		{ "below 4 GiB", 4 * GIB - SPAN },
		{ "4 GiB", 4 * GIB },
		{ "2^36", UINT64_C(1) << 36 },
		{ "2^39", UINT64_C(1) << 39 },
		{ "2^40", UINT64_C(1) << 40 },
		{ "2^46", UINT64_C(1) << 46 },
		{ "2^51", UINT64_C(1) << 51 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t address = places[i].address;

		(void)attempt(touch, &address);
		conclude_all("memory", places[i].name);
	}
}

static void read_ports(void *argument)
{
	(void)argument;
	for (uint32_t port = 0; port < 65536; port += PORT_STEP) {
		uint32_t value;

		(void)in8((uint16_t)port);
		__asm__ volatile("inw %1, %w0" : "=a"(value) : "Nd"((uint16_t)port));
		__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)port));
	}
}

static void write_ports(void *argument)
{
	(void)argument;
	for (uint32_t port = 0; port < 65536; port += PORT_STEP) {
		__asm__ volatile("outw %w0, %1" : : "a"(0xffff), "Nd"((uint16_t)port));
		__asm__ volatile("outl %0, %1" : : "a"(UINT32_MAX), "Nd"((uint16_t)port));
	}
}

/* Those of a PC: none must do what it does there (reset, A20, PCI, power). */
static void write_pc_ports(void *argument)
{
	static const uint16_t ports[] = { 0x20,	 0x21,	0x43,  0x60,   0x61,   0x64,  0x70,  0x80,
					  0x92,	 0xa0,	0xa1,  0x1f0,  0x2f8,  0x3f9, 0x3fb, 0x3ff,
					  0x402, 0x4d0, 0x4d1, 0x501,  0x510,  0x600, 0x604, 0xb2,
					  0xcf8, 0xcf9, 0xcfc, 0x5658, 0x8000, 0xb004 };

	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		for (unsigned int value = 0; value < 256; value += 51)
			out8(ports[i], (uint8_t)value);
}

static void strings(void *argument)
{
	static uint8_t bytes[NR_STRING_BYTES];
	static const uint16_t ports[] = { 0, 0x3f8, 0x3fd, 0x3ff, 0x400, 0xffff };

	(void)argument;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		void *to = bytes;
		const void *from = bytes;
		size_t count = sizeof(bytes);

		__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(ports[i]) : "memory");
		to = bytes;
		count = sizeof(bytes) / 4;
		__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(ports[i]) : "memory");
		if (ports[i] == LAYOUT_EARLY_CONSOLE_PORT)
			continue;
		count = sizeof(bytes) / 2;
		__asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(ports[i]) : "memory");
	}
}

/* From a port into a device's registers, and back. */
static void strings_to_devices(void *argument)
{
	void *to = (void *)devices[DEVICE_RNG].base;
	const void *from = to;
	size_t count = 64;

	(void)argument;
	__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(0x3fd) : "memory");
	count = 64;
	__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(0x80) : "memory");
}

void attack_addresses(void)
{
	static const struct {
		const char *name;
		void (*run)(void *);
	} attacks[] = {
		{ "reads of all widths", read_ports },
		{ "writes of two widths", write_ports },
		{ "what a PC has", write_pc_ports },
		{ "string instructions", strings },
		{ "string instructions to and from registers", strings_to_devices },
	};

	touch_all();
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		(void)attempt(attacks[i].run, NULL);
		conclude_all("ports", attacks[i].name);
	}
}
