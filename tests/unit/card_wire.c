/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/card_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"

#define PATIENCE_MS 5000
#define QUIET_MS 300

static const struct frame_ends end_out = { WIRE_MAC, "ff:ff:ff:ff:ff:ff", WIRE_IPV4, "10.0.0.253" };
static const struct frame_ends end_in = { WIRE_PEER_MAC, "ff:ff:ff:ff:ff:ff", "10.0.0.254",
					  "10.0.0.253" };

bool wire_run(const char *command)
{
	/* NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a command of this test's */
	return system(command) == 0;
}

void wire_add_address(struct wire *wire, const char *text, uint8_t prefix)
{
	struct network_address *address =
		&wire->interface.addresses[wire->interface.nr_addresses++];

	*address = (struct network_address){ .prefix = prefix };
	address->ip.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	ok(inet_pton(address->ip.family, text, address->ip.bytes) == 1);
}

void wire_new_tap(struct wire *wire)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	if (wire->tap_fd >= 0)
		(void)close(wire->tap_fd);
	memcpy(request.ifr_name, "card0", sizeof("card0"));
	wire->tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ok(ioctl(wire->tap_fd, TUNSETIFF, &request) == 0);
	ok(wire_run("ip link set card0 up"));
	wire->tap_ifindex = if_nametoindex("card0");
}

static int open_peer(uint32_t ifindex)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(ETH_P_ALL),
					     .sll_ifindex = (int)ifindex };
	const int yes = 1, size = 4 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ok(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) == 0);
	ok(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == 0);
	ok(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static bool make_interfaces(void)
{
	/* IPv6 would say things of its own. */
	return wire_run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6") &&
	       wire_run("ip link set lo up") &&
	       wire_run("ip link add eth0 address " WIRE_MAC " type veth peer name peer0 "
			"address " WIRE_PEER_MAC) &&
	       wire_run("ip address add " WIRE_IPV4 "/24 dev eth0") &&
	       wire_run("ip link set eth0 up") && wire_run("ip link set peer0 up");
}

/* Why the test cannot be here, or NULL. */
static const char *open_all(struct wire *wire)
{
	struct network_policy policy = { 0 };
	struct error err;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return "needs root";
	if (access("/dev/net/tun", R_OK) < 0)
		return "needs /dev/net/tun";
	if (!make_interfaces())
		return "needs iproute2 and veth";
	wire->netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!wire->netlink || mnl_socket_bind(wire->netlink, 0, MNL_SOCKET_AUTOPID) < 0)
		return "needs netlink";
	wire->tap_fd = -1;
	wire_new_tap(wire);
	wire->interface.ifindex = if_nametoindex("eth0");
	wire->peer_ifindex = if_nametoindex("peer0");
	memcpy(wire->interface.name, "eth0", sizeof("eth0"));
	memcpy(wire->interface.mac, ether_aton(WIRE_MAC), 6);
	wire_add_address(wire, WIRE_IPV4, 24);
	wire_add_address(wire, WIRE_IPV6, 64);
	/* All that this kernel may lack: each filter and action. */
	policy.has_allow_list = true;
	policy.transmit = (struct network_rate){ 1000000, 1000, 0 };
	if (card_filter_set(wire->netlink, &wire->interface, wire->tap_ifindex, &policy, true,
			    &err) == -ENOENT)
		return "needs a kernel with all filters and actions";
	ok(card_filter_clear(wire->netlink, wire->interface.ifindex, wire->tap_ifindex, &err) == 0);
	wire->peer_fd = open_peer(wire->peer_ifindex);
	if (!ok(card_denials_new(&wire->denials, 2, &err) == 0))
		return "needs packet sockets";
	return NULL;
}

bool wire_open(struct wire *wire, bool needs_all)
{
	const char *lack = open_all(wire);

	if (!lack)
		return true;
	if (!needs_all) {
		printf("1..0 # skip %s\n", lack);
		return false;
	}
	tap_report(false, __FILE__, __LINE__, lack);
	(void)tap_done();
	return false;
}

void wire_set(struct wire *wire, const struct network_policy *policy, bool passes_resolver)
{
	struct error err;

	if (!ok(card_filter_set(wire->netlink, &wire->interface, wire->tap_ifindex, policy,
				passes_resolver, &err) == 0) ||
	    !ok(card_denials_watch(wire->denials, 0, &wire->interface, wire->tap_ifindex, policy,
				   &err) == 0))
		printf("# %s\n", err.text);
}

static bool receive(int fd, struct frame *ret, int timeout_ms)
{
	struct pollfd item = { .fd = fd, .events = POLLIN };
	ssize_t size;

	if (poll(&item, 1, timeout_ms) != 1)
		return false;
	size = read(fd, ret->bytes, sizeof(ret->bytes));
	ret->size = size < 0 ? 0 : (size_t)size;
	return size >= 0;
}

/* Frames arrive in order. */
static bool arrives(int fd, const struct frame *frame, const struct frame *last)
{
	static struct frame got;
	bool has_come = false;

	while (receive(fd, &got, PATIENCE_MS)) {
		if (frame_is_same(&got, last))
			return has_come;
		if (frame_is_same(&got, frame))
			has_come = true;
	}
	tap_report(false, __FILE__, __LINE__, "the last frame came");
	return false;
}

void wire_send_out(struct wire *wire, const struct frame *frame)
{
	ok(write(wire->tap_fd, frame->bytes, frame->size) == (ssize_t)frame->size);
}

void wire_send_in(struct wire *wire, const struct frame *frame)
{
	ok(write(wire->peer_fd, frame->bytes, frame->size) == (ssize_t)frame->size);
}

bool wire_passes_out(struct wire *wire, const struct frame *frame)
{
	const struct frame *last = frame_arp(&end_out, false, end_out.source_mac);

	wire_send_out(wire, frame);
	wire_send_out(wire, last);
	return arrives(wire->peer_fd, frame, last);
}

bool wire_passes_in(struct wire *wire, const struct frame *frame)
{
	const struct frame *last = frame_arp(&end_in, false, end_in.source_mac);

	wire_send_in(wire, frame);
	wire_send_in(wire, last);
	return arrives(wire->tap_fd, frame, last);
}

static unsigned int count(int fd)
{
	static struct frame got;
	unsigned int n = 0;

	while (receive(fd, &got, QUIET_MS))
		n++;
	return n;
}

unsigned int wire_count_out(struct wire *wire)
{
	return count(wire->peer_fd);
}

unsigned int wire_count_in(struct wire *wire)
{
	return count(wire->tap_fd);
}

bool wire_has_out(struct wire *wire, const struct frame *frame)
{
	static struct frame got;
	bool has_come = false;

	while (receive(wire->peer_fd, &got, QUIET_MS))
		has_come = has_come || frame_is_same(&got, frame);
	return has_come;
}

static void keep_line(void *context, const char *line)
{
	struct wire *wire = context;

	if (wire->nr_lines < WIRE_LINES_MAX)
		(void)snprintf(wire->lines[wire->nr_lines++], CARD_DENIALS_LINE_SIZE, "%s", line);
}

const char *wire_told(struct wire *wire)
{
	wire->nr_lines = 0;
	card_denials_read(wire->denials, keep_line, wire);
	return wire->nr_lines ? wire->lines[wire->nr_lines - 1] : "";
}
