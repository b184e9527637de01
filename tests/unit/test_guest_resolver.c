/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_resolver.c - the name server 127.0.0.11 in a network namespace and a control group of
 * the test's own, with a socket pair for each connection to the host. The test is its client, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest-init/kernel_settings.h"
#include "guest-init/mount_object.h"
#include "guest-init/protocol.h"
#include "guest-init/resolver.h"
#include "tests/unit/host_pairs.h"
#include "tests/unit/tap.h"

#define NR_AT_A_TIME 64
#define SERVER "127.0.0.11"

/* A question of one byte's name, and what asks for more than 512 bytes. */
#define QUESTION "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x00\x00\x01\x00\x01"
#define QUESTION_EDNS                                                                              \
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01x\x00\x00\x01\x00\x01"                \
	"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
#define SIZE_OF(text) (sizeof(text) - 1)

static struct resolver *resolver;
static int cgroup_root = -1, cgroup = -1;
static char cgroup_name[64];
static time_t seconds_ahead; /* of the clock that guest-init reads */

/* glibc's names of the parameters are reserved ones. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret_now);

	ret_now->tv_sec += seconds_ahead;
	return r;
}

static void run(void)
{
	struct pollfd pollfd = { .fd = resolver_epoll_fd(resolver), .events = POLLIN };
	bool is_ready;

	do
		is_ready = resolver_run(resolver);
	while (is_ready || poll(&pollfd, 1, 0) > 0);
}

static void start(void)
{
	struct failure err = { .text = "" };

	nr_hosts = 0;
	is_host_away = false;
	resolver = resolver_new(cgroup, &err);
	if (!ok(resolver))
		printf("# %s\n", err.text);
}

static void stop(void)
{
	resolver_free(resolver);
	for (unsigned int i = 0; i < nr_hosts; i++)
		(void)close(host_fds[i]);
}

static struct sockaddr_in address_of(const char *ip, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	(void)inet_pton(AF_INET, ip, &address.sin_addr);
	return address;
}

static int open_client(int type)
{
	return socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int connect_to(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_in address = address_of(ip, port);

	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

static int ask(int fd, const char *question, size_t len)
{
	struct sockaddr_in address = address_of(SERVER, 53);

	return (int)sendto(fd, question, len, 0, (const struct sockaddr *)&address,
			   sizeof(address));
}

/* The host has been asked @question on connection @index. */
static void is_asked(unsigned int index, const char *question, size_t len)
{
	uint8_t bytes[512];

	run();
	if (!ok(index < nr_hosts))
		return;
	is_int(last_port, PROTOCOL_PORT_RESOLVER);
	is_int(read(host_fds[index], bytes, sizeof(bytes)), (ssize_t)len + 2);
	is_int(bytes[0] << 8 | bytes[1], (int64_t)len);
	ok(!memcmp(bytes + 2, question, len));
}

/* An answer of @len bytes: the question's head, and then numbers. */
static void answer(unsigned int index, size_t len)
{
	uint8_t bytes[2 + 2048] = { (uint8_t)(len >> 8), (uint8_t)len };

	for (size_t i = 0; i < len; i++)
		bytes[2 + i] = (uint8_t)i;
	memcpy(bytes + 2, QUESTION, SIZE_OF(QUESTION));
	bytes[4] |= 0x80;
	/* It comes in pieces. */
	is_int(write(host_fds[index], bytes, 1), 1);
	run();
	is_int(write(host_fds[index], bytes + 1, 10), 10);
	run();
	is_int(write(host_fds[index], bytes + 11, len - 9), (ssize_t)len - 9);
	run();
}

/* The client has got @len bytes from the well-known port, with @flags in byte 2 and 3. */
static void is_answered(int fd, ssize_t len, unsigned int flags)
{
	struct sockaddr_in from = { .sin_port = 0 };
	socklen_t size = sizeof(from);
	uint8_t bytes[2048] = { 0 };

	is_int(recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size), len);
	is_int(bytes[0] << 8 | bytes[1], 0x1234);
	is_int(bytes[2] << 8 | bytes[3], flags);
	is_int(ntohs(from.sin_port), 53);
	is_int(ntohl(from.sin_addr.s_addr), RESOLVER_ADDRESS);
}

