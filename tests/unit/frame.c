/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/base/bug.h"

#define ETHERNET 14u

static struct frame *next_frame(void)
{
	static struct frame frames[FRAMES_KEPT];
	static size_t index;
	struct frame *frame = &frames[index++ % FRAMES_KEPT];

	frame->size = 0;
	return frame;
}

static void put(struct frame *frame, const void *bytes, size_t size)
{
	BUG_ON(size > sizeof(frame->bytes) - frame->size);
	if (size)
		memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += size;
}

static void put_u8(struct frame *frame, unsigned int value)
{
	uint8_t byte = (uint8_t)value;

	put(frame, &byte, 1);
}

static void put_u16(struct frame *frame, unsigned int value)
{
	put_u8(frame, value >> 8);
	put_u8(frame, value & 0xff);
}

static void put_mac(struct frame *frame, const char *text)
{
	struct ether_addr mac;

	BUG_ON(!ether_aton_r(text, &mac));
	put(frame, mac.ether_addr_octet, 6);
}

static void put_address(struct frame *frame, const char *text)
{
	uint8_t bytes[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	BUG_ON(inet_pton(family, text, bytes) != 1);
	put(frame, bytes, family == AF_INET ? 4 : 16);
}

static void put_ethernet(struct frame *frame, const struct frame_ends *ends, unsigned int type)
{
	frame->size = 0;
	put_mac(frame, ends->destination_mac);
	put_mac(frame, ends->source_mac);
	put_u16(frame, type);
}

const struct frame *frame_arp(const struct frame_ends *ends, bool is_reply, const char *sender_mac)
{
	struct frame *frame = next_frame();

	put_ethernet(frame, ends, ETHERTYPE_ARP);
	put_u16(frame, 1);
	put_u16(frame, ETHERTYPE_IP);
	put_u16(frame, 0x0604);
	put_u16(frame, is_reply ? 2 : 1);
	put_mac(frame, sender_mac);
	put_address(frame, ends->source);
	put_mac(frame, is_reply ? ends->destination_mac : "00:00:00:00:00:00");
	put_address(frame, ends->destination);
	return frame;
}

static uint32_t sum(const uint8_t *bytes, size_t size, uint32_t start)
{
	for (size_t i = 0; i < size; i++)
		start += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return start;
}

static void set_checksum(uint8_t *at, uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	total = ~total & 0xffff;
	at[0] = (uint8_t)(total >> 8);
	at[1] = (uint8_t)total;
}

static bool is_ipv6(const struct frame_ends *ends)
{
	return strchr(ends->source, ':') != NULL;
}

static void put_ip(struct frame *frame, const struct frame_ends *ends, uint8_t protocol,
		   size_t size)
{
	put_ethernet(frame, ends, is_ipv6(ends) ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	if (is_ipv6(ends)) {
		put_u16(frame, 0x6000);
		put_u16(frame, 0);
		put_u16(frame, (unsigned int)size);
		put_u8(frame, protocol);
		put_u8(frame, 255);
	} else {
		put_u16(frame, 0x4500);
		put_u16(frame, (unsigned int)size + 20);
		put_u16(frame, 0x1234);
		put_u16(frame, 0);
		put_u8(frame, 64);
		put_u8(frame, protocol);
		put_u16(frame, 0);
	}
	put_address(frame, ends->source);
	put_address(frame, ends->destination);
	if (!is_ipv6(ends))
		set_checksum(frame->bytes + ETHERNET + 10, sum(frame->bytes + ETHERNET, 20, 0));
}

/* The checksum of what is behind @start, at @offset in it. */
static void finish(struct frame *frame, const struct frame_ends *ends, uint8_t protocol,
		   size_t start, size_t offset)
{
	const uint8_t *addresses = frame->bytes + ETHERNET + (is_ipv6(ends) ? 8 : 12);
	size_t size = frame->size - start;
	uint32_t total = 0;

	if (protocol != IPPROTO_ICMP)
		total = sum(addresses, is_ipv6(ends) ? 32 : 8, protocol + (uint32_t)size);
	set_checksum(frame->bytes + start + offset, sum(frame->bytes + start, size, total));
}

const struct frame *frame_udp(const struct frame_ends *ends, uint16_t from, uint16_t to,
			      size_t size)
{
	struct frame *frame = next_frame();
	size_t start;

	put_ip(frame, ends, IPPROTO_UDP, size + 8);
	start = frame->size;
	put_u16(frame, from);
	put_u16(frame, to);
	put_u16(frame, (unsigned int)size + 8);
	put_u16(frame, 0);
	for (size_t i = 0; i < size; i++)
		put_u8(frame, (unsigned int)i & 0xff);
	finish(frame, ends, IPPROTO_UDP, start, 6);
	return frame;
}

const struct frame *frame_tcp(const struct frame_ends *ends, uint16_t from, uint16_t to, int flags)
{
	static const uint8_t numbers[8] = { 0, 0, 0, 1, 0, 0, 0, 0 };
	struct frame *frame = next_frame();
	size_t start;

	put_ip(frame, ends, IPPROTO_TCP, 20);
	start = frame->size;
	put_u16(frame, from);
	put_u16(frame, to);
	put(frame, numbers, sizeof(numbers));
	if (flags & FRAME_ACK)
		frame->bytes[frame->size - 1] = 2;
	if (flags == FRAME_ACK)
		frame->bytes[frame->size - 5] = 2;
	put_u8(frame, 0x50);
	put_u8(frame, (unsigned int)flags);
	put_u16(frame, 0xffff);
	put_u16(frame, 0);
	put_u16(frame, 0);
	finish(frame, ends, IPPROTO_TCP, start, 16);
	return frame;
}

const struct frame *frame_icmp(const struct frame_ends *ends, uint8_t type, uint8_t code,
			       const void *body, size_t size)
{
	uint8_t protocol = is_ipv6(ends) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct frame *frame = next_frame();
	size_t start;

	put_ip(frame, ends, protocol, size + 4);
	start = frame->size;
	put_u8(frame, type);
	put_u8(frame, code);
	put_u16(frame, 0);
	put(frame, body, size);
	finish(frame, ends, protocol, start, 2);
	return frame;
}

const struct frame *frame_discovery(const struct frame_ends *ends, uint8_t type, const char *target,
				    int nr_headers)
{
	static const uint8_t reserved[4];
	static const uint8_t padding[6] = { 1, 4 };
	struct frame *frame = next_frame();
	size_t start;

	put_ip(frame, ends, nr_headers ? IPPROTO_DSTOPTS : IPPROTO_ICMPV6,
	       24 + (size_t)nr_headers * 8);
	for (int i = 1; i <= nr_headers; i++) {
		put_u8(frame, i < nr_headers ? IPPROTO_DSTOPTS : IPPROTO_ICMPV6);
		put_u8(frame, 0);
		put(frame, padding, sizeof(padding));
	}
	start = frame->size;
	put_u8(frame, type);
	put_u8(frame, 0);
	put_u16(frame, 0);
	put(frame, reserved, sizeof(reserved));
	put_address(frame, target);
	finish(frame, ends, IPPROTO_ICMPV6, start, 2);
	return frame;
}

static const struct frame *fragment_ipv6(const struct frame *whole, size_t offset, size_t end,
					 bool is_last)
{
	struct frame *frame = next_frame();
	uint8_t *header = frame->bytes + ETHERNET;

	put(frame, whole->bytes, ETHERNET + 40);
	header[4] = (uint8_t)((end - offset + 8) >> 8);
	header[5] = (uint8_t)(end - offset + 8);
	put_u8(frame, header[6]);
	header[6] = IPPROTO_FRAGMENT;
	put_u8(frame, 0);
	put_u16(frame, (unsigned int)offset | !is_last);
	put_u16(frame, 0);
	put_u16(frame, 77);
	put(frame, whole->bytes + ETHERNET + 40 + offset, end - offset);
	return frame;
}

const struct frame *frame_fragment(const struct frame *whole, size_t offset, size_t end)
{
	size_t ip_size = whole->bytes[ETHERNET] >> 4 == 6 ? 40 : 20;
	bool is_last = ETHERNET + ip_size + end == whole->size;
	struct frame *frame = next_frame();
	uint8_t *header = frame->bytes + ETHERNET;

	if (ip_size == 40)
		return fragment_ipv6(whole, offset, end, is_last);
	put(frame, whole->bytes, ETHERNET + ip_size);
	header[2] = (uint8_t)((end - offset + 20) >> 8);
	header[3] = (uint8_t)(end - offset + 20);
	header[6] = (uint8_t)((is_last ? 0 : 0x20) | offset >> 11);
	header[7] = (uint8_t)(offset >> 3);
	header[10] = 0;
	header[11] = 0;
	set_checksum(header + 10, sum(header, 20, 0));
	put(frame, whole->bytes + ETHERNET + 20 + offset, end - offset);
	return frame;
}

const struct frame *frame_tagged(const struct frame *frame, uint16_t id)
{
	struct frame *tagged = next_frame();

	put(tagged, frame->bytes, 12);
	put_u16(tagged, ETHERTYPE_VLAN);
	put_u16(tagged, id);
	put(tagged, frame->bytes + 12, frame->size - 12);
	return tagged;
}

bool frame_is_same(const struct frame *a, const struct frame *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}
