/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_socket - both ends of a unix socket, for a server on the host and its clients in a guest
 *
 *   unix_socket serve PATH [TYPE]     echo every connection to its end, and end it then
 *   unix_socket serve-first PATH      say "first" and end at once; print what comes until its end
 *   unix_socket serve-nobody PATH     listen with the shortest backlog and accept nobody
 *
 *   unix_socket connect PATH [TYPE]   connect and close
 *   unix_socket wait PATH SECONDS     connect as soon as PATH exists, and say how that went
 *   unix_socket echo PATH BYTES       send so many bytes and the end, and compare what comes back
 *   unix_socket last PATH             read to the end, then answer "last"
 *   unix_socket many PATH COUNT       so many connections at a time, each with an echo
 *   unix_socket own PATH              a server and a client in this very process
 *
 * Clients print one line: what was done, or the name of the error.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MANY_MAX 1000
#define CHUNK 65536

static int type_of(const char *name)
{
	if (!strcmp(name, "dgram"))
		return SOCK_DGRAM;
	return strcmp(name, "seqpacket") == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

/* --- servers --------------------------------------------------------------------------------- */

static int open_server(const char *path, int type, int backlog)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	if (type != SOCK_DGRAM && listen(fd, backlog) < 0)
		return -1;
	return fd;
}

static void serve_echo(int fd)
{
	static char bytes[CHUNK];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t written = write(fd, bytes + done, (size_t)(n - done));

			if (written < 0)
				return;
			done += written;
		}
	(void)shutdown(fd, SHUT_WR);
}

static void serve_first(int fd)
{
	char bytes[64] = "";
	size_t len = 0;
	ssize_t n;

	if (write(fd, "first", 5) != 5 || shutdown(fd, SHUT_WR) < 0)
		return;
	while ((n = read(fd, bytes + len, sizeof(bytes) - 1 - len)) > 0)
		len += (size_t)n;
	printf("%s\n", bytes);
	(void)fflush(stdout);
}

static int serve(const char *path, int type, void (*serve_one)(int fd))
{
	int fd = open_server(path, type, 1000);

	if (fd < 0)
		return fail("serve");
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = type == SOCK_DGRAM ? pause() : accept(fd, NULL, NULL);

		if (client >= 0 && fork() == 0) {
			serve_one(client);
			_exit(0);
		}
		(void)close(client);
	}
}

/* --- clients --------------------------------------------------------------------------------- */

static int open_client(const char *path, int type)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	int code;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	errno = code;
	return -1;
}

/* Connected, or to somebody who closes at once? */
static int try_connect(const char *path, int type)
{
	int fd = open_client(path, type);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return fail("connect");
	printf("connect: %s\n", poll(&pollfd, 1, 1000) > 0 ? "closed" : "ok");
	return 0;
}

static int wait_for(const char *path, unsigned int seconds)
{
	time_t end = time(NULL) + (time_t)seconds;
	int fd;

	do {
		fd = open_client(path, SOCK_STREAM);
	} while (fd < 0 && errno == ENOENT && time(NULL) < end);
	if (fd < 0)
		return fail("wait");
	printf("wait: ok\n");
	return 0;
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i + (i >> 8) * 3 + (i >> 16) * 7);
}

