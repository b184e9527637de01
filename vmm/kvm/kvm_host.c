/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/kvm_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/base/checked_math.h"

#define KVM_DEVICE "/dev/kvm"

static const struct {
	int capability;
	const char *name;
} required_capabilities[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },		  /* LAPIC and IOAPIC in the kernel */
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },	  /* guest RAM is our memory */
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" }, /* Intel's real-mode helper pages */
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },	  /* choose what the guest may see */
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },	  /* doorbells are eventfds */
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

int kvm_host_open(struct error *err)
{
	int fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", KVM_DEVICE);
	return fd;
}

int kvm_host_check(int kvm_fd, struct error *err)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set(err, errno, "%s: KVM_GET_API_VERSION", KVM_DEVICE);
	if (version != KVM_API_VERSION)
		return error_invalid(err, "%s: API version %d, need %d", KVM_DEVICE, version,
				     KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(required_capabilities); i++)
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, required_capabilities[i].capability) <= 0)
			return error_invalid(err, "%s lacks %s", KVM_DEVICE,
					     required_capabilities[i].name);
	return 0;
}

unsigned int kvm_host_max_vcpus(int kvm_fd)
{
	int n = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);

	return n > 0 ? (unsigned int)n : 1;
}
