/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_card_allow_list.c - what a container may connect to and how much passes, with a real tap and
 * interface; as test_card_filter.c
 */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/card_wire.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"

static struct wire wire;

static const struct frame_ends out = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV4, "10.0.0.1" };
static const struct frame_ends other = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV4, "10.0.1.1" };
static const struct frame_ends in = { WIRE_PEER_MAC, WIRE_MAC, "10.0.0.1", WIRE_IPV4 };
static const struct frame_ends out6 = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV6, "2001:db8::1" };
static const struct frame_ends other6 = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV6, "2001:db9::1" };
static const struct frame_ends in6 = { WIRE_PEER_MAC, WIRE_MAC, "2001:db8::1", WIRE_IPV6 };

static bool passes_out(const struct frame *frame)
{
	return wire_passes_out(&wire, frame);
}

static bool passes_in(const struct frame *frame)
{
	return wire_passes_in(&wire, frame);
}

static struct network_rule rule(uint8_t protocol, const char *address, uint8_t prefix,
				uint16_t first, uint16_t last)
{
	struct network_rule made = {
		.family = strchr(address, ':') ? AF_INET6 : AF_INET,
		.protocol = protocol,
		.prefix = prefix,
		.first_port = first,
		.last_port = last,
	};

	ok(inet_pton(made.family, address, made.address) == 1);
	return made;
}

static void set(struct network_rule *rules, size_t count)
{
	const struct network_policy policy = { .has_allow_list = true,
					       .rules = rules,
					       .nr_rules = count };

	/* A window of lines of its own. */
	card_denials_unwatch(wire.denials, 0);
	wire_set(&wire, &policy, false);
}

static void test_empty_list(void)
{
	set(NULL, 0);
	ok(!passes_out(frame_tcp(&out, 4000, 443, FRAME_SYN)));
	is_str(wire_told(&wire), "eth0: denied TCP to 10.0.0.1:443 (allow-list)");
	ok(!passes_out(frame_udp(&out6, 4000, 53, 20)));
	is_str(wire_told(&wire), "eth0: denied UDP to [2001:db8::1]:53 (allow-list)");
	ok(!passes_out(frame_icmp(&out, 8, 0, "\0\1\0\1", 4)));
	is_str(wire_told(&wire), "eth0: denied ICMP to 10.0.0.1 (allow-list)");
	ok(!passes_out(frame_tagged(frame_udp(&out, 4000, 53, 20), 7)));
	/* Neighbours are found, here and nowhere else. */
	ok(passes_out(frame_arp(&out, true, WIRE_MAC)));
	ok(passes_out(frame_discovery(&out6, ND_NEIGHBOR_SOLICIT, "2001:db8::1", 0)));
	ok(passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, WIRE_IPV6, 0)));
	ok(!passes_out(frame_discovery(&other6, ND_NEIGHBOR_SOLICIT, "2001:db9::1", 0)));
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 0)));
	is_str(wire_told(&wire), "eth0: denied ICMPv6 type 136 to 2001:db8::1 (spoofing)");
}

static void test_connections_from_outside_are_answered(void)
{
	static struct frame request;
	static uint8_t quoted[4 + 28];

	ok(passes_in(frame_tcp(&in, 5000, 80, FRAME_SYN)));
	ok(passes_out(frame_tcp(&out, 80, 5000, FRAME_SYN | FRAME_ACK)));
	ok(passes_in(frame_tcp(&in, 5000, 80, FRAME_ACK)));
	ok(passes_out(frame_tcp(&out, 80, 5000, FRAME_ACK)));
	ok(!passes_out(frame_tcp(&out, 81, 5000, FRAME_SYN)));
	ok(!passes_out(frame_tcp(&out, 81, 5000, FRAME_SYN | FRAME_ACK)));
	ok(passes_in(frame_udp(&in6, 5000, 53, 20)));
	ok(passes_out(frame_udp(&out6, 53, 5000, 20)));
	ok(!passes_out(frame_udp(&out6, 54, 5000, 20)));
	/* Related: nobody listens at that port. Not to a port that nobody asked for. */
	request = *frame_udp(&in, 5000, 5001, 20);
	ok(passes_in(&request));
	memcpy(quoted + 4, request.bytes + 14, 28);
	ok(passes_out(frame_icmp(&out, 3, 3, quoted, sizeof(quoted))));
	quoted[4 + 23] ^= 1;
	ok(!passes_out(frame_icmp(&out, 3, 3, quoted, sizeof(quoted))));
}

