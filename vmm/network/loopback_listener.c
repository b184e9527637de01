/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/loopback_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

#define BACKLOG 64

/* Where in the map of sockets which listener is. */
enum { KEY_IPV4, KEY_IPV6, NR_KEYS };

/*
 * Theory of operation: the kernel runs the program when it looks for who listens, that is once for
 * each connection. The program compares protocol and local address, which the kernel gives as four
 * words in network order, and with the key of the right listener on its stack looks that up and
 * assigns it. It always says SK_PASS: without an assignment the search goes on as if it were not
 * there. Likewise when another program assigned a socket already: bpf_sk_assign() fails then.
 */
enum {
	REG_ANSWER = BPF_REG_0,
	REG_ARGUMENT1 = BPF_REG_1,
	REG_ARGUMENT2 = BPF_REG_2,
	REG_ARGUMENT3 = BPF_REG_3,
	REG_WORD = BPF_REG_4,
	REG_CONTEXT = BPF_REG_6, /* struct bpf_sk_lookup; calls keep it */
	REG_SOCKET = BPF_REG_7,	 /* likewise */
	REG_STACK = BPF_REG_10,
};

#define STACK_KEY (-4)
#define IPV4_LOOPBACK 0x0100007f /* the word of 127.0.0.1 */
#define IPV6_LAST_WORD 0x01000000
#define PROGRAM_MAX 48

/* BPF_ADD and BPF_K are 0. */
#define ADD_NUMBER BPF_ALU64

struct assembler {
	struct bpf_insn program[PROGRAM_MAX];
	size_t len;
	size_t leaves[PROGRAM_MAX]; /* jumps to the end, whose distance is not known yet */
	size_t nr_leaves;
};

static void emit(struct assembler *assembler, int code, int destination, int source, int off,
		 int32_t value)
{
	assembler->program[assembler->len++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)(destination & 0xf),
		.src_reg = (uint8_t)(source & 0xf),
		.off = (int16_t)off,
		.imm = value,
	};
}

/* Go to the end unless the word at @offset of the context is @value. */
static void emit_require(struct assembler *assembler, size_t offset, int32_t value)
{
	emit(assembler, BPF_LDX | BPF_MEM | BPF_W, REG_WORD, REG_CONTEXT, (int)offset, 0);
	assembler->leaves[assembler->nr_leaves++] = assembler->len;
	emit(assembler, BPF_JMP32 | BPF_JNE | BPF_K, REG_WORD, 0, 0, value);
}

static void emit_key(struct assembler *assembler, int32_t key)
{
	emit(assembler, BPF_ST | BPF_MEM | BPF_W, REG_STACK, 0, STACK_KEY, key);
}

/* Look for the listener of the key on the stack, and assign it. */
static void emit_assign(struct assembler *assembler, int map_fd)
{
	emit(assembler, BPF_LD | BPF_IMM | BPF_DW, REG_ARGUMENT1, BPF_PSEUDO_MAP_FD, 0, map_fd);
	emit(assembler, 0, 0, 0, 0, 0); /* its second half */
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_ARGUMENT2, REG_STACK, 0, 0);
	emit(assembler, ADD_NUMBER, REG_ARGUMENT2, 0, 0, STACK_KEY);
	emit(assembler, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	assembler->leaves[assembler->nr_leaves++] = assembler->len;
	emit(assembler, BPF_JMP | BPF_JEQ | BPF_K, REG_ANSWER, 0, 0, 0);
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_SOCKET, REG_ANSWER, 0, 0);
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_ARGUMENT1, REG_CONTEXT, 0, 0);
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_ARGUMENT2, REG_SOCKET, 0, 0);
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_K, REG_ARGUMENT3, 0, 0, 0);
	emit(assembler, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_assign);
	/* The map gave a reference. */
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_ARGUMENT1, REG_SOCKET, 0, 0);
	emit(assembler, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_release);
}

