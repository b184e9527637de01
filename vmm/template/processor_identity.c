/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/processor_identity.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

#define CPUID_ENTRIES_MAX 256

/* Leaves as the processor manuals number them. */
#define LEAF_FEATURES 0x1
#define LEAF_TOPOLOGY 0xb
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_EXTENDED_TOPOLOGY 0x8000001e
#define FEATURES_EBX_APIC_ID UINT32_C(0xff000000)

static const unsigned int capabilities[] = {
	KVM_CAP_XSAVE2,	      KVM_CAP_TSC_CONTROL, KVM_CAP_TSC_DEADLINE_TIMER,
	KVM_CAP_ADJUST_CLOCK, KVM_CAP_SREGS2,	   KVM_CAP_VCPU_EVENTS,
};

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t value, const uint32_t *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		for (unsigned int shift = 0; shift < 32; shift += 8)
			value = (value ^ (words[i] >> shift & 0xff)) * UINT64_C(0x100000001b3);
	return value;
}

/* The numbers of the processor on which this thread happens to run. */
static void forget_own_number(struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case LEAF_FEATURES:
		entry->ebx &= ~FEATURES_EBX_APIC_ID;
		break;
	case LEAF_TOPOLOGY:
	case LEAF_TOPOLOGY_V2:
		entry->edx = 0;
		break;
	case LEAF_EXTENDED_TOPOLOGY:
		entry->eax = entry->ebx = entry->ecx = 0;
		break;
	default:
		break;
	}
}

int processor_identity(int kvm_fd, uint64_t *ret, struct error *err)
{
	AUTO_FREE struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
	uint32_t version = (uint32_t)ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	uint64_t value = hash(UINT64_C(0xcbf29ce484222325), &version, 1);

	if (!cpuid)
		return error_set(err, ENOMEM, "read the supported CPUID");
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return error_set(err, errno, "KVM_GET_SUPPORTED_CPUID");
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		uint32_t answer = (uint32_t)ioctl(kvm_fd, KVM_CHECK_EXTENSION, capabilities[i]);

		value = hash(value, &answer, 1);
	}
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
		uint32_t words[7];

		forget_own_number(entry);
		words[0] = entry->function;
		words[1] = entry->index;
		words[2] = entry->flags;
		words[3] = entry->eax;
		words[4] = entry->ebx;
		words[5] = entry->ecx;
		words[6] = entry->edx;
		value = hash(value, words, ARRAY_SIZE(words));
	}
	*ret = value;
	return 0;
}
