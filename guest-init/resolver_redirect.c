/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/resolver_redirect.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/resolver.h"
#include "guest-init/scope.h"

/*
 * Theory of operation: a program compares the address in its context with the one that it is for,
 * and the port, then writes another port. There are two: from the well-known port to ours, by the
 * socket's protocol, and from either of ours back. Sockets for IPv6 know the address as
 * ::ffff:127.0.0.11.
 */
enum {
	REG_ANSWER = BPF_REG_0,
	REG_CONTEXT = BPF_REG_1, /* struct bpf_sock_addr */
	REG_VALUE = BPF_REG_2,
	REG_PORT = BPF_REG_3,
};

#define IPV6_WORDS 4

static const struct hook {
	enum bpf_attach_type type;
	bool is_ipv6;
	bool is_back;
} hooks[] = {
	{ BPF_CGROUP_INET4_CONNECT, false, false },
	{ BPF_CGROUP_INET6_CONNECT, true, false },
	/* That of IPv6 comes here, too, for an address of this kind. */
	{ BPF_CGROUP_UDP4_SENDMSG, false, false },
	{ BPF_CGROUP_UDP4_RECVMSG, false, true },
	{ BPF_CGROUP_UDP6_RECVMSG, true, true },
	{ BPF_CGROUP_INET4_GETPEERNAME, false, true },
	{ BPF_CGROUP_INET6_GETPEERNAME, true, true },
};
_Static_assert(ARRAY_SIZE(hooks) == RESOLVER_REDIRECT_HOOKS, "a program for each");

struct assembler {
	struct bpf_insn program[RESOLVER_REDIRECT_SIZE];
	size_t len;
};

static void emit(struct assembler *assembler, int code, int to, int from, size_t offset,
		 uint32_t value)
{
	assembler->program[assembler->len++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(to & 0xf),
		.src_reg = (uint8_t)(from & 0xf),
		.off = (int16_t)offset,
		.imm = (int32_t)value,
	};
}

static void emit_load(struct assembler *assembler, size_t offset)
{
	emit(assembler, BPF_LDX | BPF_MEM | BPF_W, REG_VALUE, REG_CONTEXT, offset, 0);
}

/* Jump over @nr instructions when the value is, or is not, @value; 0: to the end, set later. */
static void emit_jump(struct assembler *assembler, int comparison, uint32_t value, size_t nr)
{
	emit(assembler, BPF_JMP32 | comparison | BPF_K, REG_VALUE, 0, nr, value);
}

static void emit_port(struct assembler *assembler, uint16_t port)
{
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_K, REG_PORT, 0, 0, htons(port));
}

static void emit_address_check(struct assembler *assembler, bool is_ipv6)
{
	const uint32_t words[IPV6_WORDS] = { 0, 0, htonl(0xffff), htonl(RESOLVER_ADDRESS) };

	if (!is_ipv6) {
		emit_load(assembler, offsetof(struct bpf_sock_addr, user_ip4));
		emit_jump(assembler, BPF_JNE, htonl(RESOLVER_ADDRESS), 0);
		return;
	}
	for (size_t i = 0; i < IPV6_WORDS; i++) {
		emit_load(assembler, offsetof(struct bpf_sock_addr, user_ip6) + i * sizeof(*words));
		emit_jump(assembler, BPF_JNE, words[i], 0);
	}
}

/* Leaves the new port in its register. */
static void emit_choice(struct assembler *assembler, bool is_back, uint16_t udp_port,
			uint16_t tcp_port)
{
	emit_load(assembler, offsetof(struct bpf_sock_addr, user_port));
	if (is_back) {
		emit_jump(assembler, BPF_JEQ, htons(udp_port), 1);
		emit_jump(assembler, BPF_JNE, htons(tcp_port), 0);
		emit_port(assembler, RESOLVER_PORT);
		return;
	}
	emit_jump(assembler, BPF_JNE, htons(RESOLVER_PORT), 0);
	emit_load(assembler, offsetof(struct bpf_sock_addr, protocol));
	emit_port(assembler, tcp_port);
	emit_jump(assembler, BPF_JEQ, IPPROTO_TCP, 2);
	emit_port(assembler, udp_port);
	emit_jump(assembler, BPF_JNE, IPPROTO_UDP, 0);
}

