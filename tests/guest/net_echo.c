/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_echo - both ends of TCP and UDP, for containers, their peers and their host
 *
 *   net_echo serve PORT                    until killed. PORT echoes, TCP and UDP, IPv4 and IPv6;
 *                                          PORT + 1 answers with the address of who asks
 *   net_echo tcp|udp ADDRESS PORT TEXT     send it, print what comes back
 *   net_echo bulk ADDRESS PORT BYTES       over TCP, both ways at a time, compared
 *   net_echo sizes ADDRESS PORT SIZE...    of UDP payloads that must not be fragmented: which come
 *                                          back ("1372: echoed, 1373: EMSGSIZE")
 *   net_echo load ADDRESS PORT REQUESTS    one byte there and back over TCP, so many times; prints
 *                                          the nanoseconds that took
 *
 * Clients print one line: what came back, or the name of the error. Addresses are numbers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
/* A datagram that does not come back is waited for this long, and asked for twice more. */
#define DATAGRAM_MS 2000
#define CHUNK 65536

static unsigned char buffer[CHUNK];

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

/* --- the server ------------------------------------------------------------------------------ */

static int listen_at(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	int off = 0;
	int on = 1;
	int failed;

	/* A network may have no IPv6. */
	if (fd < 0)
		fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	failed = bind(fd, (const struct sockaddr *)&any, sizeof(any)) &&
		 bind(fd, (const struct sockaddr *)&any4, sizeof(any4));
	if (failed || (type == SOCK_STREAM && listen(fd, 64))) {
		perror("net_echo: listen");
		_exit(1);
	}
	return fd;
}

static size_t print_address(const struct sockaddr_storage *peer, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	const char *shown;

	if (peer->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, address,
			  sizeof(address));
	else
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, address,
			  sizeof(address));
	shown = strncmp(address, "::ffff:", 7) == 0 ? address + 7 : address;
	return (size_t)snprintf(text, size, "%s", shown);
}

static int write_all(int fd, const void *data, size_t len)
{
	const unsigned char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void serve_connection(int fd, const struct sockaddr_storage *peer, int tells)
{
	char text[INET6_ADDRSTRLEN];
	int on = 1;
	ssize_t n;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (tells) {
		(void)write_all(fd, text, print_address(peer, text, sizeof(text)));
		return;
	}
	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
		if (write_all(fd, buffer, (size_t)n))
			return;
	}
}

static void on_connection(int listener, int tells)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fork() == 0) {
		serve_connection(fd, &peer, tells);
		_exit(0);
	}
	close(fd);
}

/* The answer has to come from the address that was asked, which a host with several may not do. */
static void on_datagram(int fd, int tells)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage peer = { 0 };
	struct iovec data = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	struct msghdr message = { .msg_name = &peer,
				  .msg_namelen = sizeof(peer),
				  .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(fd, &message, 0);

	if (n < 0)
		return;
	data.iov_len = tells ? print_address(&peer, (char *)buffer, sizeof(buffer)) : (size_t)n;
	message.msg_flags = 0;
	(void)sendmsg(fd, &message, 0);
}

/* As process 1 it would be deaf to a signal without a handler. */
static void on_term(int number)
{
	_exit(128 + number);
}

static _Noreturn void serve(uint16_t port)
{
	struct pollfd fds[4];
	int on = 1;

	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGTERM, on_term);
	for (int i = 0; i < 4; i++) {
		fds[i].fd = listen_at(i < 2 ? SOCK_STREAM : SOCK_DGRAM, (uint16_t)(port + i % 2));
		fds[i].events = POLLIN;
		if (i < 2)
			continue;
		(void)setsockopt(fds[i].fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
		(void)setsockopt(fds[i].fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
	printf("serving\n");
	(void)fflush(stdout);
	for (;;) {
		if (poll(fds, 4, -1) < 0)
			continue;
		for (int i = 0; i < 4; i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			if (i < 2)
				on_connection(fds[i].fd, i % 2);
			else
				on_datagram(fds[i].fd, i % 2);
		}
	}
}

/* --- clients --------------------------------------------------------------------------------- */

/* Of TCP, in TIMEOUT_MS; -1 with errno. */
static int connect_to(int type, const char *address, const char *port)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = TIMEOUT_MS / 1000 };
	in_port_t number = htons((uint16_t)strtoul(port, NULL, 10));
	int is_ip6 = inet_pton(AF_INET6, address, &to6.sin6_addr) == 1;
	int on = 1;
	int fd;

	if (!is_ip6 && inet_pton(AF_INET, address, &to4.sin_addr) != 1) {
		errno = EINVAL;
		return -1;
	}
	to6.sin6_port = number;
	to4.sin_port = number;
	fd = socket(is_ip6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* A connection that is not made in time is EINPROGRESS. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (is_ip6 ? connect(fd, (const struct sockaddr *)&to6, sizeof(to6))
		   : connect(fd, (const struct sockaddr *)&to4, sizeof(to4))) {
		if (errno == EINPROGRESS)
			errno = ETIMEDOUT;
		close(fd);
		return -1;
	}
	return fd;
}

static int ask_stream(int fd, const char *text)
{
	size_t len = 0;
	ssize_t n;

	if (write_all(fd, text, strlen(text)))
		return fail("send");
	(void)shutdown(fd, SHUT_WR);
	while (len < sizeof(buffer) && (n = recv(fd, buffer + len, sizeof(buffer) - len, 0)) != 0) {
		if (n < 0)
			return fail("receive");
		len += (size_t)n;
	}
	printf("%.*s\n", (int)len, (const char *)buffer);
	return 0;
}

/* A datagram may be lost, so it is sent up to three times. Returns the answer's length or -1. */
static ssize_t exchange_datagram(int fd, const void *data, size_t len)
{
	for (int i = 0; i < 3; i++) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		if (send(fd, data, len, 0) < 0)
			return -1;
		if (poll(&ready, 1, DATAGRAM_MS) > 0)
			return recv(fd, buffer, sizeof(buffer), 0);
	}
	errno = ETIMEDOUT;
	return -1;
}

