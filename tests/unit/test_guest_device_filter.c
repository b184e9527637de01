/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_device_filter.c - rules about devices, as the program that decides */
#include <linux/bpf.h>
#include <stdlib.h>

#include "guest-init/device_filter.h"
#include "guest-init/scope.h"
#include "tests/unit/tap.h"

#define MAKE BPF_DEVCG_ACC_MKNOD
#define READ BPF_DEVCG_ACC_READ
#define WRITE BPF_DEVCG_ACC_WRITE
#define ALL (MAKE | READ | WRITE)
#define ANY RESOURCE_ANY_NUMBER

#define BROKEN (-1)

/*
 * What @program answers: an interpreter of the instructions it is made of. BROKEN for what the
 * kernel would not load: a jump backwards or outside, another instruction.
 */
static int answer_of(const struct bpf_insn *program, size_t len,
		     const struct bpf_cgroup_dev_ctx *context)
{
	uint64_t reg[11] = { 0 };

	for (size_t pc = 0; pc < len; pc++) {
		const struct bpf_insn *insn = &program[pc];
		uint64_t *dst = &reg[insn->dst_reg];
		bool is_jump = false;

		switch (insn->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			*dst = *(const uint32_t *)(const void *)((const char *)context + insn->off);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			*dst = (uint32_t)*dst & (uint32_t)insn->imm;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			*dst = (uint32_t)*dst >> insn->imm;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*dst = (uint64_t)insn->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			is_jump = (uint32_t)*dst != (uint32_t)insn->imm;
			break;
		case BPF_JMP32 | BPF_JSET | BPF_K:
			is_jump = (uint32_t)*dst & (uint32_t)insn->imm;
			break;
		case BPF_JMP | BPF_JA:
			is_jump = true;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return BROKEN;
		}
		if (insn->off < 0)
			return BROKEN;
		if (is_jump)
			pc += (size_t)insn->off;
	}
	return BROKEN;
}

static int is_allowed(const struct resource_device_rule *rules, size_t nr_rules, unsigned int type,
		      uint32_t major, uint32_t minor, unsigned int access)
{
	const struct bpf_cgroup_dev_ctx context = { .access_type = access << 16 | type,
						    .major = major,
						    .minor = minor };
	size_t room = DEVICE_FILTER_FRAME_SIZE + nr_rules * DEVICE_FILTER_RULE_SIZE;
	AUTO_FREE struct bpf_insn *program = calloc(room, sizeof(*program));
	size_t len = device_filter_compile(rules, nr_rules, program);

	return len > room ? BROKEN : answer_of(program, len, &context);
}

/* What the rules say, without a program: bit by bit. */
static bool should_be_allowed(const struct resource_device_rule *rules, size_t nr_rules,
			      unsigned int type, uint32_t major, uint32_t minor,
			      unsigned int access)
{
	for (unsigned int bit = 1; bit <= WRITE; bit <<= 1) {
		bool is_bit_allowed = false;

		for (size_t i = 0; i < nr_rules; i++)
			if ((rules[i].type[0] == 'a' ||
			     (rules[i].type[0] == 'b') == (type == BPF_DEVCG_DEV_BLOCK)) &&
			    (rules[i].major == ANY || rules[i].major == major) &&
			    (rules[i].minor == ANY || rules[i].minor == minor) &&
			    rules[i].access & bit)
				is_bit_allowed = rules[i].is_allowed;
		if (access & bit && !is_bit_allowed)
			return false;
	}
	return true;
}

static void test_nothing_is_allowed_without_a_rule(void)
{
	is_int(is_allowed(NULL, 0, BPF_DEVCG_DEV_CHAR, 1, 3, READ), 0);
	is_int(is_allowed(NULL, 0, BPF_DEVCG_DEV_BLOCK, 0, 0, MAKE), 0);
}

