/* SPDX-License-Identifier: Apache-2.0 */
/* template_maker_calls.c - what the maker of a template calls once it is sealed */
#include <linux/kvm.h>
#include <signal.h>
#include <sys/mman.h>

#include "vmm/base/checked_math.h"
#include "vmm/sandbox/call_rules.h"

#define SAVES "the machine's state, once it stands still"

/* Its vCPUs have the monitor's filter. */
static const struct call_rule rules[] = {
	CALL(epoll_wait, "wait for doorbells"),
	CALL(epoll_ctl, "a machine that ended is not waited for"),
	CALL(read, "eventfds, a timer"),
	CALL(write, "eventfds, the state, the log"),
	CALL(pwrite64, "the memory, page by page"),
	CALL(sendto, "the result; a file request, which nobody answers"),
	CALL(getrandom, "the guest's entropy device"),
	CALL(futex, "the locks of devices, the gate of a pause"),
	CALL_IF(tgkill, "call a processor out of the guest", IS(2, SIGPIPE)),
	CALL(brk, "memory for the state"),
	CALL(clock_gettime, "the time in a log line, where the vDSO does not know it"),
	CALL_IF(ioctl, "interrupts", IS(1, KVM_IRQ_LINE)),
	CALL_IF(madvise, "free pages that the guest reports go back", IS(2, MADV_DONTNEED)),
	CALL_IF(ioctl, "end an access that is under way", IS(1, KVM_RUN)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_CHECK_EXTENSION)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_MSR_INDEX_LIST)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_MSRS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_REGS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_SREGS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_XCRS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_XSAVE)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_XSAVE2)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_DEBUGREGS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_LAPIC)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_VCPU_EVENTS)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_MP_STATE)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_TSC_KHZ)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_IRQCHIP)),
	CALL_IF(ioctl, SAVES, IS(1, KVM_GET_CLOCK)),
	CALL(exit_group, "the end"),
};

const struct call_filter template_maker_filter = {
	.role = "template maker",
	.rules = rules,
	.nr_rules = ARRAY_SIZE(rules),
};
