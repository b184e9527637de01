/* SPDX-License-Identifier: Apache-2.0 */
/* Registers written at wrong times, with wrong values, in wrong ways (virtio 1.2, 4.2.2). */
#include <linux/virtio_mmio.h>

#include "tests/guests/attack.h"
#include "tests/guests/runtime.h"

#define REGISTERS_END 0x140 /* of all that mean something, and some more */
#define PAGE_END 0x1000
#define FAILED 0x80u
#define ALL_FEATURES UINT64_MAX
#define NR_RANDOM_STATUS 40

/* --- status ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum outcome outcome;
	uint8_t steps[6]; /* values written to the status, up to a 0 */
} sequences[] = {
	{ "DRIVER_OK at once", FAILS, { STATUS_DRIVER_OK } },
	{ "DRIVER without ACKNOWLEDGE", FAILS, { 2 } },
	{ "FEATURES_OK without DRIVER", FAILS, { 1, 9 } },
	{ "DRIVER_OK without FEATURES_OK", FAILS, { 1, 3, 7 } },
	{ "back to DRIVER", FAILS, { 1, 3, 1 } },
	{ "NEEDS_RESET by the driver", FAILS, { 1, 3, 0x43 } },
	{ "all bits", FAILS, { 0xff } },
	{ "unknown bit", FAILS, { 1, 0x11 } },
	{ "FAILED, and then on", FAILS, { 1, 3, 3 | FAILED, STATUS_DRIVER } },
	{ "FAILED alone", GOES_ON, { FAILED } },
	{ "the same again", GOES_ON, { 1, 1, 3, 3, 3 } },
};

static void try_sequences(struct device *device)
{
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
		const uint8_t *steps = sequences[i].steps;

		device_set_status(device, 0);
		for (unsigned int j = 0; j < ARRAY_SIZE(sequences[i].steps) && steps[j]; j++)
			device_set_status(device, steps[j]);
		conclude(device, sequences[i].outcome, sequences[i].name);
	}
}

static void high_status_bits(struct device *device)
{
	device_set_status(device, STATUS_DRIVER_OK | UINT32_C(0x100));
}

static void random_status(struct device *device)
{
	for (unsigned int i = 0; i < NR_RANDOM_STATUS; i++)
		device_set_status(device, (uint32_t)random_number() & 0xcf);
}

/* --- features --------------------------------------------------------------------------------- */

/* FEATURES_OK must not stay; if it does, fail where no failure is due. */
static void refuse(struct device *device, uint64_t features)
{
	device_negotiate(device, features);
	if (device_read(device, VIRTIO_MMIO_STATUS) != STATUS_DRIVER)
		device_set_status(device, UINT32_MAX);
}

static void no_features(struct device *device)
{
	refuse(device, 0);
}

static void all_features(struct device *device)
{
	refuse(device, ALL_FEATURES);
}

static void features_not_offered(struct device *device)
{
	refuse(device, device->features | UINT64_C(1) << 28 | UINT64_C(1) << 34);
}

static void features_of_no_word(struct device *device)
{
	device_set_status(device, 0);
	device_set_status(device, 1);
	device_set_status(device, STATUS_DRIVER);
	device_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, UINT32_MAX);
	device_write(device, VIRTIO_MMIO_DRIVER_FEATURES, 1);
}

static void late_features(struct device *device)
{
	device_negotiate(device, device->features);
	device_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	device_write(device, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	device_place_properly(device, device->main_queue);
	device_set_status(device, STATUS_DRIVER_OK);
}

static void offered_words(struct device *device)
{
	for (uint32_t i = 2; i; i <<= 1) {
		device_write(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
		if (device_read(device, VIRTIO_MMIO_DEVICE_FEATURES))
			device_set_status(device, UINT32_MAX);
	}
}

/* --- every register --------------------------------------------------------------------------- */

static void access_at(uintptr_t address, unsigned int width, bool is_write)
{
	uint64_t value = random_number();

	if (width == 1 && is_write)
		*(volatile uint8_t *)address = (uint8_t)value;
	else if (width == 1)
		(void)*(volatile uint8_t *)address;
	else if (width == 2 && is_write)
		*(volatile uint16_t *)address = (uint16_t)value;
	else if (width == 2)
		(void)*(volatile uint16_t *)address;
	else if (width == 4 && is_write)
		*(volatile uint32_t *)address = (uint32_t)value;
	else if (width == 4)
		(void)*(volatile uint32_t *)address;
	else if (is_write)
		*(volatile uint64_t *)address = value;
	else
		(void)*(volatile uint64_t *)address;
}

/* Step 3: all remainders of all widths come up. The last accesses cross into the next page. */
static void sweep(struct device *device, bool is_write)
{
	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uintptr_t offset = 0; offset < REGISTERS_END; offset += 3)
			access_at(device->base + offset, width, is_write);
		for (uintptr_t offset = PAGE_END - 8; offset < PAGE_END; offset++)
			access_at(device->base + offset, width, is_write);
	}
}

