/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/tap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/network/rtnetlink.h"

#define NAME "bulkhead" /* and a number that is free */
#define NAME_LENGTH (sizeof(NAME) - 1)

#define HEADER_SIZE 12		 /* virtio_net_hdr with num_buffers (virtio 1.2, section 5.1.6) */
#define QUEUE_LENGTH 256	 /* frames that may wait for the guest: 16 MiB at most */
#define NO_ADDRESS_GENERATION 1u /* IN6_ADDR_GEN_MODE_NONE */

int tap_open(struct error *err)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? error_set(err, errno, "open '/dev/net/tun'") : fd;
}

static struct nlmsghdr *link_request(char bytes[RTNETLINK_REQUEST_SIZE], uint16_t type,
				     uint32_t ifindex, unsigned int change, unsigned int flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *link;

	request->nlmsg_type = type;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = (int)ifindex;
	link->ifi_change = change;
	link->ifi_flags = flags;
	return request;
}

static void on_link(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	uint32_t *ifindex = context;

	if (message->nlmsg_type == RTM_NEWLINK)
		*ifindex = (uint32_t)link->ifi_index;
}

static int find_index(struct mnl_socket *netlink, const char *name, uint32_t *ret_ifindex)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = link_request(bytes, RTM_GETLINK, 0, 0, 0);
	uint32_t ifindex = 0;
	int r;

	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	r = rtnetlink_ask(netlink, request, on_link, &ifindex);
	if (!r && !ifindex)
		r = -ENODEV;
	if (!r)
		*ret_ifindex = ifindex;
	return r;
}

/* It asks nobody for addresses and answers nobody: the stack of the namespace has no part in it. */
static int make_silent(struct mnl_socket *netlink, uint32_t ifindex)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = link_request(bytes, RTM_NEWLINK, ifindex, IFF_NOARP, IFF_NOARP);

	mnl_attr_put_u32(request, IFLA_TXQLEN, QUEUE_LENGTH);
	return rtnetlink_ask(netlink, request, NULL, NULL);
}

int tap_create(int fd, struct mnl_socket *netlink, uint32_t *ret_ifindex, struct error *err)
{
	struct ifreq request = { .ifr_name = NAME "%d" };
	const int header_size = HEADER_SIZE;
	int r;

	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_set(err, errno, "create a tap");
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
		return error_set(err, errno, "set the size of a tap's header");
	if (ioctl(fd, TUNSETOFFLOAD,
		  (unsigned long)(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)) < 0)
		return error_set(err, errno, "set a tap's offloads");
	r = find_index(netlink, request.ifr_name, ret_ifindex);
	if (!r)
		r = make_silent(netlink, *ret_ifindex);
	return r < 0 ? error_set(err, -r, "set up tap %s", request.ifr_name) : 0;
}

bool tap_exists(int fd)
{
	struct ifreq request = { .ifr_name = "" };

	return ioctl(fd, TUNGETIFF, &request) == 0;
}

static int set_mtu(struct mnl_socket *netlink, uint32_t ifindex, uint32_t mtu)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = link_request(bytes, RTM_NEWLINK, ifindex, 0, 0);

	mnl_attr_put_u32(request, IFLA_MTU, mtu);
	return rtnetlink_ask(netlink, request, NULL, NULL);
}

/* After the MTU: one that is large enough again makes the kernel forget what was set for IPv6. */
static int stop_address_generation(struct mnl_socket *netlink, uint32_t ifindex)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = link_request(bytes, RTM_NEWLINK, ifindex, 0, 0);
	struct nlattr *all = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(request, AF_INET6);
	int r;

	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, NO_ADDRESS_GENERATION);
	mnl_attr_nest_end(request, inet6);
	mnl_attr_nest_end(request, all);
	r = rtnetlink_ask(netlink, request, NULL, NULL);
	/* There is no IPv6 here, in the kernel or with this MTU. */
	return r == -EAFNOSUPPORT ? 0 : r;
}

/* Up with IFF_UP as @flags, else down. */
static int set_flags(struct mnl_socket *netlink, uint32_t ifindex, unsigned int flags)
{
	char bytes[RTNETLINK_REQUEST_SIZE];

	return rtnetlink_ask(netlink, link_request(bytes, RTM_NEWLINK, ifindex, IFF_UP, flags),
			     NULL, NULL);
}

int tap_up(struct mnl_socket *netlink, uint32_t ifindex, uint32_t mtu, struct error *err)
{
	int r = set_mtu(netlink, ifindex, mtu);

	if (!r)
		r = stop_address_generation(netlink, ifindex);
	if (!r)
		r = set_flags(netlink, ifindex, IFF_UP);
	return r < 0 ? error_set(err, -r, "bring up a tap with an MTU of %u", mtu) : 0;
}

int tap_down(struct mnl_socket *netlink, uint32_t ifindex, struct error *err)
{
	int r = set_flags(netlink, ifindex, 0);

	return r < 0 ? error_set(err, -r, "bring down a tap") : 0;
}

bool tap_is_name(const char *name)
{
	return strncmp(name, NAME, NAME_LENGTH) == 0 && isdigit((unsigned char)name[NAME_LENGTH]);
}
