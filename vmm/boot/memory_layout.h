/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_layout.h - every fixed guest-physical address, on x86-64
 *
 *   0x00000500  GDT of the boot processor
 *   0x00007000  boot_params, the "zero page"
 *   0x00009000  identity page tables: PML4, PDPT, one directory (1 GiB)
 *   0x00020000  kernel command line
 *   0x00030000  setup_data: device tree
 *   0x00040000  setup_data: random seed
 *   0x0009fc00  end of low RAM, as on every PC
 *   0x00100000  RAM again; vmlinux is linked to 0x01000000
 *   top of RAM below 3 GiB, downwards: initramfs
 *   0xd0000000  virtio-mmio register pages, which the guest reads as memory
 *   0xfec00000  IOAPIC, 0xfee00000 LAPIC (in KVM)
 */
#pragma once

#include <stdint.h>

#define LAYOUT_GDT UINT64_C(0x500)
#define LAYOUT_BOOT_PARAMS UINT64_C(0x7000)
#define LAYOUT_PAGE_TABLES UINT64_C(0x9000)
#define LAYOUT_PAGE_TABLES_SIZE UINT64_C(0x3000)
#define LAYOUT_IDENTITY_SIZE (UINT64_C(1) << 30) /* what these tables map */
#define LAYOUT_COMMAND_LINE UINT64_C(0x20000)
#define LAYOUT_COMMAND_LINE_SIZE UINT64_C(0x1000)
#define LAYOUT_DEVICE_TREE UINT64_C(0x30000)
#define LAYOUT_DEVICE_TREE_SIZE UINT64_C(0x8000)
#define LAYOUT_RANDOM_SEED UINT64_C(0x40000)
#define LAYOUT_LOW_RAM_END UINT64_C(0x9fc00)
#define LAYOUT_HIGH_RAM UINT64_C(0x100000)

#define LAYOUT_VIRTIO_BASE UINT64_C(0xd0000000)
#define LAYOUT_VIRTIO_STRIDE UINT64_C(0x1000)
#define LAYOUT_IOAPIC UINT64_C(0xfec00000)
#define LAYOUT_LAPIC UINT64_C(0xfee00000)

/*
 * IOAPIC pins of the devices, from the last one down. Those below 16 are pins of the PIC as well:
 * the kernel finds that, masks all of it, and has no use for its interrupts. No others are there.
 */
#define LAYOUT_VIRTIO_PIN(index) (23u - (index))
#define LAYOUT_VIRTIO_MAX_DEVICES 16u

/* The early console: one output port, as a 16550 has it. */
#define LAYOUT_EARLY_CONSOLE_PORT UINT64_C(0x3f8)
#define LAYOUT_EARLY_CONSOLE_SIZE UINT64_C(8)

_Static_assert(LAYOUT_BOOT_PARAMS + 0x1000 <= LAYOUT_PAGE_TABLES, "boot_params is a page");
_Static_assert(LAYOUT_PAGE_TABLES + LAYOUT_PAGE_TABLES_SIZE <= LAYOUT_COMMAND_LINE, "no overlap");
_Static_assert(LAYOUT_COMMAND_LINE + LAYOUT_COMMAND_LINE_SIZE <= LAYOUT_DEVICE_TREE, "no overlap");
_Static_assert(LAYOUT_DEVICE_TREE + LAYOUT_DEVICE_TREE_SIZE <= LAYOUT_RANDOM_SEED, "no overlap");
_Static_assert(LAYOUT_RANDOM_SEED + 0x1000 <= LAYOUT_LOW_RAM_END, "no overlap");
