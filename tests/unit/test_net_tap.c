/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network card in front of a real tap, in a network namespace of its own; a packet socket on
 * the tap's other side sees what the guest sent, and sends what the guest gets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_mmio.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/net_driver.h"
#include "tests/unit/tap.h"

#define NAME "tap0"
#define PAGE 4096u
#define NR_BUFFERS 40
#define REST 1000
#define PATIENCE_MS 5000
#define PROTOCOL 0x88b5 /* for local experiments */
#define PAYLOAD 30000u

static struct net_driver driver;
static int packet_fd;

static struct ifreq request_for_tap(void)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	memcpy(request.ifr_name, NAME, sizeof(NAME));
	return request;
}

/* As virtio/net.h wants it; -1 when this machine has no such interfaces. */
static int open_tap(void)
{
	struct ifreq request = request_for_tap();
	int header_size = NET_HEADER_SIZE;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ok(ioctl(fd, TUNSETIFF, &request) == 0);
	ok(ioctl(fd, TUNSETVNETHDRSZ, &header_size) == 0);
	ok(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) == 0);
	return fd;
}

static void set_up_or_down(bool is_up)
{
	struct ifreq request = request_for_tap();

	request.ifr_flags = is_up ? IFF_UP | IFF_NOARP : IFF_NOARP;
	ok(ioctl(packet_fd, SIOCSIFFLAGS, &request) == 0);
}

