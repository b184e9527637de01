/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - Ethernet frames for tests, with the right checksums
 *
 * Those that are made stay until FRAMES_KEPT others have been made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE_MAX 2048
#define FRAMES_KEPT 16

struct frame {
	size_t size;
	uint8_t bytes[FRAME_SIZE_MAX];
};

/* Addresses are as text, of either family; MACs as well. */
struct frame_ends {
	const char *source_mac, *destination_mac;
	const char *source, *destination;
};

enum frame_tcp { FRAME_SYN = 0x02, FRAME_ACK = 0x10 };

const struct frame *frame_arp(const struct frame_ends *ends, bool is_reply, const char *sender_mac);
const struct frame *frame_udp(const struct frame_ends *ends, uint16_t from, uint16_t to,
			      size_t size);
const struct frame *frame_tcp(const struct frame_ends *ends, uint16_t from, uint16_t to, int flags);

/* ICMP or ICMPv6, with @size bytes behind the first four. */
const struct frame *frame_icmp(const struct frame_ends *ends, uint8_t type, uint8_t code,
			       const void *body, size_t size);

/* A message of neighbour discovery about @target, behind so many (0 to 20) options headers. */
const struct frame *frame_discovery(const struct frame_ends *ends, uint8_t type, const char *target,
				    int nr_headers);

/* The part of an IP packet from @offset (a multiple of 8) to @end, behind its IP header. */
const struct frame *frame_fragment(const struct frame *whole, size_t offset, size_t end);

/* The same frame with a VLAN tag. */
const struct frame *frame_tagged(const struct frame *frame, uint16_t id);

bool frame_is_same(const struct frame *a, const struct frame *b);