static void read_all(struct device *device)
{
	sweep(device, false);
}

static void write_all(struct device *device)
{
	sweep(device, true);
}

/* In the state in which registers of queues can be written. */
static void write_all_early(struct device *device)
{
	device_negotiate(device, device->features);
	sweep(device, true);
}

static void write_all_words(struct device *device)
{
	for (uint32_t reg = 0; reg < REGISTERS_END; reg += 4)
		device_write(device, reg, UINT32_MAX);
}

static void copy_strings(struct device *device)
{
	static uint8_t buffer[256];
	void *registers = (void *)device->base;

	memcpy(buffer, registers, sizeof(buffer));
	memcpy(registers, registers, 16);
	memset((uint8_t *)registers + VIRTIO_MMIO_CONFIG, 0xff, 64);
}

static void atomic_operations(struct device *device)
{
	volatile uint32_t *status = (volatile uint32_t *)(device->base + VIRTIO_MMIO_STATUS);
	volatile uint64_t *both = (volatile uint64_t *)(device->base + VIRTIO_MMIO_STATUS - 4);

	(void)__atomic_fetch_add(status, 1, __ATOMIC_SEQ_CST);
	(void)__atomic_exchange_n(status, UINT32_MAX, __ATOMIC_SEQ_CST);
	(void)__atomic_fetch_xor(both, UINT64_MAX, __ATOMIC_SEQ_CST);
}

/* --- config space ----------------------------------------------------------------------------- */

/* Read-only: written to, it stays the same. */
static void write_config(struct device *device)
{
	uintptr_t config = device->base + VIRTIO_MMIO_CONFIG;
	uint64_t before = *(volatile uint64_t *)config;

	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uintptr_t offset = 0; offset < 16; offset++)
			access_at(config + offset, width, true);
	if (*(volatile uint64_t *)config != before)
		device_set_status(device, UINT32_MAX);
}

static void read_behind_config(struct device *device)
{
	for (uintptr_t offset = 64; offset < 128; offset += 8)
		if (*(volatile uint64_t *)(device->base + VIRTIO_MMIO_CONFIG + offset))
			device_set_status(device, UINT32_MAX);
}

static const struct attack attacks[] = {
	{ "status above 8 bits", FAILS, high_status_bits },
	{ "random status", EITHER, random_status },
	{ "no features", GOES_ON, no_features },
	{ "all features", GOES_ON, all_features },
	{ "features that are not offered", GOES_ON, features_not_offered },
	{ "features of no word", FAILS, features_of_no_word },
	{ "features after FEATURES_OK", GOES_ON, late_features },
	{ "offered features of no word", GOES_ON, offered_words },
	{ "reads of all widths everywhere", EITHER, read_all },
	{ "writes of all widths everywhere", EITHER, write_all },
	{ "the same before DRIVER_OK", EITHER, write_all_early },
	{ "2^32 - 1 in every register", FAILS, write_all_words },
	{ "string instructions", EITHER, copy_strings },
	{ "atomic instructions", EITHER, atomic_operations },
	{ "writes to the config space", GOES_ON, write_config },
	{ "reads behind the config space", GOES_ON, read_behind_config },
};

void attack_registers(void)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		try_sequences(&devices[i]);
		attack_device(&devices[i], attacks, ARRAY_SIZE(attacks));
	}
}
