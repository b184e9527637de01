/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_spoof - frames as no kernel sends them, and who gets to see them
 *
 *   net_spoof send INTERFACE ADDRESS KIND...   one frame each, see `kinds`; ADDRESS is its IPv4 one
 *   net_spoof watch INTERFACE SECONDS          print the kinds that come, sorted, once one of kind
 *                                              "last" is among them or the time is up
 *   net_spoof flood INTERFACE SECONDS          frames of full size to all, as fast as they go
 *
 * All of it takes CAP_NET_RAW.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define FRAME_MAX 1514
#define MARKER "net_spoof:"

enum form { IP4, IP6, ARP, VLAN };

static const struct kind {
	const char *name;
	enum form form;
	bool has_foreign_mac, has_foreign_address, goes_elsewhere;
} kinds[] = {
	{ "last", IP4, false, false, false },	 /* honest, to everybody */
	{ "mac", IP4, true, false, false },	 /* from another's MAC address */
	{ "ip", IP4, false, true, false },	 /* from another's IPv4 address */
	{ "ip6", IP6, false, true, false },	 /* from another's IPv6 address */
	{ "arp", ARP, false, true, false },	 /* "that address is mine" */
	{ "arp_mac", ARP, true, false, false },	 /* "my address is somebody else's" */
	{ "vlan", VLAN, false, true, false },	 /* another's address behind a tag */
	{ "elsewhere", IP4, false, false, true } /* honest, to a MAC address that nobody has */
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const uint8_t foreign_mac[6] = { 0x02, 0x66, 0x66, 0x66, 0x66, 0x66 };
static const uint8_t nobody_mac[6] = { 0x02, 0x99, 0x99, 0x99, 0x99, 0x99 };
static const uint8_t foreign_ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x66 };
static const uint8_t foreign_ip4[4] = { 192, 0, 2, 66 };

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	return 1;
}

static int open_interface(const char *name, uint8_t ret_mac[6])
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	struct ifreq request = { 0 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		return -1;
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		return -1;
	address.sll_ifindex = request.ifr_ifindex;
	all.mr_ifindex = request.ifr_ifindex;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)))
		return -1;
	return fd;
}

/* --- frames ---------------------------------------------------------------------------------- */

static void add(struct frame *frame, const void *data, size_t len)
{
	memcpy(frame->bytes + frame->len, data, len);
	frame->len += len;
}

static void add_number(struct frame *frame, unsigned int number)
{
	const uint16_t value = htons((uint16_t)number);

	add(frame, &value, sizeof(value));
}

/* UDP from port 9 to port 9, in a packet from @address to everybody. */
static void add_ip4(struct frame *frame, const uint8_t address[4], size_t payload)
{
	const size_t begin = frame->len;
	const uint8_t life[2] = { 64, IPPROTO_UDP };
	uint32_t sum = 0;
	uint16_t checksum;

	add_number(frame, 0x4500);
	add_number(frame, (unsigned int)(28 + payload));
	add_number(frame, 0);
	add_number(frame, 0);
	add(frame, life, 2);
	add_number(frame, 0);
	add(frame, address, 4);
	add(frame, "\xff\xff\xff\xff", 4);
	for (size_t at = begin; at < frame->len; at += 2)
		sum += (uint32_t)frame->bytes[at] << 8 | frame->bytes[at + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	checksum = htons((uint16_t)~sum);
	memcpy(frame->bytes + begin + 10, &checksum, sizeof(checksum));
	add_number(frame, 9);
	add_number(frame, 9);
	add_number(frame, (unsigned int)(8 + payload));
	add_number(frame, 0);
}

/* To all nodes; nobody looks as far as the checksum. */
static void add_ip6(struct frame *frame, const uint8_t address[16], size_t payload)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	const uint8_t life[2] = { IPPROTO_UDP, 64 };

	add_number(frame, 0x6000);
	add_number(frame, 0);
	add_number(frame, (unsigned int)(8 + payload));
	add(frame, life, 2);
	add(frame, address, 16);
	add(frame, all_nodes, 16);
	add_number(frame, 9);
	add_number(frame, 9);
	add_number(frame, (unsigned int)(8 + payload));
	add_number(frame, 1);
}

static void add_arp(struct frame *frame, const uint8_t mac[6], const uint8_t address[4])
{
	add_number(frame, ARPHRD_ETHER);
	add_number(frame, ETHERTYPE_IP);
	add_number(frame, 0x0604);
	add_number(frame, ARPOP_REPLY);
	add(frame, mac, 6);
	add(frame, address, 4);
	add(frame, "\xff\xff\xff\xff\xff\xff", 6);
	add(frame, address, 4);
}

