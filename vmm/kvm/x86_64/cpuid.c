/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/x86_64/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/base/fd.h"

#define CPUID_ENTRIES_MAX 256

/* Leaves and bits as the processor manuals number them. */
#define LEAF_FEATURES 0x1
#define LEAF_TOPOLOGY 0xb
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_EXTENDED_FEATURES 0x80000001
#define FEATURES_ECX_VMX (1u << 5)
#define FEATURES_ECX_TSC_DEADLINE (1u << 24)
#define FEATURES_ECX_HYPERVISOR (1u << 31)
#define FEATURES_EBX_APIC_ID_SHIFT 24
#define EXTENDED_FEATURES_ECX_SVM (1u << 2)

static void adjust_entry(struct kvm_cpuid_entry2 *entry, uint32_t index, bool has_tsc_deadline)
{
	switch (entry->function) {
	case LEAF_FEATURES:
		entry->ebx &= (1u << FEATURES_EBX_APIC_ID_SHIFT) - 1;
		entry->ebx |= index << FEATURES_EBX_APIC_ID_SHIFT;
		/* No nested virtualisation: KVM's code for it has been a way out of guests. */
		entry->ecx &= ~FEATURES_ECX_VMX;
		entry->ecx |= FEATURES_ECX_HYPERVISOR;
		if (has_tsc_deadline)
			entry->ecx |= FEATURES_ECX_TSC_DEADLINE;
		break;
	case LEAF_TOPOLOGY:
	case LEAF_TOPOLOGY_V2:
		entry->edx = index;
		break;
	case LEAF_EXTENDED_FEATURES:
		entry->ecx &= ~EXTENDED_FEATURES_ECX_SVM;
		break;
	default:
		break;
	}
}

int cpuid_set(int kvm_fd, int vcpu_fd, uint32_t index, struct error *err)
{
	/* The LAPIC's deadline timer is KVM's own, so the supported leaves do not list it. */
	bool has_tsc_deadline = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	AUTO_FREE struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return error_set(err, ENOMEM, "read the supported CPUID");
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return error_set(err, errno, "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < cpuid->nent; i++)
		adjust_entry(&cpuid->entries[i], index, has_tsc_deadline);
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid) < 0)
		return error_set(err, errno, "KVM_SET_CPUID2");
	return 0;
}
