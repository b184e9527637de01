/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - one KVM virtual machine: memory slots, interrupt controller, event descriptors
 *
 * Thread: set up by one thread before vCPUs run, but for what says otherwise.
 */
#pragma once

#include <stddef.h>
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

/*
 * The page-aligned @size bytes at @host, which stay the caller's, are what the guest reads at
 * @address; its writes leave the guest as those to a device do (KVM_MEM_READONLY). Once for a VM.
 */
int vm_add_read_only(struct vm *vm, uint64_t address, const void *host, size_t size,
		     struct error *err);

/* From now on a 4-byte write of @value to guest address @address signals @event_fd. */
int vm_add_ioeventfd(struct vm *vm, uint64_t address, uint32_t value, int event_fd,
		     struct error *err);

/* A pin of the VM's IOAPIC. */
struct vm_pin {
	const struct vm *vm;
	uint32_t number;
};

/*
 * Raise @pin for a moment: an edge. Any thread, at any time.
 *
 * Not an irqfd, for which the host's kernel wakes a thread of its own each time, since only a
 * message (MSI) can be delivered where an eventfd is written.
 */
void vm_pin_pulse(const struct vm_pin *pin);