static void test_datagrams(void)
{
	int client = open_client(SOCK_DGRAM);

	start();
	is_int(ask(client, QUESTION, SIZE_OF(QUESTION)), (int)SIZE_OF(QUESTION));
	is_asked(0, QUESTION, SIZE_OF(QUESTION));
	answer(0, 100);
	is_answered(client, 100, 0x8100);
	/* Longer than it may be: the question alone, marked. */
	(void)ask(client, QUESTION, SIZE_OF(QUESTION));
	is_asked(1, QUESTION, SIZE_OF(QUESTION));
	answer(1, 513);
	is_answered(client, SIZE_OF(QUESTION), 0x8300);
	(void)ask(client, QUESTION_EDNS, SIZE_OF(QUESTION_EDNS));
	is_asked(2, QUESTION_EDNS, SIZE_OF(QUESTION_EDNS));
	answer(2, 1232);
	is_answered(client, 1232, 0x8100);
	(void)ask(client, QUESTION_EDNS, SIZE_OF(QUESTION_EDNS));
	is_asked(3, QUESTION_EDNS, SIZE_OF(QUESTION_EDNS));
	answer(3, 1233);
	is_answered(client, SIZE_OF(QUESTION), 0x8300);
	/* No question at all. */
	(void)ask(client, QUESTION, 11);
	run();
	is_int(nr_hosts, 4);
	(void)close(client);
	stop();
}

static void test_connected(void)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	struct sockaddr_in peer = { .sin_port = 0 };
	socklen_t size = sizeof(peer);
	socklen_t mapped_size = sizeof(mapped);
	int client = open_client(SOCK_DGRAM);
	int other = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	start();
	is_int(connect_to(client, SERVER, 53), 0);
	is_int(getpeername(client, (struct sockaddr *)&peer, &size), 0);
	is_int(ntohs(peer.sin_port), 53);
	is_int(send(client, QUESTION, SIZE_OF(QUESTION), 0), (ssize_t)SIZE_OF(QUESTION));
	is_asked(0, QUESTION, SIZE_OF(QUESTION));
	answer(0, 100);
	is_answered(client, 100, 0x8100);
	/* By a socket for IPv6. */
	ok(inet_pton(AF_INET6, "::ffff:" SERVER, &mapped.sin6_addr) == 1);
	is_int(connect(other, (const struct sockaddr *)&mapped, sizeof(mapped)), 0);
	is_int(send(other, QUESTION, SIZE_OF(QUESTION), 0), (ssize_t)SIZE_OF(QUESTION));
	is_asked(1, QUESTION, SIZE_OF(QUESTION));
	answer(1, 100);
	mapped.sin6_port = 0;
	is_int(recvfrom(other, &(char[100]){ 0 }, 100, 0, (struct sockaddr *)&mapped, &mapped_size),
	       100);
	is_int(ntohs(mapped.sin6_port), 53);
	(void)close(client);
	(void)close(other);
	stop();
}

static void test_host_fails(void)
{
	int client = open_client(SOCK_DGRAM);

	start();
	is_host_away = true;
	(void)ask(client, QUESTION, SIZE_OF(QUESTION));
	run();
	is_answered(client, SIZE_OF(QUESTION), 0x8182);
	is_host_away = false;
	/* It goes in the middle of an answer; its answer is none. */
	(void)ask(client, QUESTION, SIZE_OF(QUESTION));
	is_asked(0, QUESTION, SIZE_OF(QUESTION));
	is_int(write(host_fds[0], "\0\144abc", 5), 5);
	(void)shutdown(host_fds[0], SHUT_RDWR);
	run();
	is_answered(client, SIZE_OF(QUESTION), 0x8182);
	(void)ask(client, QUESTION, SIZE_OF(QUESTION));
	is_asked(1, QUESTION, SIZE_OF(QUESTION));
	is_int(write(host_fds[1], "\0\2ab", 4), 4);
	run();
	is_answered(client, SIZE_OF(QUESTION), 0x8182);
	(void)close(client);
	stop();
}

static void test_more_than_can_be(void)
{
	int client = open_client(SOCK_DGRAM);

	start();
	for (unsigned int i = 0; i < NR_AT_A_TIME + 5; i++)
		is_int(ask(client, QUESTION, SIZE_OF(QUESTION)), (int)SIZE_OF(QUESTION));
	run();
	is_int(nr_hosts, NR_AT_A_TIME);
	answer(7, 100);
	is_answered(client, 100, 0x8100);
	is_int(nr_hosts, NR_AT_A_TIME + 1);
	for (unsigned int i = 0; i < 4; i++)
		answer(20 + i, 100);
	is_int(nr_hosts, NR_AT_A_TIME + 5);
	answer(NR_AT_A_TIME + 4, 100);
	(void)close(client);
	stop();
}

/* A host that does not answer; the loop, which sleeps, is woken up to notice. */
static void test_timeout(void)
{
	struct pollfd pollfd = { .events = POLLIN };
	int client = open_client(SOCK_DGRAM);

	start();
	(void)ask(client, QUESTION, SIZE_OF(QUESTION));
	is_asked(0, QUESTION, SIZE_OF(QUESTION));
	pollfd.fd = resolver_epoll_fd(resolver);
	is_int(poll(&pollfd, 1, 10000), 1);
	run();
	is_int(recv(client, &(char){ 0 }, 1, 0), -1);
	seconds_ahead = 11;
	is_int(poll(&pollfd, 1, 10000), 1);
	run();
	is_answered(client, SIZE_OF(QUESTION), 0x8182);
	/* Nothing wakes it up any more. */
	is_int(poll(&pollfd, 1, 1200), 0);
	(void)close(client);
	stop();
}

