/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - one KVM virtual machine: memory slots, interrupt controller, event descriptors
 *
 * Thread: set up by one thread before vCPUs run.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

struct vm {
	int kvm_fd; /* borrowed */
	int vm_fd;
};

/* Create a VM with in-kernel LAPIC and IOAPIC and @memory as its RAM. */
int vm_init(struct vm *vm, int kvm_fd, const struct guest_memory *memory, struct error *err);
void vm_fini(struct vm *vm);

/* From now on a 4-byte write of @value to guest address @address signals @event_fd. */
int vm_add_ioeventfd(struct vm *vm, uint64_t address, uint32_t value, int event_fd,
		     struct error *err);

/* From now on a signal on @event_fd raises IOAPIC pin @pin, edge-triggered. */
int vm_add_irqfd(struct vm *vm, uint32_t pin, int event_fd, struct error *err);