static void test_last_rule_decides(void)
{
	const struct resource_device_rule rules[] = {
		{ true, "c", 1, 3, ALL },
		{ false, "c", 1, ANY, WRITE },
		{ true, "c", 1, 5, WRITE },
	};

	is_int(is_allowed(rules, 3, BPF_DEVCG_DEV_CHAR, 1, 3, READ), 1);
	is_int(is_allowed(rules, 3, BPF_DEVCG_DEV_CHAR, 1, 3, READ | WRITE), 0);
	is_int(is_allowed(rules, 3, BPF_DEVCG_DEV_CHAR, 1, 5, WRITE), 1);
	is_int(is_allowed(rules, 3, BPF_DEVCG_DEV_CHAR, 1, 5, READ), 0);
	is_int(is_allowed(rules, 3, BPF_DEVCG_DEV_BLOCK, 1, 3, READ), 0);
	is_int(is_allowed(rules, 1, BPF_DEVCG_DEV_CHAR, 1, 3, ALL), 1);
	is_int(is_allowed(rules, 1, BPF_DEVCG_DEV_CHAR, 2, 3, ALL), 0);
}

/* Numbers are 32 bits wide, also those that are negative as an int. */
static void test_large_numbers(void)
{
	const struct resource_device_rule rules[] = { { true, "b", UINT32_MAX, 0x80000000, READ } };

	is_int(is_allowed(rules, 1, BPF_DEVCG_DEV_BLOCK, UINT32_MAX, 0x80000000, READ), 1);
	is_int(is_allowed(rules, 1, BPF_DEVCG_DEV_BLOCK, UINT32_MAX, 0, READ), 0);
}

/* The kernel refuses a program of which a part cannot be reached. */
static void test_no_unreachable_instructions(void)
{
	const struct resource_device_rule rules[] = {
		{ true, "c", 1, 3, ALL },
		{ false, "a", ANY, ANY, ALL },
		{ true, "c", 1, 5, 0 },
	};
	struct bpf_insn all[64], last[64];
	size_t len = device_filter_compile(rules, 3, all);

	is_int(len, device_filter_compile(&rules[1], 1, last));
	is_int(all[len - 1].code, BPF_JMP | BPF_EXIT);
	is_int(len, 6 + 2);
}

/* All programs of a pseudo-random series agree with the rules they are made of. */
static void test_against_the_rules(void)
{
	static const char *const types[] = { "a", "b", "c" };
	unsigned int nr_wrong = 0, nr_allowed = 0, nr_asked = 0;
	uint32_t seed = 1;

	for (unsigned int round = 0; round < 2000; round++) {
		struct resource_device_rule rules[6];
		size_t nr_rules = round % 7;

		for (size_t i = 0; i < nr_rules; i++) {
			seed = seed * 1664525 + 1013904223;
			rules[i].is_allowed = seed >> 31;
			rules[i].type = types[(seed >> 8) % 3];
			rules[i].major = (int64_t)(seed >> 12) % 3 - 1;
			rules[i].minor = (int64_t)(seed >> 16) % 3 - 1;
			rules[i].access = seed >> 20 & ALL;
		}
		for (unsigned int question = 0; question < 7 * 2 * 2 * 2; question++) {
			unsigned int access = question % 7 + 1;
			unsigned int type =
				question / 7 % 2 ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
			uint32_t major = question / 14 % 2, minor = question / 28;
			int want = should_be_allowed(rules, nr_rules, type, major, minor, access);

			nr_asked++;
			nr_allowed += want == 1;
			nr_wrong += is_allowed(rules, nr_rules, type, major, minor, access) != want;
		}
	}
	is_int(nr_wrong, 0);
	ok(nr_allowed > nr_asked / 10 && nr_allowed < nr_asked / 10 * 9);
}

int main(void)
{
	test_nothing_is_allowed_without_a_rule();
	test_last_rule_decides();
	test_large_numbers();
	test_no_unreachable_instructions();
	test_against_the_rules();
	return tap_done();
}