static void test_connections(void)
{
	char bytes[100] = "";
	int client = open_client(SOCK_STREAM);
	int other = open_client(SOCK_STREAM);

	start();
	is_int(connect_to(client, SERVER, 53), -EINPROGRESS);
	run();
	is_int(nr_hosts, 1);
	is_int(last_port, PROTOCOL_PORT_RESOLVER);
	is_int(send(client, "question", 8, 0), 8);
	run();
	is_int(read(host_fds[0], bytes, sizeof(bytes)), 8);
	is_str(bytes, "question");
	is_int(write(host_fds[0], "answers!", 8), 8);
	run();
	is_int(read(client, bytes, sizeof(bytes)), 8);
	is_str(bytes, "answers!");
	(void)shutdown(client, SHUT_WR);
	run();
	is_int(read(host_fds[0], bytes, sizeof(bytes)), 0);
	(void)shutdown(host_fds[0], SHUT_RDWR);
	run();
	is_int(read(client, bytes, sizeof(bytes)), 0);
	/* A host that is away. */
	is_host_away = true;
	is_int(connect_to(other, SERVER, 53), -EINPROGRESS);
	run();
	is_int(read(other, bytes, sizeof(bytes)), 0);
	(void)close(client);
	(void)close(other);
	stop();
}

/* Other servers are other servers, also one of the container's own at this very port. */
static void test_others(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(53) };
	int udp = open_client(SOCK_DGRAM);
	int tcp = open_client(SOCK_STREAM);
	int client = open_client(SOCK_DGRAM);
	char byte;

	start();
	is_int(bind(udp, (const struct sockaddr *)&any, sizeof(any)), 0);
	is_int(bind(tcp, (const struct sockaddr *)&any, sizeof(any)), 0);
	is_int(listen(tcp, 1), 0);
	is_int(connect_to(client, "127.0.0.1", 53), 0);
	is_int(send(client, "x", 1, 0), 1);
	is_int(recv(udp, &byte, 1, 0), 1);
	is_int(connect_to(client, SERVER, 54), 0);
	is_int(send(client, QUESTION, SIZE_OF(QUESTION), 0), (ssize_t)SIZE_OF(QUESTION));
	run();
	is_int(nr_hosts, 0);
	(void)close(client);
	client = open_client(SOCK_DGRAM);
	is_int(connect_to(client, SERVER, 53), 0);
	is_int(send(client, QUESTION, SIZE_OF(QUESTION), 0), (ssize_t)SIZE_OF(QUESTION));
	is_asked(0, QUESTION, SIZE_OF(QUESTION));
	stop();
	(void)close(client);
	/* Without us it is the container's again. */
	client = open_client(SOCK_DGRAM);
	is_int(connect_to(client, SERVER, 53), 0);
	is_int(send(client, "y", 1, 0), 1);
	is_int(recv(udp, &byte, 1, 0), 1);
	is_int(byte, 'y');
	(void)close(client);
	(void)close(udp);
	(void)close(tcp);
}

/* Move this process to the control group @name of all there are. */
static bool enter_cgroup(const char *name)
{
	char path[512];
	int fd;
	bool is_done;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", name[0] ? name : ".");
	fd = openat(cgroup_root, path, O_WRONLY | O_CLOEXEC);
	is_done = fd >= 0 && write(fd, "0", 1) == 1;
	(void)close(fd);
	return is_done;
}

static void find_own_cgroup(char *name, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[512];

	name[0] = 0;
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::/", 4))
			(void)snprintf(name, size, "%.*s", (int)strcspn(line + 4, "\n"), line + 4);
	if (file)
		(void)fclose(file);
}

int main(void)
{
	const struct container_plan nothing = { .namespaces = 0 };
	struct failure err = { .text = "" };
	char own[512];

	if (geteuid()) {
		printf("1..0 # skip needs root\n");
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	find_own_cgroup(own, sizeof(own));
	cgroup_root = mount_object_create("cgroup2", "cgroup2", "", "", 0, &err);
	(void)snprintf(cgroup_name, sizeof(cgroup_name), "test-guest-resolver-%d", getpid());
	if (!ok(cgroup_root >= 0 && !mkdirat(cgroup_root, cgroup_name, 0755)))
		return tap_done();
	cgroup = openat(cgroup_root, cgroup_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ok(cgroup >= 0 && enter_cgroup(cgroup_name) && !unshare(CLONE_NEWNET) &&
	       !kernel_settings_apply(&nothing, &err))) {
		test_datagrams();
		test_connected();
		test_host_fails();
		test_more_than_can_be();
		test_timeout();
		test_connections();
		test_others();
	}
	ok(enter_cgroup(own));
	ok(unlinkat(cgroup_root, cgroup_name, AT_REMOVEDIR) == 0);
	return tap_done();
}