/* A socket that sees, and sends, whole frames behind headers of 10 bytes (packet(7)). */
static void open_wire(void)
{
	int on = 1;
	struct sockaddr_ll address = { .sll_family = AF_PACKET };

	/* No protocol yet: nothing arrives before the interface is known. */
	packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ok(setsockopt(packet_fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0);
	address.sll_ifindex = (int)if_nametoindex(NAME);
	address.sll_protocol = htons(ETH_P_ALL);
	ok(bind(packet_fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	set_up_or_down(true);
}

/* Returns false when there can be no tap. */
static bool set_up(void)
{
	struct error err;
	int fd = open_tap();

	if (fd < 0)
		return false;
	open_wire();
	net_driver_init(&driver, 64);
	is_int(net_attach(driver.net, fd, net_driver_mac, &err), 0);
	ok(net_driver_start(&driver));
	net_driver_offer(&driver, NR_BUFFERS, PAGE);
	(void)fake_driver_run(&driver.fake, REST);
	/* What the kernel itself has to say to a new interface. */
	while (net_driver_got(&driver, 0, 0))
		continue;
	return true;
}

static void tear_down(void)
{
	net_driver_fini(&driver);
	(void)close(packet_fd);
}

struct frame {
	struct virtio_net_hdr header;
	struct ethhdr ethernet;
	uint8_t bytes[PAYLOAD];
} __attribute__((packed));

static struct frame frame, seen;

static void make_frame(void)
{
	frame = (struct frame){ .ethernet.h_proto = htons(PROTOCOL) };
	memcpy(frame.ethernet.h_dest, net_driver_mac, NET_MAC_SIZE);
	frame.ethernet.h_source[0] = 2;
	for (size_t i = 0; i < sizeof(frame.bytes); i++)
		frame.bytes[i] = (uint8_t)(i * 31 + i / 256);
}

/* The next frame of ours, in seen. Returns its length without any header, -1 without one. */
static ssize_t see(void)
{
	struct pollfd poll_fd = { .fd = packet_fd, .events = POLLIN };
	ssize_t len = 0;

	/* The kernel may take a while to pass it on. */
	while (len >= 0 && poll(&poll_fd, 1, PATIENCE_MS) == 1) {
		len = recv(packet_fd, &seen, sizeof(seen), 0);
		/* An interface that was down is told as an error, once. */
		if (len < 0 && errno == ENETDOWN)
			len = 0;
		if (len > 0 && (seen.ethernet.h_proto == htons(PROTOCOL) ||
				seen.ethernet.h_proto == htons(ETH_P_IP)))
			return len - (ssize_t)(sizeof(seen.header) + sizeof(seen.ethernet));
	}
	return -1;
}

/* Send what is in the frame, @len bytes of it, as the guest. */
static void send_as_guest(const struct virtio_net_hdr_v1 *header, size_t len)
{
	struct fake_buffer buffers[2] = {
		{ fake_driver_alloc(&driver.fake, NET_HEADER_SIZE), NET_HEADER_SIZE },
		{ fake_driver_alloc(&driver.fake, (uint32_t)(ETH_HLEN + len)),
		  (uint32_t)(ETH_HLEN + len) },
	};

	memcpy(fake_driver_bytes(&driver.fake, buffers[0].gpa, NET_HEADER_SIZE), header,
	       NET_HEADER_SIZE);
	memcpy(fake_driver_bytes(&driver.fake, buffers[1].gpa, ETH_HLEN + len), &frame.ethernet,
	       ETH_HLEN + len);
	(void)fake_driver_add(&driver.fake, NET_QUEUE_TRANSMIT, buffers, 2, NULL, 0);
	fake_driver_kick(&driver.fake, NET_QUEUE_TRANSMIT);
	(void)fake_driver_run(&driver.fake, REST);
	is_int(net_driver_count_sent(&driver), 1);
}

/* The next used buffer into seen.ethernet and further. Returns its length, 0 without one. */
static uint32_t take_as_guest(struct virtio_net_hdr_v1 *ret_header)
{
	uint32_t id;
	uint32_t len;
	const uint8_t *bytes;

	(void)fake_driver_run(&driver.fake, REST);
	if (!fake_driver_take_used(&driver.fake, NET_QUEUE_RECEIVE, &id, &len))
		return 0;
	bytes = fake_driver_bytes(&driver.fake, 0x100000 + (uint64_t)id * PAGE, PAGE);
	memcpy(ret_header, bytes, NET_HEADER_SIZE);
	memcpy(&seen.ethernet, bytes + NET_HEADER_SIZE, len - NET_HEADER_SIZE);
	return len;
}

static void test_both_ways(void)
{
	const struct virtio_net_hdr_v1 none = { 0 };
	struct virtio_net_hdr_v1 header = { 0 };

	make_frame();
	send_as_guest(&none, 1000);
	is_int(see(), 1000);
	ok(!memcmp(&seen.ethernet, &frame.ethernet, ETH_HLEN + 1000));
	is_int(send(packet_fd, &frame, sizeof(frame.header) + ETH_HLEN + 1000, 0),
	       sizeof(frame.header) + ETH_HLEN + 1000);
	is_int(take_as_guest(&header), NET_HEADER_SIZE + ETH_HLEN + 1000);
	is_int(header.num_buffers, 1);
	is_int(header.gso_type, 0);
	ok(!memcmp(&seen.ethernet, &frame.ethernet, ETH_HLEN + 1000));
}

/* An IPv4 packet that the wire's side is to cut, with the checksum left to it. */
static void make_large(struct virtio_net_hdr_v1 *ret_header)
{
	static const uint8_t headers[40] = { 0x45, 0, 0, 0, 0,	0, 0x40, 0, 64,	  6,	0, 0,
					     10,   0, 0, 2, 10, 0, 0,	 1, 0,	  80,	0, 80,
					     0,	   0, 0, 1, 0,	0, 0,	 1, 0x50, 0x10, 1, 0 };
	uint16_t total = htons(PAYLOAD);

	make_frame();
	frame.ethernet.h_proto = htons(ETH_P_IP);
	memcpy(frame.bytes, headers, sizeof(headers));
	memcpy(frame.bytes + 2, &total, sizeof(total));
	*ret_header = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = ETH_HLEN + sizeof(headers),
		.gso_size = 1460,
		.csum_start = ETH_HLEN + 20,
		.csum_offset = 16,
	};
	memcpy(&frame.header, ret_header, sizeof(frame.header));
}

static void test_large_frames(void)
{
	struct virtio_net_hdr_v1 header = { 0 };
	uint32_t len = NET_HEADER_SIZE + ETH_HLEN + PAYLOAD;

	make_large(&header);
	send_as_guest(&header, PAYLOAD);
	is_int(see(), PAYLOAD);
	is_int(seen.header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	is_int(seen.header.gso_size, 1460);
	ok(!memcmp(seen.bytes + 40, frame.bytes + 40, PAYLOAD - 40));
	is_int(send(packet_fd, &frame, sizeof(frame), 0), sizeof(frame));
	is_int(take_as_guest(&header), PAGE);
	is_int(header.num_buffers, (len + PAGE - 1) / PAGE);
	is_int(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	is_int(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	is_int(header.gso_size, 1460);
	for (unsigned int i = header.num_buffers; i > 1; i--)
		ok(take_as_guest(&header) > 0);
}

/* An interface that is down loses what is sent, and is no reason to give the card up. */
static void test_interface_is_down(void)
{
	const struct virtio_net_hdr_v1 none = { 0 };

	make_frame();
	set_up_or_down(false);
	send_as_guest(&none, 100);
	is_int(fake_driver_read(&driver.fake, VIRTIO_MMIO_DEVICE_ID), 1);
	set_up_or_down(true);
	send_as_guest(&none, 200);
	is_int(see(), 200);
}

static void delete_tap(void)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_DELLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.link = { .ifi_index = (int)if_nametoindex(NAME) },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	ok(send(fd, &request, sizeof(request), 0) == sizeof(request));
	(void)close(fd);
	is_int(if_nametoindex(NAME), 0);
}

/* Class: somebody on the host deletes the interface. */
static void test_interface_is_deleted(void)
{
	const struct virtio_net_hdr_v1 none = { 0 };

	delete_tap();
	ok(fake_driver_run(&driver.fake, REST) < REST);
	is_int(fake_driver_read(&driver.fake, VIRTIO_MMIO_DEVICE_ID), 0);
	send_as_guest(&none, 100);
	is_int(fake_driver_run(&driver.fake, REST), 0);
}

/* The same, when the guest is the first to notice. */
static void test_interface_is_deleted_while_sending(void)
{
	static struct net_transmitter transmitter;
	struct virtio_device *device = driver.fake.device;
	int fd = open_tap();

	set_up_or_down(true);
	delete_tap();
	(void)net_driver_send(&driver, NULL, 100, 1);
	is_int(net_transmit(&transmitter, device, fd), -EBADFD);
	is_int(net_driver_count_sent(&driver), 1);
	(void)close(fd);
}

int main(void)
{
	if (unshare(CLONE_NEWNET) < 0 || !set_up()) {
		printf("1..0 # skip needs root and /dev/net/tun\n");
		return 0;
	}
	test_both_ways();
	test_large_frames();
	test_interface_is_down();
	test_interface_is_deleted();
	test_interface_is_deleted_while_sending();
	tear_down();
	return tap_done();
}
