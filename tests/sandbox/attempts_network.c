/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sandbox/attempts_network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 64 /* those of a process are the first */
#define INTERFACES 64  /* so are the interfaces of a namespace */
#define PROCESSES 64
#define NAMESPACES 8

static int result(long r)
{
	return r < 0 ? errno : 0;
}

int attempt_raw_socket(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
}

int attempt_open_namespace(void)
{
	static const char *const places[] = { "/proc/self/ns/net", "/proc/1/ns/net",
					      "/run/netns/host", "/sys/class/net" };
	int code = ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (open(places[i], O_RDONLY) >= 0)
			return 0;
		code = errno;
	}
	return code;
}

/* --- rtnetlink -------------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct nlattr attribute;
	uint32_t value;
};

/* The process's own, or -1 with errno. */
static int find_netlink(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		struct sockaddr_nl address = { .nl_family = AF_UNSPEC };
		socklen_t size = sizeof(address);

		if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		    address.nl_family == AF_NETLINK)
			return fd;
	}
	errno = ENOTSOCK;
	return -1;
}

/* Returns 0, or the errno value that the kernel answers. */
static int ask(int fd, uint16_t type, int ifindex, uint16_t attribute, uint32_t value)
{
	const struct request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_REQUEST | (type == RTM_GETLINK ? 0 : NLM_F_ACK),
			    .nlmsg_seq = 0x5eed },
		.link.ifi_index = ifindex,
		.attribute = { .nla_len = sizeof(struct nlattr) + sizeof(value),
			       .nla_type = attribute },
		.value = value,
	};
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	struct iovec part = { &answer, sizeof(answer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (sendto(fd, &request, sizeof(request), 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return errno;
	/* The kernel answers before the request's end; what came before is another question's. */
	while (recvmsg(fd, &message, MSG_DONTWAIT) >= (ssize_t)sizeof(answer.header)) {
		const struct nlmsgerr *error = NLMSG_DATA(&answer.header);

		if (answer.header.nlmsg_seq == request.header.nlmsg_seq)
			return answer.header.nlmsg_type == NLMSG_ERROR ? -error->error : 0;
	}
	return EAGAIN;
}

static bool is_here(int fd, int ifindex)
{
	return ask(fd, RTM_GETLINK, ifindex, IFLA_EXT_MASK, 0) == 0;
}

/* Whether it left the namespace; what it is told to go to may be this one. */
static bool move(int fd, int ifindex, uint16_t attribute, uint32_t value, int *ret_code)
{
	int code = ask(fd, RTM_NEWLINK, ifindex, attribute, value);

	if (code == 0 && !is_here(fd, ifindex))
		return true;
	if (code)
		*ret_code = code;
	return false;
}

int attempt_move_interface(void)
{
	int fd = find_netlink();
	int code = ENODEV;

	if (fd < 0)
		return errno;
	/* The first is the loopback interface, which cannot be moved. */
	for (int ifindex = 2; ifindex < INTERFACES; ifindex++) {
		if (!is_here(fd, ifindex))
			continue;
		for (uint32_t pid = 1; pid < PROCESSES; pid++)
			if (move(fd, ifindex, IFLA_NET_NS_PID, pid, &code))
				return 0;
		for (uint32_t other = 0; other < DESCRIPTORS; other++)
			if (move(fd, ifindex, IFLA_NET_NS_FD, other, &code))
				return 0;
	}
	return code;
}

int attempt_reach_peer(void)
{
	int fd = find_netlink();
	int code = ENOENT;

	if (fd < 0)
		return errno;
	for (uint32_t id = 0; id < NAMESPACES; id++) {
		code = ask(fd, RTM_GETLINK, 1, IFLA_TARGET_NETNSID, id);
		if (!code)
			return 0;
	}
	return code;
}

/* --- taps ------------------------------------------------------------------------------------- */

int attempt_persist_interface(void)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int code = ENOTTY;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "attempt");
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (ioctl(fd, TUNSETIFF, &request) < 0)
			continue;
		if (ioctl(fd, TUNSETPERSIST, 1) == 0)
			return 0;
		code = errno;
	}
	return code;
}