/* Send and receive at the same time: neither side has room for all of it. */
static int echo(const char *path, size_t size)
{
	static uint8_t bytes[CHUNK];
	size_t nr_sent = 0, nr_received = 0;
	int fd = open_client(path, SOCK_STREAM);

	if (fd < 0)
		return fail("echo");
	if (size == 0)
		(void)shutdown(fd, SHUT_WR);
	for (;;) {
		struct pollfd pollfd = { .fd = fd,
					 .events = POLLIN | (nr_sent < size ? POLLOUT : 0) };
		ssize_t n;

		if (poll(&pollfd, 1, 60000) <= 0)
			return fail("echo: poll");
		if (pollfd.revents & POLLOUT) {
			size_t len = size - nr_sent < CHUNK ? size - nr_sent : CHUNK;

			for (size_t i = 0; i < len; i++)
				bytes[i] = pattern(nr_sent + i);
			n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN)
				return fail("echo: send");
			nr_sent += n > 0 ? (size_t)n : 0;
			if (nr_sent == size && shutdown(fd, SHUT_WR) < 0)
				return fail("echo: shutdown");
		}
		n = recv(fd, bytes, CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return fail("echo: receive");
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != pattern(nr_received + (size_t)i)) {
				printf("echo: byte %zu is wrong\n", nr_received + (size_t)i);
				return 1;
			}
		nr_received += n > 0 ? (size_t)n : 0;
		if (n == 0)
			break;
	}
	printf("echo: %zu of %zu\n", nr_received, size);
	return nr_received != size;
}

static int last(const char *path)
{
	char bytes[64] = "";
	size_t len = 0;
	ssize_t n;
	int fd = open_client(path, SOCK_STREAM);

	if (fd < 0)
		return fail("last");
	while ((n = read(fd, bytes + len, sizeof(bytes) - 1 - len)) > 0)
		len += (size_t)n;
	if (n < 0 || send(fd, "last", 4, MSG_NOSIGNAL) != 4)
		return fail("last: answer");
	printf("last: after %s\n", bytes);
	return 0;
}

static int many(const char *path, int count)
{
	static int fds[MANY_MAX];
	int nr_answers = 0;

	if (count > MANY_MAX)
		return 2;
	for (int i = 0; i < count; i++) {
		fds[i] = open_client(path, SOCK_STREAM);
		if (fds[i] < 0 || write(fds[i], &i, sizeof(i)) != (ssize_t)sizeof(i))
			return fail("many");
	}
	for (int i = 0; i < count; i++) {
		struct pollfd pollfd = { .fd = fds[i], .events = POLLIN };
		int answer = -1;

		if (poll(&pollfd, 1, 30000) > 0 &&
		    read(fds[i], &answer, sizeof(answer)) == (ssize_t)sizeof(answer))
			nr_answers += answer == i;
		/* More than can be served at a time are served in turn. */
		(void)close(fds[i]);
	}
	printf("many: %d of %d\n", nr_answers, count);
	return nr_answers != count;
}

static int own(const char *path)
{
	int server = open_server(path, SOCK_STREAM, 1);
	int client = server < 0 ? -1 : open_client(path, SOCK_STREAM);
	int accepted = client < 0 ? -1 : accept(server, NULL, NULL);
	char bytes[4] = "";

	if (accepted < 0 || write(client, "own", 3) != 3 || read(accepted, bytes, 3) != 3)
		return fail("own");
	(void)close(server);
	printf("own: %s\n", bytes);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	const char *path = argc > 2 ? argv[2] : "";
	const char *argument = argc > 3 ? argv[3] : "";

	if (!strcmp(verb, "serve"))
		return serve(path, type_of(argument), serve_echo);
	if (!strcmp(verb, "serve-first"))
		return serve(path, SOCK_STREAM, serve_first);
	if (!strcmp(verb, "serve-nobody"))
		return open_server(path, SOCK_STREAM, 0) < 0 ? fail("serve-nobody") : pause();
	if (!strcmp(verb, "connect"))
		return try_connect(path, type_of(argument));
	if (!strcmp(verb, "wait"))
		return wait_for(path, (unsigned int)strtoul(argument, NULL, 10));
	if (!strcmp(verb, "echo"))
		return echo(path, strtoul(argument, NULL, 10));
	if (!strcmp(verb, "last"))
		return last(path);
	if (!strcmp(verb, "many"))
		return many(path, (int)strtoul(argument, NULL, 10));
	if (!strcmp(verb, "own"))
		return own(path);
	(void)fprintf(stderr, "usage: unix_socket VERB PATH [ARGUMENT]\n");
	return 2;
}
