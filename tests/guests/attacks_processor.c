/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that KVM looks at: none may stop the monitor, all are survived here. */
#include "tests/guests/attack.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"

#define NR_STORM 2000
#define NR_SELF_MODIFICATIONS 2000
#define RETURN 0xc3
#define GENERAL_PROTECTION 13

static bool is_wrong; /* what the last attack found out */

/* --- model-specific registers ----------------------------------------------------------------- */

struct msr {
	uint32_t index;
	uint64_t value;
};

static void read_msr(void *argument)
{
	struct msr *msr = argument;
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr->index));
	msr->value = (uint64_t)high << 32 | low;
}

static void write_msr(void *argument)
{
	const struct msr *msr = argument;

	__asm__ volatile("wrmsr"
			 :
			 : "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32)),
			   "c"(msr->index));
}

static void read_msrs(void)
{
	static const struct {
		uint32_t first, count;
	} ranges[] = {
		{ 0, 0x100 },	      { 0x170, 0x40 },	    { 0x200, 0x100 },
		{ 0x400, 0x80 },      { 0x480, 0x20 },	    { 0x800, 0x40 },
		{ 0xc0, 0x10 },	      { 0x40000000, 0x20 }, { 0x4b564d00, 0x20 },
		{ 0xc0000080, 0x90 }, { 0xc0010000, 0x40 }, { 0xc0010110, 0x20 },
		{ 0xffffff00, 0x10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		for (uint32_t j = 0; j < ranges[i].count; j++) {
			struct msr msr = { .index = ranges[i].first + j };

			(void)attempt(read_msr, &msr);
		}
}

/* Not those that this program lives by: paging, its clock, the interrupt controller's place. */
static void write_msrs(void)
{
	static const uint32_t indexes[] = {
		0x0,	    0x11,	0x12,	    0x17,	0x3a,	    0x48,	0x49,
		0x79,	    0x8b,	0xc1,	    0xe7,	0x10a,	    0x10b,	0x174,
		0x179,	    0x17a,	0x186,	    0x199,	0x1a0,	    0x1d9,	0x200,
		0x250,	    0x277,	0x2ff,	    0x345,	0x38f,	    0x400,	0x480,
		0x48b,	    0x560,	0x6e0,	    0x808,	0xd90,	    0xda0,	0x40000000,
		0x40000001, 0x40000100, 0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d05, 0x4b564d08,
		0xc0000081, 0xc0000082, 0xc0000104, 0xc0010000, 0xc0010015, 0xc001001f, 0xc0010114,
		0xc0010117, 0xc0010131, 0xc001102a, 0xffffffff,
	};
	static const uint64_t values[] = { UINT64_MAX, UINT64_C(1) << 45 | 1, 0xd0000001, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++)
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			struct msr msr = { indexes[i], values[j] };

			(void)attempt(write_msr, &msr);
		}
}

/* Steal time, clock: KVM writes there by itself. Behind RAM, in a device. */
static void clocks_in_wrong_places(void)
{
	static const uint32_t indexes[] = { 0x4b564d00, 0x4b564d01, 0x4b564d03 };
	const uint64_t places[] = { ram_end(), 0xd0000000, UINT64_C(1) << 50, UINT64_MAX & ~63ULL };

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++)
		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			struct msr msr = { indexes[i], places[j] | 1 };

			(void)attempt(write_msr, &msr);
			pause_for(PATIENCE / 10000);
			msr.value = 0;
			(void)attempt(write_msr, &msr);
		}
}

/* --- CPUID ------------------------------------------------------------------------------------ */

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *ret_ecx)
{
	uint32_t a = leaf, b, c = subleaf, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	*ret_ecx = c;
}

/* Nested virtualisation is not offered. */
static void cpuid_storm(void)
{
	uint32_t ecx;

	cpuid(1, 0, &ecx);
	is_wrong |= ecx >> 5 & 1;
	cpuid(0x80000001, 0, &ecx);
	is_wrong |= ecx >> 2 & 1;
	for (uint32_t i = 0; i < NR_STORM; i++)
		cpuid((uint32_t)random_number(), i % 64, &ecx);
}

/* --- instructions ----------------------------------------------------------------------------- */

#define INSTRUCTION(name, code)                                                                    \
	static void name(void *argument)                                                           \
	{                                                                                          \
		(void)argument;                                                                    \
		__asm__ volatile(code : : : "rax", "rbx", "rcx", "rdx", "memory");                 \
	}

