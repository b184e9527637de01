/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/* Three pages that Intel's KVM needs somewhere below 4 GiB, away from RAM and devices. */
#define TSS_ADDRESS 0xfffbd000u

/* Behind those of RAM. */
#define READ_ONLY_SLOT ARRAY_SIZE(((struct guest_memory *)NULL)->regions)

static int add_memory(int vm_fd, const struct guest_memory *memory, struct error *err)
{
	for (unsigned int i = 0; i < memory->nr_regions; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->base.raw,
			.memory_size = region->size,
			.userspace_addr = (uintptr_t)region->host,
		};

		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return error_set(err, errno, "KVM_SET_USER_MEMORY_REGION");
	}
	return 0;
}

int vm_init(struct vm *vm, int kvm_fd, const struct guest_memory *memory, struct error *err)
{
	AUTO_CLOSE int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	int r;

	*vm = (struct vm){ .kvm_fd = kvm_fd, .vm_fd = -1 };
	if (vm_fd < 0)
		return error_set(err, errno, "KVM_CREATE_VM");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0)
		return error_set(err, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set(err, errno, "KVM_CREATE_IRQCHIP");
	r = add_memory(vm_fd, memory, err);
	if (r < 0)
		return r;
	vm->vm_fd = fd_take(&vm_fd);
	return 0;
}

void vm_fini(struct vm *vm)
{
	fd_close(&vm->vm_fd);
}

int vm_add_read_only(struct vm *vm, uint64_t address, const void *host, size_t size,
		     struct error *err)
{
	struct kvm_userspace_memory_region slot = {
		.slot = READ_ONLY_SLOT,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = address,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return error_set(err, errno, "KVM_SET_USER_MEMORY_REGION, read-only");
	return 0;
}

int vm_add_ioeventfd(struct vm *vm, uint64_t address, uint32_t value, int event_fd,
		     struct error *err)
{
	struct kvm_ioeventfd event = {
		.datamatch = value,
		.addr = address,
		.len = 4,
		.fd = event_fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(vm->vm_fd, KVM_IOEVENTFD, &event) < 0)
		return error_set(err, errno, "KVM_IOEVENTFD");
	return 0;
}

/* No failure is possible once the pin is one that there is. */
void vm_pin_pulse(const struct vm_pin *pin)
{
	struct kvm_irq_level level = { .irq = pin->number, .level = 1 };

	(void)ioctl(pin->vm->vm_fd, KVM_IRQ_LINE, &level);
	level.level = 0;
	(void)ioctl(pin->vm->vm_fd, KVM_IRQ_LINE, &level);
}