static void compile(struct assembler *assembler, int map_fd)
{
	const size_t ip6 = offsetof(struct bpf_sk_lookup, local_ip6);
	size_t not_ipv4, assign;

	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_X, REG_CONTEXT, REG_ARGUMENT1, 0, 0);
	emit_require(assembler, offsetof(struct bpf_sk_lookup, protocol), IPPROTO_TCP);
	emit(assembler, BPF_LDX | BPF_MEM | BPF_W, REG_WORD, REG_CONTEXT,
	     (int)offsetof(struct bpf_sk_lookup, family), 0);
	not_ipv4 = assembler->len;
	emit(assembler, BPF_JMP32 | BPF_JNE | BPF_K, REG_WORD, 0, 0, AF_INET);
	emit_require(assembler, offsetof(struct bpf_sk_lookup, local_ip4), IPV4_LOOPBACK);
	emit_key(assembler, KEY_IPV4);
	assign = assembler->len;
	emit(assembler, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	assembler->program[not_ipv4].off = (int16_t)(assembler->len - not_ipv4 - 1);
	for (size_t i = 0; i < 3; i++)
		emit_require(assembler, ip6 + i * sizeof(uint32_t), 0);
	emit_require(assembler, ip6 + 3 * sizeof(uint32_t), IPV6_LAST_WORD);
	emit_key(assembler, KEY_IPV6);
	assembler->program[assign].off = (int16_t)(assembler->len - assign - 1);
	emit_assign(assembler, map_fd);
	for (size_t i = 0; i < assembler->nr_leaves; i++) {
		size_t at = assembler->leaves[i];

		assembler->program[at].off = (int16_t)(assembler->len - at - 1);
	}
	emit(assembler, BPF_ALU64 | BPF_MOV | BPF_K, REG_ANSWER, 0, 0, SK_PASS);
	emit(assembler, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int put_socket(int map_fd, uint32_t key, int fd)
{
	uint64_t value = (uint64_t)fd;
	union bpf_attr attr = { .map_fd = (uint32_t)map_fd };

	attr.key = (uint64_t)(uintptr_t)&key;
	attr.value = (uint64_t)(uintptr_t)&value;
	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

/*
 * Returns a descriptor, or a negative errno value: no IPv6. The loopback may be down as yet, and
 * then has no ::1; 127.0.0.1 is taken all the same.
 */
static int listen_at(const struct sockaddr *address, socklen_t size)
{
	AUTO_CLOSE int fd =
		socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	const int on = 1;

	if (fd >= 0 && address->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	/* At any port: the program does not ask for it. */
	if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return fd_take(&fd);
}

static int listen_at_both(struct loopback_listener *listener)
{
	const struct sockaddr_in ipv4 = { .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6,
					   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = listen_at((const struct sockaddr *)&ipv4, sizeof(ipv4));

	if (fd < 0)
		return fd;
	listener->ipv4_fd = fd;
	fd = listen_at((const struct sockaddr *)&ipv6, sizeof(ipv6));
	listener->ipv6_fd = fd < 0 ? -1 : fd;
	return 0;
}

static int load_program(int map_fd, struct error *err)
{
	struct assembler assembler = { .len = 0 };
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
				.expected_attach_type = BPF_SK_LOOKUP };
	int fd;

	compile(&assembler, map_fd);
	attr.insns = (uint64_t)(uintptr_t)assembler.program;
	attr.insn_cnt = (uint32_t)assembler.len;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	fd = bpf(BPF_PROG_LOAD, &attr);
	return fd < 0 ? error_set(err, errno, "load the program for connections to it") : fd;
}

static int attach(struct loopback_listener *listener, int program_fd, struct error *err)
{
	AUTO_CLOSE int namespace_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	union bpf_attr attr = { .link_create = { .prog_fd = (uint32_t)program_fd } };

	if (namespace_fd < 0)
		return error_set(err, errno, "open '/proc/self/ns/net'");
	attr.link_create.target_fd = (uint32_t)namespace_fd;
	attr.link_create.attach_type = BPF_SK_LOOKUP;
	listener->link_fd = bpf(BPF_LINK_CREATE, &attr);
	if (listener->link_fd < 0)
		return error_set(err, errno, "attach the program for connections to it");
	return 0;
}

static int open_all(struct loopback_listener *listener, struct error *err)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_SOCKMAP,
				.key_size = sizeof(uint32_t),
				.value_size = sizeof(uint64_t),
				.max_entries = NR_KEYS };
	AUTO_CLOSE int program_fd = -1;
	AUTO_CLOSE int map_fd = -1;
	int r = listen_at_both(listener);

	if (r < 0)
		return error_set(err, -r, "listen");
	map_fd = bpf(BPF_MAP_CREATE, &attr);
	if (map_fd < 0)
		return error_set(err, errno, "create a map of sockets");
	if (put_socket(map_fd, KEY_IPV4, listener->ipv4_fd) < 0 ||
	    (listener->ipv6_fd >= 0 && put_socket(map_fd, KEY_IPV6, listener->ipv6_fd) < 0))
		return error_set(err, errno, "put a socket into the map");
	program_fd = load_program(map_fd, err);
	return program_fd < 0 ? program_fd : attach(listener, program_fd, err);
}

int loopback_listener_open(struct loopback_listener *listener, struct error *err)
{
	int r;

	*listener = (struct loopback_listener){ .ipv4_fd = -1, .ipv6_fd = -1, .link_fd = -1 };
	r = open_all(listener, err);
	if (r < 0)
		loopback_listener_close(listener);
	return r < 0 ? error_prefix(err, "the loopback of the network namespace") : 0;
}

void loopback_listener_close(struct loopback_listener *listener)
{
	fd_close(&listener->link_fd);
	fd_close(&listener->ipv4_fd);
	fd_close(&listener->ipv6_fd);
}

int loopback_listener_accept(int fd, uint16_t *ret_port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(address);
	AUTO_CLOSE int connection_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (connection_fd < 0)
		return -errno;
	if (getsockname(connection_fd, &address.any, &size) < 0)
		return -errno;
	*ret_port = ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port
							   : address.ipv6.sin6_port);
	return fd_take(&connection_fd);
}
