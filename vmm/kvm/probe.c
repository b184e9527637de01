/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/probe.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "vmm/base/clock.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/kvm/x86_64/cpu_state.h"
#include "vmm/memory/guest_memory.h"

/* The probe's own little address space. */
#define PROBE_MEMORY_SIZE 0x10000
#define PROBE_GDT 0x500
#define PROBE_PML4 0x1000
#define PROBE_PDPT 0x2000
#define PROBE_DIRECTORY 0x3000
#define PROBE_CODE 0x4000
#define PROBE_STACK 0x8000
#define PROBE_PORT 0x10 /* where the guest writes the sum it computed */
#define PROBE_TIMEOUT_MS 2000

#define PAGE_PRESENT_WRITABLE 0x3
#define PAGE_LARGE 0x80

/*
 * 64-bit mode, flat, at PROBE_CODE. The sum of 1 to 4096, some twelve thousand ordinary
 * instructions; then x87 and SSE state saved and restored with XSAVE, a 16-byte compare-exchange
 * that must succeed, and the sum written to the port.
 */
#define PROBE_LOOPS 4096
#define PROBE_SUM (PROBE_LOOPS * (PROBE_LOOPS + 1) / 2)
__asm__(".pushsection .rodata\n"
	"probe_code:\n"
	"	mov $4096, %ecx\n"
	"	xor %esi, %esi\n"
	"1:	add %ecx, %esi\n"
	"	dec %ecx\n"
	"	jnz 1b\n"
	"	mov %cr4, %rax\n"
	"	or $0x40200, %eax\n" /* OSXSAVE, OSFXSR */
	"	mov %rax, %cr4\n"
	"	xor %ecx, %ecx\n"
	"	xor %edx, %edx\n"
	"	mov $3, %eax\n" /* x87 and SSE */
	"	xsetbv\n"
	"	xsave 0x5000\n"
	"	xrstor 0x5000\n"
	"	xor %eax, %eax\n"
	"	xor %ebx, %ebx\n"
	"	lock cmpxchg16b 0x6000\n"
	"	jnz 2f\n"
	"	mov %esi, %eax\n"
	"2:	out %eax, $0x10\n"
	"3:	jmp 3b\n"
	"probe_code_end:\n"
	".popsection\n");
extern const uint8_t probe_code[], probe_code_end[];

struct probe {
	bool is_done;
	uint32_t sum;
};

static void on_access(void *context, enum vcpu_space space, uint64_t address, uint8_t *data,
		      uint32_t len, bool is_write)
{
	struct probe *probe = context;

	if (space != VCPU_SPACE_PORTS || address != PROBE_PORT || !is_write ||
	    len != sizeof(probe->sum))
		return;
	memcpy(&probe->sum, data, sizeof(probe->sum));
	probe->is_done = true;
}

static int load(const struct guest_memory *memory)
{
	const uint64_t pml4 = PROBE_PDPT | PAGE_PRESENT_WRITABLE;
	const uint64_t pdpt = PROBE_DIRECTORY | PAGE_PRESENT_WRITABLE;
	const uint64_t directory = PAGE_PRESENT_WRITABLE | PAGE_LARGE;
	/* cppcheck-suppress comparePointers ; two labels in one piece of code */
	const uint64_t code_size = (uint64_t)(probe_code_end - probe_code);
	int r = guest_memory_write(memory, (gpa_t){ PROBE_GDT }, cpu_boot_gdt,
				   sizeof(cpu_boot_gdt));

	if (!r)
		r = guest_memory_write(memory, (gpa_t){ PROBE_PML4 }, &pml4, sizeof(pml4));
	if (!r)
		r = guest_memory_write(memory, (gpa_t){ PROBE_PDPT }, &pdpt, sizeof(pdpt));
	if (!r)
		r = guest_memory_write(memory, (gpa_t){ PROBE_DIRECTORY }, &directory,
				       sizeof(directory));
	if (!r)
		r = guest_memory_write(memory, (gpa_t){ PROBE_CODE }, probe_code, code_size);
	return r;
}

static void on_alarm(int signal_number)
{
	(void)signal_number; /* its only work is to interrupt KVM_RUN */
}

/* Until stopped, interrupt whatever this thread does every 100 ms. */
static void set_ticking(bool is_ticking)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const suseconds_t tick = is_ticking ? 100000 : 0;
	const struct itimerval timer = { .it_interval.tv_usec = tick, .it_value.tv_usec = tick };

	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static enum probe_result run(struct vcpu *vcpu, const struct probe *probe, struct error *err)
{
	int64_t deadline = clock_now_ms() + PROBE_TIMEOUT_MS;
	const char *text = NULL;
	int r = 0;

	set_ticking(true);
	while (!r && !probe->is_done && clock_now_ms() < deadline)
		r = vcpu_run_once(vcpu, &text);
	set_ticking(false);
	if (r < 0 && vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		(void)error_invalid(err, "%s", text);
		return PROBE_EMULATES;
	}
	if (!r && probe->is_done && probe->sum == PROBE_SUM)
		return PROBE_RUNS;
	if (r)
		(void)error_invalid(err, "%s", text);
	else if (probe->is_done)
		(void)error_invalid(err, "the guest computed a wrong result");
	else
		(void)error_set(err, ETIMEDOUT, "wait for the guest");
	return PROBE_FAILS;
}

static enum probe_result run_in(struct vm *vm, struct error *err)
{
	const struct cpu_boot_state state = {
		.entry = PROBE_CODE,
		.page_table = PROBE_PML4,
		.gdt = PROBE_GDT,
		.stack = PROBE_STACK,
	};
	struct probe probe = { 0 };
	const struct vcpu_environment environment = { .on_access = on_access, .context = &probe };
	enum probe_result result = PROBE_FAILS;
	struct vcpu vcpu;

	if (vcpu_init(&vcpu, vm, 0, &environment, err) < 0)
		return PROBE_FAILS;
	if (cpu_set_boot_state(vcpu.fd, &state, err) == 0)
		result = run(&vcpu, &probe, err);
	vcpu_fini(&vcpu);
	return result;
}

enum probe_result probe_run(int kvm_fd, struct error *err)
{
	enum probe_result result = PROBE_FAILS;
	struct guest_memory memory;
	struct vm vm;
	int r;

	if (guest_memory_init(&memory, PROBE_MEMORY_SIZE, err) < 0)
		return PROBE_FAILS;
	r = load(&memory);
	if (r < 0)
		(void)error_set(err, -r, "load the probe");
	else if (vm_init(&vm, kvm_fd, &memory, err) == 0) {
		result = run_in(&vm, err);
		vm_fini(&vm);
	}
	guest_memory_fini(&memory);
	return result;
}
