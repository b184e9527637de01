/* SPDX-License-Identifier: Apache-2.0 */
/* test_cpuid.c - what a guest is told about its processor, with this file in the place of KVM */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "tests/unit/tap.h"
#include "vmm/kvm/x86_64/cpuid.h"

#define KVM_FD 1000
#define VCPU_FD 1001
#define NR_LEAVES 5

static const uint32_t leaves[NR_LEAVES] = { 0x1, 0x7, 0xb, 0x1f, 0x80000001 };
static uint32_t all_bits; /* of every register of every leaf that "KVM" supports */
static struct kvm_cpuid_entry2 set[NR_LEAVES];
static unsigned int nr_set;
static unsigned long failing; /* the request that fails, 0: none */

static void support(struct kvm_cpuid2 *cpuid)
{
	for (unsigned int i = 0; i < NR_LEAVES; i++)
		cpuid->entries[i] = (struct kvm_cpuid_entry2){ .function = leaves[i],
							       .eax = all_bits,
							       .ebx = all_bits,
							       .ecx = all_bits,
							       .edx = all_bits };
	cpuid->nent = NR_LEAVES;
}

/* The C library's, which this takes the place of: the requests of cpuid_set() and no others. */
int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_cpuid2 *cpuid;
	va_list args;

	va_start(args, request);
	cpuid = va_arg(args, struct kvm_cpuid2 *);
	va_end(args);
	if (request == failing) {
		errno = EIO;
		return -1;
	}
	if (fd == KVM_FD && request == KVM_CHECK_EXTENSION)
		return 1;
	if (fd == KVM_FD && request == KVM_GET_SUPPORTED_CPUID && cpuid->nent >= NR_LEAVES) {
		support(cpuid);
		return 0;
	}
	if (fd != VCPU_FD || request != KVM_SET_CPUID2)
		abort();
	nr_set = cpuid->nent;
	for (unsigned int i = 0; i < nr_set && i < NR_LEAVES; i++)
		set[i] = cpuid->entries[i];
	return 0;
}

/* Class: nested virtualisation, whose code in KVM has been a way out of guests. */
static void test_no_nested_virtualisation(void)
{
	struct error err;

	all_bits = UINT32_MAX;
	is_int(cpuid_set(KVM_FD, VCPU_FD, 0, &err), 0);
	is_int(nr_set, NR_LEAVES);
	is_int(set[0].ecx, UINT32_MAX & ~(1u << 5)); /* VMX */
	is_int(set[4].ecx, UINT32_MAX & ~(1u << 2)); /* SVM */
	is_int(set[1].ebx, UINT32_MAX);		     /* and nothing else is taken */
	is_int(set[4].edx, UINT32_MAX);
}

static void test_what_every_guest_has(void)
{
	struct error err;

	all_bits = 0;
	is_int(cpuid_set(KVM_FD, VCPU_FD, 3, &err), 0);
	is_int(set[0].ecx, 1u << 31 | 1u << 24); /* hypervisor, deadline timer */
	is_int(set[0].ebx, 3u << 24);		 /* the number of the processor's APIC */
	is_int(set[2].edx, 3);
	is_int(set[3].edx, 3);
	is_int(set[4].ecx, 0);
}

static void test_failures(void)
{
	struct error err;

	failing = KVM_GET_SUPPORTED_CPUID;
	is_int(cpuid_set(KVM_FD, VCPU_FD, 0, &err), -EIO);
	failing = KVM_SET_CPUID2;
	is_int(cpuid_set(KVM_FD, VCPU_FD, 0, &err), -EIO);
	failing = 0;
}

int main(void)
{
	test_no_nested_virtualisation();
	test_what_every_guest_has();
	test_failures();
	return tap_done();
}
