/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/newer_calls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define X32_BIT 0x40000000u /* in the numbers of x32, which has the x86-64 architecture */

#define STEPS_PER_ARCHITECTURE 6u
#define STEPS_MAX (NEWER_CALLS_ARCHITECTURES_MAX * STEPS_PER_ARCHITECTURE + 2u)

int newer_calls_add_architecture(struct newer_calls *calls, uint32_t token)
{
	for (unsigned int i = 0; i < calls->nr_architectures; i++)
		if (calls->architectures[i].token == token)
			return 0;
	if (calls->nr_architectures == NEWER_CALLS_ARCHITECTURES_MAX)
		return -ENOSPC;
	calls->architectures[calls->nr_architectures].token = token;
	calls->architectures[calls->nr_architectures++].newest = -1;
	return 0;
}

void newer_calls_note(struct newer_calls *calls, const char *name)
{
	for (unsigned int i = 0; i < calls->nr_architectures; i++) {
		int number = seccomp_syscall_resolve_name_arch(calls->architectures[i].token, name);

		/* Calls that the architecture does not have are negative. */
		if (number > calls->architectures[i].newest)
			calls->architectures[i].newest = number;
	}
}

static struct sock_filter step(unsigned int code, unsigned int jt, unsigned int jf, uint32_t k)
{
	return (struct sock_filter){
		.code = (uint16_t)code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k
	};
}

/*
 * Six steps for one architecture, which either jump over the @behind steps that follow them, to the
 * one that refuses, or go on with the next one.
 */
static void add_steps(struct sock_filter *steps, uint32_t token, int newest, unsigned int behind)
{
	const uint32_t number = offsetof(struct seccomp_data, nr);
	const uint32_t architecture = offsetof(struct seccomp_data, arch);
	bool is_x32 = token == SCMP_ARCH_X32;

	steps[0] = step(BPF_LD | BPF_W | BPF_ABS, 0, 0, architecture);
	steps[1] = step(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, is_x32 ? AUDIT_ARCH_X86_64 : token);
	steps[2] = step(BPF_LD | BPF_W | BPF_ABS, 0, 0, number);
	/* x32 has the numbers with the bit, and is the only one that has any. */
	steps[3] = step(BPF_JMP | BPF_JGE | BPF_K, is_x32 ? 0 : 2, is_x32 ? 2 : 0, X32_BIT);
	steps[4] = step(BPF_JMP | BPF_JGT | BPF_K, 0, 1, (uint32_t)newest);
	steps[5] = step(BPF_JMP | BPF_JA, 0, 0, behind);
}

int newer_calls_prepend(const struct newer_calls *calls, struct container_seccomp *program,
			struct error *err)
{
	struct sock_filter steps[STEPS_MAX];
	struct sock_filter *whole;
	unsigned int nr_known = 0, count = 0, end;

	for (unsigned int i = 0; i < calls->nr_architectures; i++)
		nr_known += calls->architectures[i].newest >= 0;
	if (!nr_known)
		return 0;
	end = nr_known * STEPS_PER_ARCHITECTURE;
	for (unsigned int i = 0; i < calls->nr_architectures; i++) {
		int newest = calls->architectures[i].newest;

		if (newest < 0)
			continue;
		add_steps(&steps[count], calls->architectures[i].token, newest,
			  end + 1 - (count + STEPS_PER_ARCHITECTURE));
		count += STEPS_PER_ARCHITECTURE;
	}
	steps[count++] = step(BPF_JMP | BPF_JA, 0, 0, 1);
	steps[count++] = step(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
	whole = calloc(count + program->nr_instructions, sizeof(*whole));
	if (!whole)
		return error_set(err, ENOMEM, "linux.seccomp");
	memcpy(whole, steps, count * sizeof(*whole));
	memcpy(whole + count, program->program, program->nr_instructions * sizeof(*whole));
	free(program->program);
	program->program = whole;
	program->nr_instructions += count;
	return 0;
}
