/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_boot.c - what a kernel finds at its entry, for machines of every shape
 *
 * A device tree that does not fit is an error, and nothing is written behind its end; one that does
 * is well-formed and has a node for each processor and device. The memory map lies in RAM.
 */
#include <asm/bootparam.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/boot/boot_params.h"
#include "vmm/boot/device_tree.h"
#include "vmm/boot/memory_layout.h"

#define TREE_SIZE_MAX 0x10000u
#define CPUS_MAX 300u
#define MIB (UINT64_C(1) << 20)
#define COMMAND_LINE_MAX (LAYOUT_COMMAND_LINE_SIZE + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int count_nodes(const void *tree, const char *path)
{
	int parent = fdt_path_offset(tree, path);
	unsigned int nr = 0;
	int node;

	BUG_ON(parent < 0);
	fdt_for_each_subnode(node, tree, parent) nr++;
	return nr;
}

static void check_tree(const void *tree, size_t size, unsigned int nr_cpus, unsigned int nr_virtio)
{
	BUG_ON(fdt_check_full(tree, size) != 0);
	BUG_ON(count_nodes(tree, "/cpus") != nr_cpus);
	BUG_ON(count_nodes(tree, "/soc") != nr_virtio + 2); /* and two interrupt controllers */
}

static void try_tree(struct fake_program *program)
{
	size_t size = (size_t)fake_program_number(program, TREE_SIZE_MAX) % (TREE_SIZE_MAX + 1);
	unsigned int nr_cpus = (unsigned int)fake_program_number(program, 64) % CPUS_MAX;
	unsigned int nr_virtio = fake_program_byte(program) % (LAYOUT_VIRTIO_MAX_DEVICES + 1);
	AUTO_FREE void *buffer = malloc(size ? size : 1); /* its end is watched */
	struct error err = { 0 };

	BUG_ON(!buffer);
	if (device_tree_build(buffer, size, nr_cpus, nr_virtio, &err) < 0)
		BUG_ON(err.code <= 0 || !err.text[0]);
	else
		check_tree(buffer, size, nr_cpus, nr_virtio);
}

static void check_map(const struct guest_memory *memory)
{
	struct boot_params params;
	uint64_t total = 0;
	uint64_t size = 0;

	BUG_ON(guest_memory_read(memory, (gpa_t){ LAYOUT_BOOT_PARAMS }, &params, sizeof(params)));
	for (unsigned int i = 0; i < params.e820_entries; i++) {
		gpa_t start = { params.e820_table[i].addr };

		BUG_ON(!guest_memory_range(memory, start, params.e820_table[i].size));
		total += params.e820_table[i].size;
	}
	for (unsigned int i = 0; i < memory->nr_regions; i++)
		size += memory->regions[i].size;
	BUG_ON(total != size - (LAYOUT_HIGH_RAM - LAYOUT_LOW_RAM_END));
}

static void try_boot_params(struct fake_program *program)
{
	static char command_line[COMMAND_LINE_MAX];
	uint64_t mib = 1 + fake_program_number(program, 8192) % 8192;
	size_t len = (size_t)fake_program_number(program, COMMAND_LINE_MAX) % COMMAND_LINE_MAX;
	struct boot_plan plan = {
		.entry = { LAYOUT_HIGH_RAM },
		.initramfs = { fake_program_number(program, GUEST_MEMORY_LOW_LIMIT) },
		.initramfs_size = fake_program_word(program),
		.command_line = command_line,
		.nr_cpus = 1 + fake_program_byte(program),
		.nr_virtio = fake_program_byte(program) % (LAYOUT_VIRTIO_MAX_DEVICES + 1),
	};
	uint64_t slack = fake_program_byte(program) % 2 ? 0x1000 : 0;
	struct cpu_boot_state state = { 0 };
	struct guest_memory memory;
	struct error err = { 0 };

	memset(command_line, 'x', len);
	command_line[len] = 0;
	BUG_ON(guest_memory_init(&memory, mib * MIB + slack, &err) < 0);
	if (boot_params_write(&memory, &plan, &state, &err) < 0) {
		BUG_ON(err.code <= 0 || !err.text[0] || state.entry);
		/* A single MiB has no high RAM; else it is too much that is to be written. */
		BUG_ON(len < LAYOUT_COMMAND_LINE_SIZE && plan.nr_cpus <= 64);
	} else {
		BUG_ON(len >= LAYOUT_COMMAND_LINE_SIZE);
		check_map(&memory);
		check_tree(guest_memory_range(
				   &memory,
				   (gpa_t){ LAYOUT_DEVICE_TREE + sizeof(struct setup_data) },
				   LAYOUT_DEVICE_TREE_SIZE - sizeof(struct setup_data)),
			   LAYOUT_DEVICE_TREE_SIZE - sizeof(struct setup_data), plan.nr_cpus,
			   plan.nr_virtio);
	}
	guest_memory_fini(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };

	if (fake_program_byte(&program) % 2)
		try_tree(&program);
	else
		try_boot_params(&program);
	return 0;
}