static struct frame make_frame(const struct kind *kind, const uint8_t own_mac[6],
			       const uint8_t own_ip4[4])
{
	const uint8_t *address = kind->has_foreign_address ? foreign_ip4 : own_ip4;
	const uint8_t *mac = kind->has_foreign_mac ? foreign_mac : own_mac;
	struct frame frame = { .len = 0 };
	char marker[32];
	size_t len;

	/* With its NUL, the end of each frame; the shortest frame has 60 bytes. */
	len = (size_t)snprintf(marker, sizeof(marker), MARKER "%s", kind->name) + 1;
	add(&frame, kind->goes_elsewhere ? nobody_mac : (const uint8_t *)"\xff\xff\xff\xff\xff\xff",
	    6);
	add(&frame, mac, 6);
	switch (kind->form) {
	case VLAN:
		add_number(&frame, ETHERTYPE_VLAN);
		add_number(&frame, 1);
		add_number(&frame, ETHERTYPE_IP);
		add_ip4(&frame, address, len);
		break;
	case IP4:
		add_number(&frame, ETHERTYPE_IP);
		add_ip4(&frame, address, len);
		break;
	case IP6:
		add_number(&frame, ETHERTYPE_IPV6);
		add_ip6(&frame, foreign_ip6, len);
		break;
	case ARP:
		add_number(&frame, ETHERTYPE_ARP);
		add_arp(&frame, mac, address);
		break;
	}
	add(&frame, marker, len);
	if (frame.len < 60)
		frame.len = 60;
	return frame;
}

/* --- verbs ----------------------------------------------------------------------------------- */

static int send_frames(int argc, char **argv, const uint8_t mac[6], int fd)
{
	uint8_t address[4];

	if (argc < 5 || inet_pton(AF_INET, argv[3], address) != 1)
		return 2;
	for (int i = 4; i < argc; i++) {
		size_t index = 0;
		struct frame frame;

		while (index < NR_KINDS && strcmp(kinds[index].name, argv[i]) != 0)
			index++;
		if (index == NR_KINDS)
			return 2;
		frame = make_frame(&kinds[index], mac, address);
		if (send(fd, frame.bytes, frame.len, 0) != (ssize_t)frame.len)
			return fail(argv[i]);
	}
	printf("sent\n");
	return 0;
}

static void note_kind(const uint8_t *frame, size_t len, bool seen[NR_KINDS])
{
	const char *marker = memmem(frame, len, MARKER, strlen(MARKER));

	if (!marker || !memchr(marker, '\0', len - (size_t)((const uint8_t *)marker - frame)))
		return;
	for (size_t i = 0; i < NR_KINDS; i++)
		seen[i] = seen[i] || strcmp(marker + strlen(MARKER), kinds[i].name) == 0;
}

static int watch(int fd, time_t seconds)
{
	const time_t end = time(NULL) + seconds;
	bool seen[NR_KINDS] = { false };

	(void)fprintf(stderr, "watching\n");
	while (!seen[0] && time(NULL) <= end) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		uint8_t frame[2048];
		ssize_t n;

		if (poll(&ready, 1, 200) <= 0)
			continue;
		n = recv(fd, frame, sizeof(frame), 0);
		if (n > 0)
			note_kind(frame, (size_t)n, seen);
	}
	for (size_t i = 0; i < NR_KINDS; i++) {
		if (seen[i])
			printf("%s\n", kinds[i].name);
	}
	return 0;
}

static int flood(int fd, const char *interface, const uint8_t mac[6], time_t seconds)
{
	struct ifreq request = { 0 };
	const time_t end = time(NULL) + seconds;
	struct frame frame = make_frame(&kinds[0], mac, foreign_ip4);
	unsigned long nr_sent = 0;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFMTU, &request))
		return fail("SIOCGIFMTU");
	frame.len = (size_t)request.ifr_mtu + ETH_HLEN;
	if (frame.len > sizeof(frame.bytes))
		frame.len = sizeof(frame.bytes);
	while (time(NULL) <= end) {
		for (int i = 0; i < 256; i++)
			nr_sent += send(fd, frame.bytes, frame.len, MSG_DONTWAIT) > 0;
	}
	printf("%s\n", nr_sent > 0 ? "flooded" : "nothing sent");
	return nr_sent == 0;
}

int main(int argc, char **argv)
{
	uint8_t mac[6];
	int fd;

	if (argc < 4) {
		(void)fprintf(stderr, "net_spoof send|watch|flood: see the source\n");
		return 2;
	}
	fd = open_interface(argv[2], mac);
	if (fd < 0)
		return fail(argv[2]);
	if (strcmp(argv[1], "send") == 0)
		return send_frames(argc, argv, mac, fd);
	if (strcmp(argv[1], "watch") == 0)
		return watch(fd, strtol(argv[3], NULL, 10));
	if (strcmp(argv[1], "flood") == 0)
		return flood(fd, argv[2], mac, strtol(argv[3], NULL, 10));
	return 2;
}
