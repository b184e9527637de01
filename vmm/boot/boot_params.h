/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_params.h - what the kernel finds in memory at its entry: zero page, memory map, command
 * line, device tree, random seed, page tables, GDT (Linux/x86 boot protocol, 64-bit)
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/kvm/x86_64/cpu_state.h"
#include "vmm/memory/guest_memory.h"

struct boot_plan {
	gpa_t entry; /* of the loaded kernel */
	gpa_t initramfs;
	uint64_t initramfs_size;
	const char *command_line;
	unsigned int nr_cpus;
	unsigned int nr_virtio;
};

/*
 * Write everything into @memory and say in *@ret_state how vCPU 0 has to start. Fresh random bytes
 * are taken from the host at each call: a seed for the guest's random pool, which also decides
 * where the kernel puts its memory regions.
 */
int boot_params_write(const struct guest_memory *memory, const struct boot_plan *plan,
		      struct cpu_boot_state *ret_state, struct error *err);
