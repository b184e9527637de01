/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/user_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/clock.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/container/stop_signal.h"

#define START_TIMEOUT_MS 10000
#define POLL_MS 10
#define NETNS_FD 3 /* where pasta finds the namespace */
#define SPEC_SIZE (INET6_ADDRSTRLEN + 16)
#define EXIT_NOT_EXECUTED 127

/* --- ports ------------------------------------------------------------------------------------ */

/* The decimal number of a port at *@text, which then begins behind it; 0 if there is none. */
static uint16_t take_port(const char **text)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned long port = digits > 0 && digits <= 5 ? strtoul(*text, NULL, 10) : 0;

	*text += digits;
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* An address and the colon behind it, if there is one. Returns false for one that is none. */
static bool take_address(const char **text, char ret[INET6_ADDRSTRLEN])
{
	bool is_v6 = **text == '[';
	const char *start = *text + is_v6;
	size_t len = strcspn(start, is_v6 ? "]" : ":");
	const char *end = start + len + is_v6;
	uint8_t bytes[16];

	*ret = 0;
	if (!is_v6 && !memchr(start, '.', len))
		return true;
	if (len >= INET6_ADDRSTRLEN || (is_v6 && start[len] != ']') || *end != ':')
		return false;
	memcpy(ret, start, len);
	ret[len] = 0;
	*text = end + 1;
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, ret, bytes) == 1;
}

int user_network_publish(struct user_network *network, const char *text, struct error *err)
{
	struct published_port port = { .is_udp = false };
	const char *rest = text;
	bool is_good = take_address(&rest, port.address);

	if (network->nr_ports == PUBLISHED_PORTS_MAX)
		return error_invalid(err, "more than %d published ports", PUBLISHED_PORTS_MAX);
	port.host = port.container = take_port(&rest);
	if (*rest == ':') {
		rest++;
		port.container = take_port(&rest);
	} else if (*port.address) {
		is_good = false;
	}
	port.is_udp = strcmp(rest, "/udp") == 0;
	if (!is_good || !port.host || !port.container ||
	    (*rest && !port.is_udp && strcmp(rest, "/tcp") != 0))
		return error_invalid(err,
				     "published port '%s' is not "
				     "[[ADDRESS:]HOST:]CONTAINER[/tcp|/udp]",
				     text);
	network->ports[network->nr_ports++] = port;
	return 0;
}

/* --- the program ------------------------------------------------------------------------------ */

struct arguments {
	const char *items[32 + 2 * PUBLISHED_PORTS_MAX];
	size_t count;
	char specs[PUBLISHED_PORTS_MAX][SPEC_SIZE];
};

static void add(struct arguments *arguments, const char *option, const char *value)
{
	arguments->items[arguments->count++] = option;
	if (value)
		arguments->items[arguments->count++] = value;
}

static void add_ports(struct arguments *arguments, const struct user_network *network, bool is_udp)
{
	const char *option = is_udp ? "--udp-ports" : "--tcp-ports";
	size_t before = arguments->count;

	for (size_t i = 0; i < network->nr_ports; i++) {
		const struct published_port *port = &network->ports[i];

		if (port->is_udp != is_udp)
			continue;
		(void)snprintf(arguments->specs[i], SPEC_SIZE, "%s%s%u:%u", port->address,
			       *port->address ? "/" : "", port->host, port->container);
		add(arguments, option, arguments->specs[i]);
	}
	if (arguments->count == before)
		add(arguments, option, "none");
}

/* Nothing leads from the container to the host itself: neither ports nor the gateway's address. */
static void make_arguments(const struct user_network *network, struct arguments *ret)
{
	ret->count = 0;
	add(ret, "pasta", NULL);
	add(ret, "--foreground", NULL);
	add(ret, "--quiet", NULL);
	add(ret, "--config-net", NULL);
	add(ret, "--no-map-gw", NULL);
	add(ret, "--tcp-ns", "none");
	add(ret, "--udp-ns", "none");
	add_ports(ret, network, false);
	add_ports(ret, network, true);
	/* It would become nobody, who may not enter a namespace that is root's. */
	if (geteuid() == 0)
		add(ret, "--runas", "0:0");
	add(ret, "--netns-only", NULL);
	add(ret, "--no-netns-quit", NULL); /* the path is of a descriptor */
	add(ret, "--netns", "/proc/self/fd/3");
	ret->items[ret->count] = NULL;
}

