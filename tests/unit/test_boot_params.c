/* SPDX-License-Identifier: Apache-2.0 */
/* test_boot_params.c - what the kernel finds in memory at its entry */
#include <asm/bootparam.h>
#include <errno.h>
#include <libfdt.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/boot/boot_params.h"
#include "vmm/boot/memory_layout.h"

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)
#define SEED_SIZE 64

static struct guest_memory memory;
static struct cpu_boot_state state;
static struct error err;

static struct boot_plan good_plan(const char *command_line)
{
	return (struct boot_plan){
		.entry = { 0x1000123 },
		.initramfs = { 0x3000000 },
		.initramfs_size = 12345,
		.command_line = command_line,
		.nr_cpus = 2,
		.nr_virtio = 4,
	};
}

static const void *at(uint64_t address, uint64_t len)
{
	return guest_memory_range(&memory, (gpa_t){ address }, len);
}

/* Write for @size bytes of memory, which is there until guest_memory_fini(). */
static const struct boot_params *write_for(uint64_t size, const char *command_line)
{
	struct boot_plan plan = good_plan(command_line);

	is_int(guest_memory_init(&memory, size, &err), 0);
	is_int(boot_params_write(&memory, &plan, &state, &err), 0);
	return at(LAYOUT_BOOT_PARAMS, sizeof(struct boot_params));
}

static void test_state_and_header(void)
{
	const struct boot_params *params = write_for(64 * MIB, "console=hvc0 quiet");

	is_int(state.entry, 0x1000123);
	is_int(state.boot_params, LAYOUT_BOOT_PARAMS);
	is_int(state.page_table, LAYOUT_PAGE_TABLES);
	is_int(state.gdt, LAYOUT_GDT);
	is_int(params->hdr.header, 0x53726448);
	is_int(params->hdr.boot_flag, 0xaa55);
	is_int(params->hdr.type_of_loader, 0xff);
	is_int(params->hdr.cmd_line_ptr, LAYOUT_COMMAND_LINE);
	is_int(params->hdr.cmdline_size, strlen("console=hvc0 quiet"));
	is_str(at(LAYOUT_COMMAND_LINE, 64), "console=hvc0 quiet");
	is_int(params->hdr.ramdisk_image, 0x3000000);
	is_int(params->hdr.ramdisk_size, 12345);
	ok(memcmp(at(LAYOUT_GDT, sizeof(cpu_boot_gdt)), cpu_boot_gdt, sizeof(cpu_boot_gdt)) == 0);
	guest_memory_fini(&memory);
}

static void check_entry(const struct boot_params *params, unsigned int index, uint64_t start,
			uint64_t end)
{
	is_int(params->e820_table[index].addr, start);
	is_int(params->e820_table[index].size, end - start);
	is_int(params->e820_table[index].type, 1);
}

static void test_memory_map(void)
{
	static const struct {
		uint64_t size, low_end, high_end;
	} cases[] = {
		{ 64 * MIB, 64 * MIB, 0 },
		{ 3 * GIB, 3 * GIB, 0 },
		{ 3 * GIB + 4096, 3 * GIB, 4 * GIB + 4096 },
		{ 5 * GIB, 3 * GIB, 6 * GIB },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct boot_params *params = write_for(cases[i].size, "");

		is_int(params->e820_entries, cases[i].high_end ? 3 : 2);
		check_entry(params, 0, 0, LAYOUT_LOW_RAM_END);
		check_entry(params, 1, LAYOUT_HIGH_RAM, cases[i].low_end);
		if (cases[i].high_end)
			check_entry(params, 2, GUEST_MEMORY_HIGH_BASE, cases[i].high_end);
		guest_memory_fini(&memory);
	}
}

/* Walk the tables as the processor does: the first GiB is mapped onto itself, no more. */
static void test_page_tables(void)
{
	const uint64_t *top, *pointers, *directory;

	(void)write_for(64 * MIB, "");
	top = at(state.page_table, 4096);
	ok(top[0] & 1 && !top[1]);
	pointers = at(top[0] & ~UINT64_C(0xfff), 4096);
	ok(pointers[0] & 1 && !pointers[1]);
	directory = at(pointers[0] & ~UINT64_C(0xfff), 4096);
	for (uint64_t i = 0; i < 512; i++)
		if (directory[i] != (i << 21 | 0x83))
			is_int(directory[i], i << 21 | 0x83);
	is_int(directory[511] & ~UINT64_C(0xfff), GIB - 2 * MIB);
	guest_memory_fini(&memory);
}

/* The list of setup_data: a device tree, then a seed, then nothing. */
static void test_setup_data(void)
{
	const struct boot_params *params = write_for(64 * MIB, "");
	const struct setup_data *data = at(params->hdr.setup_data, sizeof(*data));
	const void *tree = data->data;

	is_int(data->type, SETUP_DTB);
	ok(range_fits(params->hdr.setup_data + sizeof(*data), data->len,
		      LAYOUT_DEVICE_TREE + LAYOUT_DEVICE_TREE_SIZE));
	is_int(fdt_check_header(tree), 0);
	ok(fdt_totalsize(tree) <= data->len);
	ok(fdt_path_offset(tree, "/cpus/cpu@1") >= 0);
	ok(fdt_path_offset(tree, "/cpus/cpu@2") < 0);
	data = at(data->next, sizeof(*data) + SEED_SIZE);
	is_int(data->type, SETUP_RNG_SEED);
	is_int(data->len, SEED_SIZE);
	is_int(data->next, 0);
	guest_memory_fini(&memory);
}

static void test_seeds_differ(void)
{
	uint8_t seeds[2][SEED_SIZE];

	for (int i = 0; i < 2; i++) {
		(void)write_for(64 * MIB, "");
		is_int(guest_memory_read(&memory,
					 (gpa_t){ LAYOUT_RANDOM_SEED + sizeof(struct setup_data) },
					 seeds[i], SEED_SIZE),
		       0);
		guest_memory_fini(&memory);
	}
	ok(memcmp(seeds[0], seeds[1], SEED_SIZE) != 0);
	ok(memcmp(seeds[0], seeds[0] + SEED_SIZE / 2, SEED_SIZE / 2) != 0);
}

static void test_long_command_line(void)
{
	static char line[LAYOUT_COMMAND_LINE_SIZE + 1];
	struct boot_plan plan = good_plan(line);

	memset(line, 'x', LAYOUT_COMMAND_LINE_SIZE - 1);
	(void)write_for(64 * MIB, line);
	is_int(boot_params_write(&memory, &plan, &state, &err), 0);
	is_str(at(LAYOUT_COMMAND_LINE, LAYOUT_COMMAND_LINE_SIZE), line);
	line[LAYOUT_COMMAND_LINE_SIZE - 1] = 'x';
	is_int(boot_params_write(&memory, &plan, &state, &err), -E2BIG);
	guest_memory_fini(&memory);
}

/* Memory that ends before what has to be written is an error, not a crash. */
static void test_little_memory(void)
{
	struct boot_plan plan = good_plan("");

	for (uint64_t size = 4096; size <= LAYOUT_RANDOM_SEED; size += 4096) {
		is_int(guest_memory_init(&memory, size, &err), 0);
		is_int(boot_params_write(&memory, &plan, &state, &err), -EFAULT);
		guest_memory_fini(&memory);
	}
}

int main(void)
{
	test_state_and_header();
	test_memory_map();
	test_page_tables();
	test_setup_data();
	test_seeds_differ();
	test_long_command_line();
	test_little_memory();
	return tap_done();
}