static void test_rules(void)
{
	struct network_rule rules[] = {
		rule(IPPROTO_TCP, "10.0.0.0", 24, 443, 443),
		rule(IPPROTO_TCP, "10.0.0.0", 24, 443, 443), /* again */
		rule(IPPROTO_UDP, "10.0.0.1", 32, 8000, 8100),
		rule(IPPROTO_TCP, "2001:db8::", 32, 8000, 8100),
		rule(IPPROTO_ICMPV6, "::", 0, 0, UINT16_MAX),
		rule(0, "10.0.1.0", 24, 0, UINT16_MAX),
	};

	set(rules, ARRAY_SIZE(rules));
	ok(passes_out(frame_tcp(&out, 4001, 443, FRAME_SYN)));
	ok(passes_in(frame_tcp(&in, 443, 4001, FRAME_SYN | FRAME_ACK)));
	ok(passes_out(frame_tcp(&out, 4001, 443, FRAME_ACK)));
	ok(!passes_out(frame_tcp(&out, 4001, 80, FRAME_SYN)));
	ok(!passes_out(frame_udp(&out, 4001, 443, 20)));
	ok(!passes_out(frame_udp(&out, 4001, 7999, 20)));
	ok(passes_out(frame_udp(&out, 4001, 8000, 20)));
	ok(passes_out(frame_udp(&out, 4001, 8100, 20)));
	ok(!passes_out(frame_udp(&out, 4001, 8101, 20)));
	ok(passes_out(frame_tcp(&out6, 4001, 8050, FRAME_SYN)));
	ok(!passes_out(frame_tcp(&out6, 4001, 443, FRAME_SYN)));
	ok(!passes_out(frame_tcp(&other6, 4001, 8050, FRAME_SYN)));
	ok(passes_out(frame_icmp(&other6, 128, 0, "\0\1\0\1", 4)));
	ok(passes_out(frame_tcp(&other, 4001, 1, FRAME_SYN)));
	ok(passes_out(frame_udp(&other, 4001, 1, 20)));
	ok(passes_out(frame_icmp(&other, 8, 0, "\0\1\0\1", 4)));
	ok(!passes_out(frame_icmp(&out, 8, 0, "\0\1\0\1", 4)));
	/* What was allowed goes on when the rule is gone, and nothing new begins. */
	set(NULL, 0);
	ok(passes_out(frame_tcp(&out, 4001, 443, FRAME_ACK)));
	ok(!passes_out(frame_tcp(&out, 4002, 443, FRAME_SYN)));
}

/* Send a datagram in two fragments; how many arrive. */
static unsigned int send_fragments(const struct frame_ends *ends, uint16_t port, bool both)
{
	static struct frame whole;

	whole = *frame_udp(ends, 4003, port, 992);
	(void)wire_count_out(&wire);
	if (both)
		wire_send_out(&wire, frame_fragment(&whole, 0, 600));
	wire_send_out(&wire, frame_fragment(&whole, 600, 1000));
	return wire_count_out(&wire);
}

static void test_fragments(void)
{
	struct network_rule rules[] = {
		rule(IPPROTO_UDP, "10.0.0.1", 32, 8000, 8000),
		rule(IPPROTO_UDP, "2001:db8::1", 128, 8000, 8000),
	};

	set(rules, ARRAY_SIZE(rules));
	is_int(send_fragments(&out, 8000, true), 2);
	is_int(send_fragments(&out6, 8000, true), 2);
	is_int(send_fragments(&out, 8001, true), 0);
	is_int(send_fragments(&out6, 8001, true), 0);
	is_int(send_fragments(&out, 8000, false), 0);
	is_int(send_fragments(&out6, 8000, false), 0);
}

