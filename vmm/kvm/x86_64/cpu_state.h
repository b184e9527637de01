/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_state.h - the registers an x86-64 vCPU starts with: 64-bit mode on flat segments */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

struct cpu_boot_state {
	uint64_t entry;	      /* guest-physical address of the first instruction */
	uint64_t page_table;  /* guest-physical address of an identity-mapping top-level table */
	uint64_t gdt;	      /* guest-physical address of CPU_BOOT_GDT_ENTRIES descriptors */
	uint64_t boot_params; /* handed over in RSI (Linux 64-bit boot protocol) */
	uint64_t stack;	      /* RSP, or 0: Linux brings its own */
};

#define CPU_BOOT_GDT_ENTRIES 4

/* The descriptors that cpu_set_boot_state() expects at @gdt: null, null, code, data. */
extern const uint64_t cpu_boot_gdt[CPU_BOOT_GDT_ENTRIES];

/* Put the vCPU into 64-bit mode with paging, interrupts off, at @state->entry. */
int cpu_set_boot_state(int vcpu_fd, const struct cpu_boot_state *state, struct error *err);
