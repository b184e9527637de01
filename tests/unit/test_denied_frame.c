/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of any bytes in words; test_card_filter.c has those that a filter denies. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>

#include "tests/unit/frame.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/network/denied_frame.h"

#define MAC "02:00:00:00:00:02"
#define PEER_MAC "02:00:00:00:00:01"

static struct denied_card card = { .name = "eth0",
				   .mac = { 2, 0, 0, 0, 0, 2 },
				   .nr_addresses = 2,
				   .addresses = { { .ip = { AF_INET, { 10, 0, 0, 2 } } },
						  { .ip = { AF_INET6, { 0x20, 1, [15] = 2 } } } },
				   .has_allow_list = true };
static const struct frame_ends ends = { MAC, PEER_MAC, "10.0.0.2", "10.0.0.1" };
static const struct frame_ends ends6 = { MAC, PEER_MAC, "2001::2", "2001::1" };

/* Describe @size bytes at @bytes, which nothing is behind; NULL when there is nothing to tell. */
static const char *describe(const uint8_t *bytes, size_t size)
{
	static char line[128];
	AUTO_FREE uint8_t *copy = malloc(size ? size : 1);
	bool is_told;

	if (!copy)
		return "no memory";
	memcpy(copy, bytes, size);
	is_told = denied_frame_describe(&card, copy, size, line, sizeof(line));
	return is_told ? line : NULL;
}

static const char *describe_frame(const struct frame *frame)
{
	return describe(frame->bytes, frame->size);
}

static void test_words(void)
{
	const struct frame *frame = frame_tcp(&ends, 1, 443, FRAME_SYN);
	static struct frame changed;

	is_str(describe_frame(frame), "eth0: denied TCP to 10.0.0.1:443 (allow-list)");
	/* Cut off in the ports, and before them. */
	is_str(describe(frame->bytes, 38), "eth0: denied TCP to 10.0.0.1:443 (allow-list)");
	is_str(describe(frame->bytes, 37), "eth0: denied TCP to 10.0.0.1 (allow-list)");
	is_str(describe(frame->bytes, 33), "eth0: denied a frame of type 0800");
	/* A header that is longer than what there is, or shorter than one is. */
	changed = *frame;
	changed.bytes[14] = 0x4f;
	is_str(describe(changed.bytes, 50), "eth0: denied TCP to 10.0.0.1 (allow-list)");
	changed.bytes[14] = 0x40;
	is_str(describe_frame(&changed), "eth0: denied TCP to 10.0.0.1 (allow-list)");
	/* Ports are in the first fragment. */
	is_str(describe_frame(frame_fragment(frame, 8, 20)),
	       "eth0: denied TCP to 10.0.0.1 (allow-list)");
	is_str(describe_frame(frame_udp(&ends6, 1, 53, 0)),
	       "eth0: denied UDP to [2001::1]:53 (allow-list)");
	is_str(describe_frame(frame_discovery(&ends6, ND_NEIGHBOR_ADVERT, "2001::3", 0)),
	       "eth0: denied ICMPv6 type 136 to 2001::1 (spoofing)");
	is_str(describe_frame(frame_discovery(&ends6, ND_NEIGHBOR_ADVERT, "2001::3", 1)),
	       "eth0: denied protocol 60 to 2001::1 (spoofing)");
	card.allows_spoofing = true;
	is_str(describe_frame(frame_discovery(&ends6, ND_NEIGHBOR_ADVERT, "2001::3", 0)),
	       "eth0: denied ICMPv6 type 136 to 2001::1 (allow-list)");
	card.allows_spoofing = false;
	card.has_allow_list = false;
	is_str(describe_frame(frame_icmp(&ends, 8, 0, "", 0)),
	       "eth0: denied ICMP to 10.0.0.1 (spoofing)");
	card.has_allow_list = true;
}

static void test_every_size_and_byte(void)
{
	const struct frame *frames[] = { frame_tcp(&ends, 1, 443, FRAME_SYN),
					 frame_udp(&ends6, 1, 53, 0), frame_arp(&ends, false, MAC),
					 frame_discovery(&ends6, ND_NEIGHBOR_SOLICIT, "::", 2) };
	static struct frame changed;
	unsigned int nr_told = 0;

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		for (size_t size = 0; size <= frames[i]->size; size++)
			nr_told += describe(frames[i]->bytes, size) != NULL;
		for (size_t at = 0; at < frames[i]->size; at++) {
			changed = *frames[i];
			for (unsigned int value = 0; value < 256; value += 15) {
				changed.bytes[at] = (uint8_t)value;
				nr_told += describe_frame(&changed) != NULL;
			}
		}
	}
	ok(nr_told > 1000);
	ok(!describe(frames[0]->bytes, 0));
	ok(!describe(frames[0]->bytes, 13));
}

int main(void)
{
	test_words();
	test_every_size_and_byte();
	return tap_done();
}
