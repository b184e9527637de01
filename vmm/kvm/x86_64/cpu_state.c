/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/x86_64/cpu_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18

#define CR0_PE (1u << 0)
#define CR0_ET (1u << 4)
#define CR0_PG (1u << 31)
#define CR4_PAE (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define RFLAGS_ALWAYS_SET (1u << 1)

#define SEGMENT_CODE_EXECUTE_READ_ACCESSED 11
#define SEGMENT_DATA_READ_WRITE_ACCESSED 3

const uint64_t cpu_boot_gdt[CPU_BOOT_GDT_ENTRIES] = {
	[SELECTOR_CODE / 8] = UINT64_C(0x00af9b000000ffff), /* 64-bit, ring 0 */
	[SELECTOR_DATA / 8] = UINT64_C(0x00cf93000000ffff), /* ring 0 */
};

int cpu_set_boot_state(int vcpu_fd, const struct cpu_boot_state *state, struct error *err)
{
	const struct kvm_segment code = {
		.limit = UINT32_MAX,
		.selector = SELECTOR_CODE,
		.type = SEGMENT_CODE_EXECUTE_READ_ACCESSED,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = UINT32_MAX,
		.selector = SELECTOR_DATA,
		.type = SEGMENT_DATA_READ_WRITE_ACCESSED,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_regs registers = {
		.rip = state->entry,
		.rsi = state->boot_params,
		.rsp = state->stack,
		.rflags = RFLAGS_ALWAYS_SET,
	};
	struct kvm_sregs special;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &special) < 0)
		return error_set(err, errno, "KVM_GET_SREGS");
	special.gdt.base = state->gdt;
	special.gdt.limit = sizeof(cpu_boot_gdt) - 1;
	special.cs = code;
	special.ds = special.es = special.fs = special.gs = special.ss = data;
	special.cr3 = state->page_table;
	special.cr4 = CR4_PAE;
	special.cr0 = CR0_PE | CR0_ET | CR0_PG;
	special.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &special) < 0)
		return error_set(err, errno, "KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &registers) < 0)
		return error_set(err, errno, "KVM_SET_REGS");
	return 0;
}
