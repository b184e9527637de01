/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/boot_params.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "vmm/base/checked_math.h"
#include "vmm/boot/device_tree.h"
#include "vmm/boot/memory_layout.h"

#define BOOT_FLAG 0xaa55
#define HEADER_MAGIC 0x53726448 /* "HdrS" */
#define LOADER_UNDEFINED 0xff
#define E820_RAM 1
#define RANDOM_SEED_SIZE 64

#define PAGE_PRESENT_WRITABLE UINT64_C(0x3)
#define PAGE_LARGE UINT64_C(0x80)
#define PAGE_TABLE_ENTRIES 512
#define LARGE_PAGE_SHIFT 21

/* One table is too large for the stack frames we allow ourselves, so it is written in place. */
static int write_page_tables(const struct guest_memory *memory, struct error *err)
{
	uint64_t *tables =
		guest_memory_range(memory, (gpa_t){ LAYOUT_PAGE_TABLES }, LAYOUT_PAGE_TABLES_SIZE);
	uint64_t *top = tables, *pointers, *directory;

	if (!tables)
		return error_set(err, EFAULT, "write page tables");
	pointers = top + PAGE_TABLE_ENTRIES;
	directory = pointers + PAGE_TABLE_ENTRIES;
	top[0] = (LAYOUT_PAGE_TABLES + 0x1000) | PAGE_PRESENT_WRITABLE;
	pointers[0] = (LAYOUT_PAGE_TABLES + 0x2000) | PAGE_PRESENT_WRITABLE;
	for (uint64_t i = 0; i < PAGE_TABLE_ENTRIES; i++)
		directory[i] = (i << LARGE_PAGE_SHIFT) | PAGE_PRESENT_WRITABLE | PAGE_LARGE;
	return 0;
}

static void add_ram(struct boot_params *params, uint64_t start, uint64_t end)
{
	params->e820_table[params->e820_entries++] =
		(struct boot_e820_entry){ .addr = start, .size = end - start, .type = E820_RAM };
}

/* A setup_data entry of @len payload bytes already in place behind its header. */
static int write_setup_data(const struct guest_memory *memory, uint64_t address, uint64_t next,
			    uint32_t type, uint32_t len)
{
	struct setup_data header = { .next = next, .type = type, .len = len };

	return guest_memory_write(memory, (gpa_t){ address }, &header, sizeof(header));
}

static int write_device_tree(const struct guest_memory *memory, const struct boot_plan *plan,
			     struct error *err)
{
	uint64_t payload = LAYOUT_DEVICE_TREE + sizeof(struct setup_data);
	uint32_t size = LAYOUT_DEVICE_TREE_SIZE - sizeof(struct setup_data);
	void *tree = guest_memory_range(memory, (gpa_t){ payload }, size);
	int r;

	if (!tree)
		return error_set(err, EFAULT, "write the device tree");
	r = device_tree_build(tree, size, plan->nr_cpus, plan->nr_virtio, err);
	if (r < 0)
		return r;
	r = write_setup_data(memory, LAYOUT_DEVICE_TREE, LAYOUT_RANDOM_SEED, SETUP_DTB, size);
	return r < 0 ? error_set(err, -r, "write the device tree") : 0;
}

static int write_random_seed(const struct guest_memory *memory, struct error *err)
{
	uint64_t payload = LAYOUT_RANDOM_SEED + sizeof(struct setup_data);
	uint8_t seed[RANDOM_SEED_SIZE];
	int r;

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return error_set(err, errno, "get random bytes for the guest");
	r = guest_memory_write(memory, (gpa_t){ payload }, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	if (!r)
		r = write_setup_data(memory, LAYOUT_RANDOM_SEED, 0, SETUP_RNG_SEED,
				     RANDOM_SEED_SIZE);
	return r < 0 ? error_set(err, -r, "write the random seed") : 0;
}

static int write_zero_page(const struct guest_memory *memory, const struct boot_plan *plan,
			   struct error *err)
{
	struct boot_params params = { 0 };
	int r;

	params.hdr.boot_flag = BOOT_FLAG;
	params.hdr.header = HEADER_MAGIC;
	params.hdr.type_of_loader = LOADER_UNDEFINED;
	/* The kernel then chooses where its own memory regions lie, by the processor's entropy. */
	params.hdr.loadflags = LOADED_HIGH | KASLR_FLAG;
	params.hdr.cmd_line_ptr = (uint32_t)LAYOUT_COMMAND_LINE;
	params.hdr.cmdline_size = (uint32_t)strlen(plan->command_line);
	params.hdr.ramdisk_image = (uint32_t)plan->initramfs.raw; /* below 3 GiB */
	params.hdr.ramdisk_size = (uint32_t)plan->initramfs_size;
	params.hdr.setup_data = LAYOUT_DEVICE_TREE;
	add_ram(&params, 0, LAYOUT_LOW_RAM_END);
	add_ram(&params, LAYOUT_HIGH_RAM, memory->regions[0].size);
	if (memory->nr_regions > 1)
		add_ram(&params, memory->regions[1].base.raw,
			memory->regions[1].base.raw + memory->regions[1].size);
	r = guest_memory_write(memory, (gpa_t){ LAYOUT_BOOT_PARAMS }, &params, sizeof(params));
	return r < 0 ? error_set(err, -r, "write boot_params") : 0;
}

static int write_command_line(const struct guest_memory *memory, const char *command_line,
			      struct error *err)
{
	size_t size = strlen(command_line) + 1;
	int r;

	if (size > LAYOUT_COMMAND_LINE_SIZE)
		return error_set(err, E2BIG, "write the kernel command line");
	r = guest_memory_write(memory, (gpa_t){ LAYOUT_COMMAND_LINE }, command_line, size);
	return r < 0 ? error_set(err, -r, "write the kernel command line") : 0;
}

int boot_params_write(const struct guest_memory *memory, const struct boot_plan *plan,
		      struct cpu_boot_state *ret_state, struct error *err)
{
	int r = write_page_tables(memory, err);

	if (!r)
		r = write_command_line(memory, plan->command_line, err);
	if (!r)
		r = write_device_tree(memory, plan, err);
	if (!r)
		r = write_random_seed(memory, err);
	if (!r)
		r = write_zero_page(memory, plan, err);
	if (r < 0)
		return r;
	r = guest_memory_write(memory, (gpa_t){ LAYOUT_GDT }, cpu_boot_gdt, sizeof(cpu_boot_gdt));
	if (r < 0)
		return error_set(err, -r, "write the GDT");
	*ret_state = (struct cpu_boot_state){
		.entry = plan->entry.raw,
		.page_table = LAYOUT_PAGE_TABLES,
		.gdt = LAYOUT_GDT,
		.boot_params = LAYOUT_BOOT_PARAMS,
	};
	return 0;
}