INSTRUCTION(invalid_opcode, "ud2")
INSTRUCTION(breakpoint, "int3")
INSTRUCTION(divide, "xor %%eax, %%eax; cltd; div %%eax")
INSTRUCTION(not_canonical, "mov $0x8000000000000000, %%rax; mov (%%rax), %%rax")
INSTRUCTION(jump_not_canonical, "mov $0x8000000000000000, %%rax; jmp *%%rax")
INSTRUCTION(bad_segment, "mov $0xfff8, %%eax; mov %%eax, %%ds")
INSTRUCTION(bad_cr0, "mov %%cr0, %%rax; btc $0, %%rax; mov %%rax, %%cr0")
INSTRUCTION(bad_cr4, "mov $-1, %%rax; mov %%rax, %%cr4")
/* Not CR8: QEMU 7.2, the emulated host, aborts when it is written while an interrupt waits. */
INSTRUCTION(no_paging, "mov %%cr0, %%rax; btr $31, %%rax; mov %%rax, %%cr0")
INSTRUCTION(debug_registers, "mov $-1, %%rax; mov %%rax, %%dr7")
INSTRUCTION(vmcall, "mov $-1, %%rax; vmcall")
INSTRUCTION(vmmcall, "mov $9, %%eax; mov $-1, %%rbx; vmmcall")
INSTRUCTION(vmrun, "xor %%eax, %%eax; vmrun %%rax")
INSTRUCTION(vmload, "xor %%eax, %%eax; vmload %%rax")
INSTRUCTION(stgi, "stgi")
INSTRUCTION(clgi, "clgi")
INSTRUCTION(skinit, "xor %%eax, %%eax; skinit")
INSTRUCTION(invlpga, "xor %%eax, %%eax; xor %%ecx, %%ecx; invlpga")
INSTRUCTION(rsm, "rsm")
INSTRUCTION(xsetbv, "mov $-1, %%eax; mov %%eax, %%edx; xor %%ecx, %%ecx; xsetbv")
INSTRUCTION(rdpmc, "mov $-1, %%ecx; rdpmc")
INSTRUCTION(write_back, "wbinvd; invd")
INSTRUCTION(monitor_wait, "xor %%eax, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; monitor; mwait")
INSTRUCTION(system_call, "syscall")
INSTRUCTION(far_return, "push $0xfff8; push $0; lretq")
INSTRUCTION(single_step, "pushfq; orq $0x100, (%%rsp); popfq; nop; nop")
INSTRUCTION(task_register, "mov $0x18, %%eax; ltr %%ax")

static void instructions(void)
{
	static const struct {
		const char *name;
		void (*run)(void *);
	} all[] = {
		{ "invalid_opcode", invalid_opcode },
		{ "breakpoint", breakpoint },
		{ "divide", divide },
		{ "not_canonical", not_canonical },
		{ "jump_not_canonical", jump_not_canonical },
		{ "bad_segment", bad_segment },
		{ "bad_cr0", bad_cr0 },
		{ "bad_cr4", bad_cr4 },
		{ "no_paging", no_paging },
		{ "debug_registers", debug_registers },
		{ "vmcall", vmcall },
		{ "vmmcall", vmmcall },
		{ "vmrun", vmrun },
		{ "vmload", vmload },
		{ "stgi", stgi },
		{ "clgi", clgi },
		{ "skinit", skinit },
		{ "invlpga", invlpga },
		{ "rsm", rsm },
		{ "xsetbv", xsetbv },
		{ "rdpmc", rdpmc },
		{ "write_back", write_back },
		{ "monitor_wait", monitor_wait },
		{ "system_call", system_call },
		{ "far_return", far_return },
		{ "single_step", single_step },
		{ "task_register", task_register },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		report("# %s\n", all[i].name);
		(void)attempt(all[i].run, NULL);
	}
	is_wrong |= attempt(not_canonical, NULL) != GENERAL_PROTECTION + 1;
}

static void exception_storm(void)
{
	for (unsigned int i = 0; i < NR_STORM; i++)
		(void)attempt(i & 1 ? invalid_opcode : not_canonical, NULL);
}

/* Code that is written right before it runs, in this page and in the entry's. */
static void self_modification(void)
{
	static uint8_t code[16] __attribute__((aligned(4096)));
	extern uint8_t entry[];
	unsigned int (*function)(void) = (unsigned int (*)(void))(uintptr_t)code;
	uint8_t kept = entry[0];

	for (unsigned int i = 0; i < NR_SELF_MODIFICATIONS; i++) {
		const uint8_t load[] = { 0xb8, (uint8_t)i, (uint8_t)(i >> 8), 0, 0, RETURN };

		memcpy(code, load, sizeof(load));
		entry[0] = (uint8_t)i;
		is_wrong |= function() != i;
	}
	entry[0] = kept;
}

/* --- interrupts ------------------------------------------------------------------------------- */

/* To nobody, to all, of every kind but those that stop this processor; never awaited. */
static void commands_to_nobody(void)
{
	for (uint32_t i = 0; i < NR_STORM; i++)
		interrupt_command(2 + i % 250, i % 0x800);
}

static void interrupt_storm(void)
{
	uint64_t before = interrupts_count();

	interrupts_enable();
	for (unsigned int i = 0; i < NR_STORM; i++)
		interrupt_command(0, 64 + i % 100);
	pause_for(PATIENCE / 100);
	interrupts_disable();
	is_wrong |= interrupts_count() == before;
}

void attack_processor(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} attacks[] = {
		{ "reads of MSRs", read_msrs },
		{ "writes of MSRs", write_msrs },
		{ "clocks in wrong places", clocks_in_wrong_places },
		{ "CPUID storm", cpuid_storm },
		{ "exception storm", exception_storm },
		{ "code that modifies itself", self_modification },
		{ "interrupts for nobody", commands_to_nobody },
		{ "interrupt storm", interrupt_storm },
		/* The last, since some of them leave the emulated host's processor deaf. */
		{ "privileged and invalid instructions", instructions },
	};

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		is_wrong = false;
		attacks[i].run();
		if (is_wrong)
			report_result(false, "processor", attacks[i].name);
		else
			conclude_all("processor", attacks[i].name);
	}
}