static void redirect_compile(struct assembler *assembler, const struct hook *hook,
			     uint16_t udp_port, uint16_t tcp_port)
{
	memset(assembler, 0, sizeof(*assembler));
	emit_address_check(assembler, hook->is_ipv6);
	emit_choice(assembler, hook->is_back, udp_port, tcp_port);
	emit(assembler, BPF_STX | BPF_MEM | BPF_W, REG_CONTEXT, REG_PORT,
	     offsetof(struct bpf_sock_addr, user_port), 0);
	for (size_t i = 0; i < assembler->len; i++) {
		struct bpf_insn *insn = &assembler->program[i];

		if (BPF_CLASS(insn->code) == BPF_JMP32 && !insn->off)
			insn->off = (int16_t)(assembler->len - i - 1);
	}
	/* The answer is always that the process may go on. */
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_K, REG_ANSWER, 0, 0, 1);
	emit(assembler, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Returns the program's descriptor or a negative errno value. */
static int redirect_attach(int cgroup_fd, const struct hook *hook, uint16_t udp_port,
			   uint16_t tcp_port)
{
	struct assembler assembler;
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
		.expected_attach_type = hook->type,
	};
	union bpf_attr attach = { .attach_type = hook->type };
	AUTO_CLOSE int program_fd = -1;

	redirect_compile(&assembler, hook, udp_port, tcp_port);
	load.insn_cnt = (uint32_t)assembler.len;
	load.insns = (uint64_t)(uintptr_t)assembler.program;
	load.license = (uint64_t)(uintptr_t) "Apache-2.0";
	program_fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	if (program_fd < 0)
		return -errno;
	attach.target_fd = (uint32_t)cgroup_fd;
	attach.attach_bpf_fd = (uint32_t)program_fd;
	attach.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)))
		return -errno;
	return fd_take(&program_fd);
}

void resolver_redirect_init(struct resolver_redirect *redirect)
{
	redirect->cgroup_fd = -1;
	for (size_t i = 0; i < RESOLVER_REDIRECT_HOOKS; i++)
		redirect->program_fds[i] = -1;
}

int resolver_redirect_install(struct resolver_redirect *redirect, int cgroup_fd, uint16_t udp_port,
			      uint16_t tcp_port, struct failure *err)
{
	resolver_redirect_init(redirect);
	redirect->cgroup_fd = fcntl(cgroup_fd, F_DUPFD_CLOEXEC, 0);
	if (redirect->cgroup_fd < 0)
		return failure_set(err, errno, "redirect questions");
	for (size_t i = 0; i < RESOLVER_REDIRECT_HOOKS; i++) {
		int fd = redirect_attach(redirect->cgroup_fd, &hooks[i], udp_port, tcp_port);

		if (fd < 0) {
			resolver_redirect_remove(redirect);
			return failure_set(err, -fd, "redirect questions");
		}
		redirect->program_fds[i] = fd;
	}
	return 0;
}

void resolver_redirect_remove(struct resolver_redirect *redirect)
{
	for (size_t i = 0; i < RESOLVER_REDIRECT_HOOKS; i++) {
		union bpf_attr detach = { .attach_type = hooks[i].type };

		if (redirect->program_fds[i] < 0)
			continue;
		detach.target_fd = (uint32_t)redirect->cgroup_fd;
		detach.attach_bpf_fd = (uint32_t)redirect->program_fds[i];
		(void)syscall(SYS_bpf, BPF_PROG_DETACH, &detach, sizeof(detach));
		fd_close(&redirect->program_fds[i]);
	}
	fd_close(&redirect->cgroup_fd);
}
