/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/denied_frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/checked_math.h"

#define ETHERNET_SIZE 14u
#define ARP_SIZE 28u
#define IPV4_SIZE 20u
#define IPV6_SIZE 40u

/* What of a packet is of interest; all of it is in the frame. */
struct packet {
	int family;
	const uint8_t *source, *destination;
	uint8_t protocol;
	const uint8_t *payload; /* of the first fragment */
	size_t payload_size;	/* what there is of it */
};

static uint16_t word_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool parse_ipv4(const uint8_t *bytes, size_t size, struct packet *ret)
{
	size_t header_size;

	if (size < IPV4_SIZE)
		return false;
	header_size = (size_t)(bytes[0] & 15) * 4;
	*ret = (struct packet){ AF_INET, bytes + 12, bytes + 16, bytes[9], NULL, 0 };
	if (header_size >= IPV4_SIZE && header_size <= size && !(word_at(bytes + 6) & 0x1fff)) {
		ret->payload = bytes + header_size;
		ret->payload_size = size - header_size;
	}
	return true;
}

static bool parse_ipv6(const uint8_t *bytes, size_t size, struct packet *ret)
{
	if (size < IPV6_SIZE)
		return false;
	*ret = (struct packet){ AF_INET6, bytes + 8,	     bytes + 24,
				bytes[6], bytes + IPV6_SIZE, size - IPV6_SIZE };
	return true;
}

static bool is_own(const struct denied_card *card, int family, const uint8_t *address)
{
	for (size_t i = 0; i < card->nr_addresses; i++) {
		const struct network_ip *ip = &card->addresses[i].ip;

		if (ip->family == family &&
		    memcmp(ip->bytes, address, family == AF_INET ? 4 : 16) == 0)
			return true;
	}
	return false;
}

/* Messages that every IPv6 stack sends to its link when an interface comes up. */
static bool is_chatter(const struct packet *packet)
{
	static const uint8_t unspecified[16];
	const uint8_t *source = packet->source;

	return packet->family == AF_INET6 && packet->destination[0] == 0xff &&
	       packet->destination[1] == 0x02 &&
	       (memcmp(source, unspecified, sizeof(unspecified)) == 0 ||
		(source[0] == 0xfe && (source[1] & 0xc0) == 0x80));
}

/* With an own source and without spoofing, these are denied for what they claim or may hide. */
static bool is_claim(const struct packet *packet)
{
	if (packet->family != AF_INET6)
		return false;
	switch (packet->protocol) {
	case IPPROTO_ICMPV6:
		return packet->payload_size && (packet->payload[0] == ND_ROUTER_ADVERT ||
						packet->payload[0] == ND_NEIGHBOR_ADVERT ||
						packet->payload[0] == ND_REDIRECT);
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return true;
	default:
		return false;
	}
}

static const char *address_text(int family, const uint8_t *address, char *text)
{
	const char *shown = inet_ntop(family, address, text, INET6_ADDRSTRLEN);

	return shown ? shown : "?";
}

/* "TCP to 10.1.2.3:443", "ICMPv6 type 136 to 2001:db8::1" */
static void describe_packet(const struct packet *packet, char *text, size_t size)
{
	bool has_ports = packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP;
	char address[INET6_ADDRSTRLEN], kind[32];
	const char *to = address_text(packet->family, packet->destination, address);

	if (has_ports)
		(void)snprintf(kind, sizeof(kind), "%s",
			       packet->protocol == IPPROTO_TCP ? "TCP" : "UDP");
	else if (packet->protocol == IPPROTO_ICMP && packet->family == AF_INET)
		(void)snprintf(kind, sizeof(kind), "ICMP");
	else if (packet->protocol == IPPROTO_ICMPV6 && packet->payload_size)
		(void)snprintf(kind, sizeof(kind), "ICMPv6 type %u", packet->payload[0]);
	else
		(void)snprintf(kind, sizeof(kind), "protocol %u", packet->protocol);
	if (has_ports && packet->payload_size >= 4)
		(void)snprintf(text, size,
			       packet->family == AF_INET ? "%s to %s:%u" : "%s to [%s]:%u", kind,
			       to, word_at(packet->payload + 2));
	else
		(void)snprintf(text, size, "%s to %s", kind, to);
}

static bool describe_foreign(const struct denied_card *card, const char *what, int family,
			     const uint8_t *address, char *line, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	(void)snprintf(line, size, "%s: denied %s from %s, which is not the container's (spoofing)",
		       card->name, what, address_text(family, address, text));
	return true;
}

static bool describe_mac(const struct denied_card *card, const char *what, const uint8_t *mac,
			 char *line, size_t size)
{
	(void)snprintf(
		line, size,
		"%s: denied %s from %02x:%02x:%02x:%02x:%02x:%02x, which is not the container's "
		"(spoofing)",
		card->name, what, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return true;
}

bool denied_frame_describe(const struct denied_card *card, const uint8_t *frame, size_t size,
			   char *line, size_t line_size)
{
	const uint8_t *bytes = frame + ETHERNET_SIZE;
	struct packet packet = { .family = 0 };
	char text[96];
	uint16_t type;
	bool is_packet, is_spoofed;

	if (size < ETHERNET_SIZE)
		return false;
	size -= ETHERNET_SIZE;
	type = word_at(frame + 12);
	is_packet = (type == ETH_P_IP && parse_ipv4(bytes, size, &packet)) ||
		    (type == ETH_P_IPV6 && parse_ipv6(bytes, size, &packet));
	if (is_packet && is_chatter(&packet))
		return false;
	if (!card->allows_spoofing && memcmp(frame + ETH_ALEN, card->mac, ETH_ALEN) != 0)
		return describe_mac(card, "a frame", frame + ETH_ALEN, line, line_size);
	if (type == ETH_P_ARP && size >= ARP_SIZE) {
		if (memcmp(bytes + 8, card->mac, ETH_ALEN) != 0)
			return describe_mac(card, "ARP", bytes + 8, line, line_size);
		return describe_foreign(card, "ARP", AF_INET, bytes + 14, line, line_size);
	}
	if (!is_packet) {
		(void)snprintf(line, line_size, "%s: denied a frame of type %04x", card->name,
			       type);
		return true;
	}
	if (!card->allows_spoofing && !is_own(card, packet.family, packet.source))
		return describe_foreign(card, "a packet", packet.family, packet.source, line,
					line_size);
	is_spoofed = !card->has_allow_list || (!card->allows_spoofing && is_claim(&packet));
	describe_packet(&packet, text, sizeof(text));
	(void)snprintf(line, line_size, "%s: denied %s (%s)", card->name, text,
		       is_spoofed ? "spoofing" : "allow-list");
	return true;
}