static int ask(int type, char *const *arguments)
{
	int fd = connect_to(type, arguments[0], arguments[1]);
	ssize_t n;

	if (fd < 0)
		return fail("connect");
	if (type == SOCK_STREAM)
		return ask_stream(fd, arguments[2]);
	n = exchange_datagram(fd, arguments[2], strlen(arguments[2]));
	if (n < 0)
		return fail("receive");
	printf("%.*s\n", (int)n, (const char *)buffer);
	return 0;
}

/* Anything but a power of two, so that a lost or repeated page does not go unseen. */
static unsigned char pattern(uint64_t at)
{
	return (unsigned char)(at % 251);
}

static int send_pattern(int fd, uint64_t *sent, uint64_t bytes)
{
	static unsigned char data[CHUNK];
	size_t len = bytes - *sent < CHUNK ? (size_t)(bytes - *sent) : CHUNK;
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		data[i] = pattern(*sent + i);
	n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	*sent += (uint64_t)n;
	if (*sent == bytes)
		(void)shutdown(fd, SHUT_WR);
	return 0;
}

static int bulk(char *const *arguments)
{
	uint64_t bytes = strtoull(arguments[2], NULL, 10);
	int fd = connect_to(SOCK_STREAM, arguments[0], arguments[1]);
	uint64_t received = 0;
	uint64_t sent = 0;

	if (fd < 0)
		return fail("connect");
	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (sent < bytes)
			ready.events |= POLLOUT;
		if (poll(&ready, 1, TIMEOUT_MS) <= 0) {
			printf("nothing for 10 s, %ju sent, %ju back\n", sent, received);
			return 1;
		}
		if ((ready.revents & POLLOUT) && send_pattern(fd, &sent, bytes))
			return fail("send");
		if (!(ready.revents & ~POLLOUT))
			continue;
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0)
			return fail("receive");
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (buffer[i] != pattern(received + (uint64_t)i)) {
				printf("byte %ju differs\n", received + (uint64_t)i);
				return 1;
			}
		}
		received += (uint64_t)n;
	}
	printf("%ju of %ju bytes\n", received, bytes);
	return received != bytes;
}

static int sizes(char *const *arguments)
{
	static unsigned char data[CHUNK];
	int never = IP_PMTUDISC_DO;
	int fd = connect_to(SOCK_DGRAM, arguments[0], arguments[1]);

	if (fd < 0)
		return fail("connect");
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof(never));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &never, sizeof(never));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	for (char *const *size = arguments + 2; *size; size++) {
		size_t len = strtoul(*size, NULL, 10);
		ssize_t n = exchange_datagram(fd, data, len < CHUNK ? len : CHUNK);
		const char *result = "differs";

		if (n < 0)
			result = strerrorname_np(errno);
		else if ((size_t)n == len && memcmp(buffer, data, len) == 0)
			result = "echoed";
		printf("%s%s: %s", size == arguments + 2 ? "" : ", ", *size, result);
	}
	printf("\n");
	return 0;
}

static int load(char *const *arguments)
{
	unsigned long requests = strtoul(arguments[2], NULL, 10);
	int fd = connect_to(SOCK_STREAM, arguments[0], arguments[1]);
	struct timespec begin;
	struct timespec end;

	if (fd < 0)
		return fail("connect");
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned long i = 0; i < requests; i++) {
		if (write_all(fd, "x", 1) || recv(fd, buffer, 1, 0) != 1)
			return fail("request");
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%jd\n",
	       (intmax_t)(end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "serve") == 0 && argc == 3)
		serve((uint16_t)strtoul(argv[2], NULL, 10));
	if (strcmp(verb, "tcp") == 0 && argc == 5)
		return ask(SOCK_STREAM, argv + 2);
	if (strcmp(verb, "udp") == 0 && argc == 5)
		return ask(SOCK_DGRAM, argv + 2);
	if (strcmp(verb, "bulk") == 0 && argc == 5)
		return bulk(argv + 2);
	if (strcmp(verb, "sizes") == 0 && argc >= 5)
		return sizes(argv + 2);
	if (strcmp(verb, "load") == 0 && argc == 5)
		return load(argv + 2);
	(void)fprintf(stderr, "net_echo serve|tcp|udp|bulk|sizes|load: see the source\n");
	return 2;
}
