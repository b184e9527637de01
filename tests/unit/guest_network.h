/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_network.h - guest-init's network in real network namespaces, with veth pairs for cards and
 * a directory for sysfs
 *
 * As tap.h, it belongs into the one source file of a test program. Needs root and iproute2.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/network.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"

#define OUTPUT_SIZE 16384
#define DRIVER "bus/platform/drivers/virtio-mmio/"

struct guest_network {
	int outer_fd; /* the network namespace of the test program */
	int first_fd; /* the guest's first */
	int sysfs_fd;
	char sysfs[SCRATCH_DIR_SIZE];
	pid_t pid; /* process 0 */
	struct container_plan plan;
	struct network *network;
	char output[OUTPUT_SIZE]; /* of the last command */
	struct failure err;
};

static inline void need(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	_exit(99);
}

/* Run @command in the namespace that the test is in. Returns its exit code; it talks to @output. */
static inline int shell(struct guest_network *box, const char *command)
{
	size_t len = 0;
	int pipes[2];
	int status;
	ssize_t n;
	pid_t pid;

	need(!pipe2(pipes, O_CLOEXEC), "pipe");
	pid = fork();
	need(pid >= 0, "fork");
	if (!pid) {
		need(dup2(pipes[1], 1) == 1 && dup2(pipes[1], 2) == 2, "dup2");
		(void)execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(126);
	}
	(void)close(pipes[1]);
	while (len < sizeof(box->output) - 1 &&
	       (n = read(pipes[0], box->output + len, sizeof(box->output) - 1 - len)) > 0)
		len += (size_t)n;
	box->output[len] = 0;
	(void)close(pipes[0]);
	need(waitpid(pid, &status, 0) == pid, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline bool has(const char *text, const char *part)
{
	if (strstr(text, part))
		return true;
	printf("# no \"%s\" in:\n# %s\n", part, text);
	return false;
}

/* Whether @command works and prints @part. */
#define shows(box, command, part) ok(shell((box), (command)) == 0 && has((box)->output, (part)))
#define hides(box, command, part) ok(shell((box), (command)) == 0 && !strstr((box)->output, (part)))

static inline void make_directory(const struct guest_network *box, const char *path)
{
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *slash = copy; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = 0;
		need(!mkdirat(box->sysfs_fd, copy, 0755) || errno == EEXIST, copy);
	}
	need(!mkdirat(box->sysfs_fd, copy, 0755) || errno == EEXIST, copy);
}

/* Card @number in the first namespace, under any name; its other end, "peerN", stays there. */
static inline void add_card(struct guest_network *box, unsigned int number)
{
	char path[128];
	char command[256];
	int inside_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	need(inside_fd >= 0 && !setns(box->first_fd, CLONE_NEWNET), "setns");
	(void)snprintf(command, sizeof(command),
		       "ip link add name eth%u address 02:00:00:00:00:0%u type veth peer name "
		       "peer%u && ip link set peer%u up",
		       number, number, number, number);
	need(!shell(box, command), command);
	(void)snprintf(path, sizeof(path), "bus/platform/devices/%08x.virtio/virtio%u/net/eth%u",
		       PROTOCOL_CARD_BASE + number * PROTOCOL_CARD_STRIDE, number + 4, number);
	make_directory(box, path);
	need(!setns(inside_fd, CLONE_NEWNET), "setns");
	(void)close(inside_fd);
}

static inline void make_file(const struct guest_network *box, const char *path)
{
	int fd = openat(box->sysfs_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	need(fd >= 0, path);
	(void)close(fd);
}

/* What was written to a file of the driver since the last time. */
static inline const char *driver_heard(struct guest_network *box, const char *path)
{
	int fd = openat(box->sysfs_fd, path, O_RDWR | O_CLOEXEC);
	ssize_t n = read(fd, box->output, sizeof(box->output) - 1);

	need(n >= 0 && !ftruncate(fd, 0), path);
	box->output[n] = 0;
	(void)close(fd);
	return box->output;
}

/* A guest whose process 0 waits; @sysctls are of config.json. */
static inline void guest_network_begin(struct guest_network *box, struct plan_sysctl *sysctls,
				       size_t nr_sysctls)
{
	int pipes[2];
	int pid_fd;
	char byte;

	memset(box, 0, sizeof(*box));
	box->outer_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	need(box->outer_fd >= 0 && !unshare(CLONE_NEWNET), "namespace");
	box->first_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	scratch_dir_make(box->sysfs);
	box->sysfs_fd = open(box->sysfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_directory(box, DRIVER);
	make_file(box, DRIVER "bind");
	make_file(box, DRIVER "unbind");
	need(!pipe2(pipes, O_CLOEXEC), "pipe");
	box->pid = fork();
	if (!box->pid) {
		need(!unshare(CLONE_NEWNET), "namespace");
		need(write(pipes[1], "", 1) == 1, "pipe");
		for (;;)
			(void)pause();
	}
	need(read(pipes[0], &byte, 1) == 1, "pipe");
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	box->plan.namespaces = CLONE_NEWNET;
	box->plan.sysctls = sysctls;
	box->plan.nr_sysctls = nr_sysctls;
	pid_fd = (int)syscall(SYS_pidfd_open, box->pid, 0);
	box->network = network_new(dup(box->sysfs_fd), pid_fd, &box->plan, &box->err);
	need(box->network != NULL, box->err.text);
	need(!shell(box, "ip link set lo up"), "lo");
	(void)close(pid_fd);
}

static inline void guest_network_end(struct guest_network *box)
{
	network_free(box->network);
	(void)kill(box->pid, SIGKILL);
	need(waitpid(box->pid, NULL, 0) == box->pid, "wait");
	need(!setns(box->outer_fd, CLONE_NEWNET), "setns");
	(void)close(box->outer_fd);
	(void)close(box->first_fd);
	(void)close(box->sysfs_fd);
	scratch_dir_remove(box->sysfs);
}

/* A message in which ' stands for ". */
static inline json_t *message_of(const char *text)
{
	char *copy = strdup(text);
	json_error_t error;
	json_t *message;

	need(copy != NULL, "strdup");
	for (char *quote = copy; (quote = strchr(quote, '\''));)
		*quote = '"';
	message = json_loads(copy, 0, &error);
	need(message != NULL, copy);
	free(copy);
	return message;
}

/* Apply the message whose interfaces are @interfaces. Returns 0 or what went wrong. */
static inline int network_says(struct guest_network *box, const char *interfaces)
{
	struct network_plan plan;
	char text[4096];
	json_t *message;
	int r;

	(void)snprintf(text, sizeof(text), "{'interfaces': [%s], 'resolver': false}", interfaces);
	message = message_of(text);
	r = network_plan_init(&plan, message, &box->err);
	json_decref(message);
	if (!r)
		r = network_apply(box->network, &plan, &box->err);
	if (!r)
		box->err.text[0] = 0;
	return r;
}

/* An interface with card @number; the lists are JSON. */
#define INTERFACE(number, name, addresses, routes, neighbours)                                     \
	INTERFACE_OF(number, name, "1500", "true", addresses, routes, neighbours)
#define INTERFACE_OF(number, name, mtu, up, addresses, routes, neighbours)                         \
	"{'card': " #number ", 'name': '" name "', 'mac': '02:00:00:00:00:0" #number               \
	"', 'mtu': " mtu ", 'up': " up ", 'addresses': [" addresses "], 'routes': [" routes        \
	"], 'neighbours': [" neighbours "]}"
#define ADDRESS(ip, prefix) "{'address': '" ip "', 'prefix': " #prefix ", 'scope': 0}"
#define ROUTE4 "{'family': 2, 'type': 1, 'flags': 0, 'scope': 0, "
#define ROUTE6 "{'family': 10, 'type': 1, 'flags': 0, 'scope': 0, "