static _Noreturn void become_pasta(const struct arguments *arguments, int netns_fd, int output_fd)
{
	static char *const no_environment[] = { NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* execve(2) only reads; its type is older than const. */
	union {
		const char *const *given;
		char *const *wanted;
	} items = { .given = arguments->items };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	/* Nobody hears its words once it runs. It ignores SIGPIPE unless we do already. */
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (chdir("/") == 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
	    dup2(output_fd, STDERR_FILENO) >= 0 &&
	    (netns_fd == NETNS_FD ? fcntl(netns_fd, F_SETFD, 0) : dup2(netns_fd, NETNS_FD)) >= 0) {
		close_descriptors_except((int[]){ NETNS_FD }, 1);
		(void)execve(USER_NETWORK_PROGRAM, items.wanted, no_environment);
	}
	(void)!write(STDERR_FILENO, strerrordesc_np(errno), strlen(strerrordesc_np(errno)));
	_exit(EXIT_NOT_EXECUTED);
}

/* In a child: have pasta in the container's pid namespace, whose PID 1 will reap it. */
static _Noreturn void start_inside(const struct arguments *arguments, int container_fd,
				   int netns_fd, int output_fd, const struct host_cgroup *cgroup)
{
	struct error err;
	pid_t pid = -1;

	if (host_cgroup_join(cgroup, false, &err) == 0 && setns(container_fd, CLONE_NEWPID) == 0)
		pid = fork();
	if (pid == 0)
		become_pasta(arguments, netns_fd, output_fd);
	_exit(pid < 0 ? errno & 0xff : 0);
}

static int fork_inside(const struct arguments *arguments, pid_t container, int output_fd,
		       const struct host_cgroup *cgroup, struct error *err)
{
	AUTO_CLOSE int container_fd = pidfd_open(container, 0);
	AUTO_CLOSE int netns_fd = -1;
	char path[64];
	int status = 0;
	pid_t child;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)container);
	netns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (container_fd < 0 || netns_fd < 0)
		return error_set(err, errno, "open the container's namespaces");
	child = fork();
	if (child < 0)
		return error_set(err, errno, "start " USER_NETWORK_PROGRAM);
	if (child == 0)
		start_inside(arguments, container_fd, netns_fd, output_fd, cgroup);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return error_set(err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
				 "start " USER_NETWORK_PROGRAM " in the container's pid namespace");
	return 0;
}

/* --- until it is there ------------------------------------------------------------------------ */

/* Is it a default route, of IPv4 or IPv6? Those to nowhere are lo's. */
static bool is_default_route(const char *line, size_t len)
{
	static const char ipv6[] = "00000000000000000000000000000000 00 ";

	if (len > strlen(ipv6) && strncmp(line, ipv6, strlen(ipv6)) == 0)
		return strncmp(line + len - 3, " lo", 3) != 0;
	line = memchr(line, '\t', len);
	return line && strncmp(line, "\t00000000\t", 10) == 0;
}

/* The namespace has a default route, which pasta sets last. @file: of IPv4 or IPv6. */
static bool has_route(pid_t container, const char *file)
{
	AUTO_CLOSE int fd = -1;
	char path[64], text[4096];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)container, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : file_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	for (const char *line = text; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");

		if (is_default_route(line, len))
			return true;
		line += len;
	}
	return false;
}

static int failed(const char *output, size_t len, struct error *err)
{
	char text[512];
	size_t n = 0;

	for (; n < len && n + 1 < sizeof(text); n++) {
		bool is_control = (unsigned char)output[n] < ' ' || output[n] == 0x7f;

		text[n] = ' ';
		if (!is_control)
			text[n] = output[n];
	}
	while (n && text[n - 1] == ' ')
		n--;
	text[n] = 0;
	return error_invalid(err, USER_NETWORK_PROGRAM " failed: %s",
			     n ? text : "it did not say why");
}

/* Wait for the network, or for the end of what pasta writes, which is its own. */
static int wait_until_there(pid_t container, int output_fd, int signal_fd, struct error *err)
{
	int64_t deadline_ms = clock_now_ms() + START_TIMEOUT_MS;
	char output[1024];
	size_t len = 0;

	while (clock_now_ms() < deadline_ms) {
		struct pollfd pollfds[] = { { .fd = output_fd, .events = POLLIN },
					    { .fd = signal_fd, .events = POLLIN } };

		(void)poll(pollfds, ARRAY_SIZE(pollfds), POLL_MS);
		if (pollfds[1].revents && stop_signal_read(signal_fd))
			return error_set(err, EINTR, "create the container");
		if (pollfds[0].revents) {
			ssize_t n = read(output_fd, output + len, sizeof(output) - len);

			if (n == 0 || (n > 0 && (len += (size_t)n) == sizeof(output)))
				return failed(output, len, err);
		}
		if (has_route(container, "route") || has_route(container, "ipv6_route"))
			return 0;
	}
	return error_set(err, ETIMEDOUT, "wait for " USER_NETWORK_PROGRAM);
}

int user_network_start(const struct user_network *network, pid_t container,
		       const struct host_cgroup *cgroup, int signal_fd, struct error *err)
{
	AUTO_CLOSE int output_read = -1;
	AUTO_CLOSE int output_write = -1;
	struct arguments arguments;
	int fds[2];
	int r;

	if (access(USER_NETWORK_PROGRAM, X_OK) < 0)
		return error_set(err, errno,
				 "--network user: " USER_NETWORK_PROGRAM
				 " (Debian's package passt)");
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set(err, errno, "create a pipe");
	output_read = fds[0];
	output_write = fds[1];
	make_arguments(network, &arguments);
	r = fork_inside(&arguments, container, output_write, cgroup, err);
	fd_close(&output_write);
	if (!r)
		r = wait_until_there(container, output_read, signal_fd, err);
	return r < 0 ? error_prefix(err, "--network user") : 0;
}
