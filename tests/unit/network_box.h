/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_box.h - a network namespace with a network process in it, for one test program
 *
 * Its filters (vmm/network/card_filter.h) are played here, in the program itself: not every kernel
 * that this runs on has what they need. Theirs is test_card_filter.c.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/network_monitor.h"
#include "tests/unit/network_namespace.h"
#include "tests/unit/tap.h"
#include "vmm/network/card_filter.h"

static const struct network_policy policy = { .allows_spoofing = true };
static struct network_monitor monitor;

/* Shared with the process. */
static struct {
	uint32_t interfaces[NETWORK_SLOTS * 2]; /* with a filter; 0: none */
	uint32_t taken;				/* by somebody else */
	unsigned int nr_sets, nr_faults;
	bool passes_resolver;
} * filters;

static inline bool is_up(uint32_t ifindex)
{
	struct ifreq request = { .ifr_name = "" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_up_now = if_indextoname(ifindex, request.ifr_name) &&
			 ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;

	(void)close(fd);
	return is_up_now;
}

static inline uint32_t *find_filter(uint32_t ifindex)
{
	for (size_t i = 0; i < NETWORK_SLOTS * 2; i++)
		if (filters->interfaces[i] == ifindex)
			return &filters->interfaces[i];
	return NULL;
}

int card_filter_claim(struct mnl_socket *netlink, uint32_t ifindex, struct error *err)
{
	(void)netlink;
	if (find_filter(ifindex))
		return error_set(err, EEXIST, "filter of interface %u", ifindex);
	return ifindex != filters->taken;
}

/* A tap is not up before its filter is there. */
int card_filter_set(struct mnl_socket *netlink, const struct network_interface *interface,
		    uint32_t tap_ifindex, const struct network_policy *used, bool passes_resolver,
		    struct error *err)
{
	uint32_t *place = find_filter(interface->ifindex);

	(void)netlink;
	(void)err;
	filters->nr_faults += used != &policy || tap_ifindex == interface->ifindex;
	filters->nr_faults +=
		(!place && is_up(tap_ifindex)) || interface->ifindex == filters->taken;
	if (!place)
		*find_filter(0) = interface->ifindex;
	filters->nr_sets++;
	filters->passes_resolver = passes_resolver;
	return 0;
}

/* Nor is it up without one. */
int card_filter_clear(struct mnl_socket *netlink, uint32_t ifindex, uint32_t tap_ifindex,
		      struct error *err)
{
	uint32_t *place = find_filter(ifindex);

	(void)netlink;
	(void)err;
	filters->nr_faults += !place || (tap_ifindex && is_up(tap_ifindex));
	if (place)
		*place = 0;
	return 0;
}

static int outside_fd; /* a namespace for the other ends of what is in the container's */

static inline void run(const char *command)
{
	if (!is_int(network_namespace_run(command), 0))
		printf("# %s\n", command);
}

/* Make what an engine makes: the interface @name, whose other end is outside. */
static inline void add_interface(const char *name, const char *options)
{
	char command[300];

	(void)snprintf(command, sizeof(command),
		       "ip link add %s %s type veth peer netns /proc/$PPID/fd/%d; "
		       "ip link set %s addrgenmode none",
		       name, options, outside_fd, name);
	run(command);
}

/* A namespace with eth0 in it, and a process that has told of it. */
static inline void start_with(const char *eth0)
{
	ok(network_namespace_enter());
	add_interface("eth0", eth0);
	run("ip link set eth0 up; ip addr add 172.17.0.2/16 brd + dev eth0;"
	    "ip route add default via 172.17.0.1");
	network_monitor_start(&monitor, &policy);
	ok(network_monitor_scan(&monitor));
}

static inline void start(void)
{
	start_with("index 20 address 02:42:ac:11:00:02 mtu 1400");
}

static inline void stop(void)
{
	is_int(monitor.nr_faults, 0);
	is_int(filters->nr_faults, 0);
	is_int(network_monitor_stop(&monitor), 0);
	run("! ip link | grep bulkhead");
	for (size_t i = 0; i < NETWORK_SLOTS * 2; i++)
		is_int(filters->interfaces[i], 0);
}

static inline void scan(void)
{
	ok(network_monitor_scan(&monitor));
}

static inline void is_told(const char *part)
{
	if (!ok(strstr(monitor.state, part)))
		printf("# %s not in %s\n", part, monitor.state);
}

static inline void is_not_told(const char *part)
{
	if (!ok(!strstr(monitor.state, part)))
		printf("# %s in %s\n", part, monitor.state);
}

static inline unsigned int nr_descriptors(pid_t pid)
{
	unsigned int nr = 0;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir)) /* NOLINT(concurrency-mt-unsafe): nobody else reads it */
		nr++;
	if (dir)
		(void)closedir(dir);
	return nr;
}

/* To be called once. Returns false where there is nothing to be tested. */
static inline bool prepare(void)
{
	if (!network_namespace_enter()) {
		puts("1..0 # skip needs root and network namespaces");
		return false;
	}
	filters = mmap(NULL, sizeof(*filters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	outside_fd = network_namespace_fd();
	return true;
}