static void test_many_rules(void)
{
	static struct network_rule rules[NETWORK_RULES_MAX];

	for (uint16_t i = 0; i < NETWORK_RULES_MAX; i++)
		rules[i] = rule(IPPROTO_UDP, "10.0.0.1", 32, (uint16_t)(1000 + 2 * i),
				(uint16_t)(1000 + 2 * i));
	set(rules, NETWORK_RULES_MAX);
	ok(passes_out(frame_udp(&out, 4004, 1000, 20)));
	ok(passes_out(frame_udp(&out, 4004, 1510, 20)));
	ok(!passes_out(frame_udp(&out, 4004, 1511, 20)));
}

static void test_any_source_and_a_list(void)
{
	const struct frame_ends foreign = { "02:00:00:00:00:99", WIRE_PEER_MAC, "10.0.0.3",
					    "10.0.0.1" };
	struct network_rule rules[] = { rule(IPPROTO_UDP, "10.0.0.1", 32, 8000, 8000) };
	const struct network_policy policy = {
		.allows_spoofing = true, .has_allow_list = true, .rules = rules, .nr_rules = 1
	};

	card_denials_unwatch(wire.denials, 0);
	wire_set(&wire, &policy, false);
	ok(passes_out(frame_udp(&foreign, 4005, 8000, 20)));
	ok(!passes_out(frame_udp(&foreign, 4005, 8001, 20)));
	is_str(wire_told(&wire), "eth0: denied UDP to 10.0.0.1:8001 (allow-list)");
	ok(!passes_out(frame_tagged(frame_udp(&foreign, 4005, 8001, 20), 7)));
}

/* So many frames of 1500 bytes pass at once, and some more for each second that this takes. */
static void check_bytes(unsigned int passed)
{
	if (!ok(passed >= NETWORK_BURST_MIN / 1500 && passed < 120))
		printf("# %u\n", passed);
}

/* And so many of any size. */
static void check_packets(unsigned int passed)
{
	if (!ok(passed >= 16 && passed < 100))
		printf("# %u\n", passed);
}

static void test_rates(void)
{
	const struct timespec until_full = { .tv_sec = 1, .tv_nsec = 200000000 };
	const struct network_rate bytes = { 1000, 0, 0 }, packets = { 0, 20, 0 };
	struct network_policy policy = { .transmit = bytes, .receive = packets };

	card_denials_unwatch(wire.denials, 0);
	wire_set(&wire, &policy, false);
	for (int i = 0; i < 200; i++)
		wire_send_out(&wire, frame_udp(&out, 4006, 8000, 1472));
	check_bytes(wire_count_out(&wire));
	(void)nanosleep(&until_full, NULL);
	for (int i = 0; i < 200; i++)
		wire_send_in(&wire, frame_udp(&in, 4006, 8000, 20));
	check_packets(wire_count_in(&wire));

	policy.transmit = (struct network_rate){ 1000, 20, 0 };
	policy.receive = bytes;
	wire_set(&wire, &policy, false);
	for (int i = 0; i < 200; i++)
		wire_send_in(&wire, frame_udp(&in, 4006, 8000, 1472));
	check_bytes(wire_count_in(&wire));
	(void)nanosleep(&until_full, NULL);
	for (int i = 0; i < 200; i++)
		wire_send_out(&wire, frame_udp(&out, 4006, 8000, 20));
	check_packets(wire_count_out(&wire));
	/* With a fast one nothing is lost. */
	policy.transmit = (struct network_rate){ UINT64_C(10) << 30, 0, 1 << 20 };
	wire_set(&wire, &policy, false);
	for (int i = 0; i < 200; i++)
		wire_send_out(&wire, frame_udp(&out, 4006, 8000, 1472));
	is_int(wire_count_out(&wire), 200);
}

int main(int argc, char **argv)
{
	if (!wire_open(&wire, argc == 2 && strcmp(argv[1], "all") == 0))
		return tap_failures > 0;
	test_empty_list();
	test_connections_from_outside_are_answered();
	test_rules();
	test_fragments();
	test_many_rules();
	test_any_source_and_a_list();
	test_rates();
	card_denials_free(wire.denials);
	mnl_socket_close(wire.netlink);
	return tap_done();
}
