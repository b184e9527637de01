/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/device_filter.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"

/*
 * Theory of operation: the program keeps what is asked for and not yet allowed in one register and
 * goes through the rules from the last to the first. A rule that matches the device takes what it
 * allows out of that register, which ends in "yes" when nothing is left, or says "no" when it
 * denies something that is still in it.
 */
enum {
	REG_ANSWER = BPF_REG_0,
	REG_CONTEXT = BPF_REG_1, /* struct bpf_cgroup_dev_ctx */
	REG_TYPE = BPF_REG_2,
	REG_WANTED = BPF_REG_3,
	REG_MAJOR = BPF_REG_4,
	REG_MINOR = BPF_REG_5,
};

#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

struct assembler {
	struct bpf_insn *program;
	size_t len;
};

static void emit(struct assembler *assembler, int code, int reg, int off, int64_t value)
{
	assembler->program[assembler->len++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(reg & 0xf),
		.off = (int16_t)off,
		.imm = (int32_t)value,
	};
}

static void emit_load(struct assembler *assembler, int reg, size_t offset)
{
	assembler->program[assembler->len++] = (struct bpf_insn){
		.code = BPF_LDX | BPF_MEM | BPF_W,
		.dst_reg = (uint8_t)(reg & 0xf),
		.src_reg = REG_CONTEXT,
		.off = (int16_t)offset,
	};
}

static void emit_answer(struct assembler *assembler, bool is_allowed)
{
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_K, REG_ANSWER, 0, is_allowed);
	emit(assembler, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

/* The low half of the context's first word is the type, the high half the access. */
static void emit_head(struct assembler *assembler)
{
	emit_load(assembler, REG_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit_load(assembler, REG_WANTED, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(assembler, BPF_ALU | BPF_AND | BPF_K, REG_TYPE, 0, 0xffff);
	emit(assembler, BPF_ALU | BPF_RSH | BPF_K, REG_WANTED, 0, 16);
	emit_load(assembler, REG_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(assembler, REG_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

/* Returns false when the rule always answers. */
static bool emit_rule(struct assembler *assembler, const struct resource_device_rule *rule)
{
	const int jump_unequal = BPF_JMP32 | BPF_JNE | BPF_K;
	size_t begin = assembler->len;
	bool has_next = false;

	/* The jumps to the next rule get their distance below. */
	if (rule->type[0] != 'a')
		emit(assembler, jump_unequal, REG_TYPE, 0,
		     rule->type[0] == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->major != RESOURCE_ANY_NUMBER)
		emit(assembler, jump_unequal, REG_MAJOR, 0, rule->major);
	if (rule->minor != RESOURCE_ANY_NUMBER)
		emit(assembler, jump_unequal, REG_MINOR, 0, rule->minor);
	if (rule->access != ACCESS_ALL && rule->is_allowed) {
		emit(assembler, BPF_ALU | BPF_AND | BPF_K, REG_WANTED, 0,
		     ACCESS_ALL & ~(int64_t)rule->access);
		emit(assembler, jump_unequal, REG_WANTED, 0, 0);
	} else if (rule->access != ACCESS_ALL) {
		emit(assembler, BPF_JMP32 | BPF_JSET | BPF_K, REG_WANTED, 1, rule->access);
		emit(assembler, BPF_JMP | BPF_JA, 0, 0, 0);
	}
	emit_answer(assembler, rule->is_allowed);
	for (size_t i = begin; i < assembler->len; i++) {
		struct bpf_insn *insn = &assembler->program[i];

		if (insn->code == jump_unequal || insn->code == (BPF_JMP | BPF_JA)) {
			insn->off = (int16_t)(assembler->len - i - 1);
			has_next = true;
		}
	}
	return has_next;
}

size_t device_filter_compile(const struct resource_device_rule *rules, size_t nr_rules,
			     struct bpf_insn *ret_program)
{
	struct assembler assembler = { .program = ret_program };

	emit_head(&assembler);
	/* The kernel takes no program with instructions that cannot be reached. */
	for (size_t i = nr_rules; i--;)
		if (rules[i].access && !emit_rule(&assembler, &rules[i]))
			return assembler.len;
	emit_answer(&assembler, false);
	return assembler.len;
}

int device_filter_install(int cgroup_fd, const struct resource_device_rule *rules, size_t nr_rules,
			  struct failure *err)
{
	AUTO_FREE struct bpf_insn *program = calloc(
		DEVICE_FILTER_FRAME_SIZE + nr_rules * DEVICE_FILTER_RULE_SIZE, sizeof(*program));
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE };
	union bpf_attr attach = { .attach_type = BPF_CGROUP_DEVICE };
	AUTO_CLOSE int program_fd = -1;

	if (!program)
		return failure_set(err, ENOMEM, "linux.resources.devices");
	load.insn_cnt = (uint32_t)device_filter_compile(rules, nr_rules, program);
	load.insns = (uint64_t)(uintptr_t)program;
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
	program_fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (program_fd < 0)
		return failure_set(err, errno, "linux.resources.devices: load the filter");
	attach.target_fd = (uint32_t)cgroup_fd;
	attach.attach_bpf_fd = (uint32_t)program_fd;
	/* A container may have filters of its own on groups below: both have to allow. */
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)))
		return failure_set(err, errno, "linux.resources.devices: attach the filter");
	return 0;
}
