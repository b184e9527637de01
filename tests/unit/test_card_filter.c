/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_card_filter.c - what passes between a tap and its interface, with real ones
 *
 * Where the kernel cannot do this all is skipped, and says so. With the argument "all" nothing may
 * be skipped: tests/container/network_filter.bats runs it that way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/card_wire.h"
#include "tests/unit/tap.h"
#include "vmm/network/host_ports.h"
#include "vmm/network/tc_message.h"

#define OTHER_MAC "02:00:00:00:00:99"
#define ALL_MAC "ff:ff:ff:ff:ff:ff"
#define GROUP_MAC "33:33:00:00:00:01"

static struct wire wire;
static struct error err;
static const struct network_policy strict, open_policy = { .allows_spoofing = true };

static const struct frame_ends out = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV4, "10.0.0.1" };
static const struct frame_ends out6 = { WIRE_MAC, WIRE_PEER_MAC, WIRE_IPV6, "2001:db8::1" };
static const struct frame_ends in = { WIRE_PEER_MAC, WIRE_MAC, "10.0.0.1", WIRE_IPV4 };
static const struct frame_ends in6 = { WIRE_PEER_MAC, WIRE_MAC, "2001:db8::1", WIRE_IPV6 };

static bool passes_out(const struct frame *frame)
{
	return wire_passes_out(&wire, frame);
}

static bool passes_in(const struct frame *frame)
{
	return wire_passes_in(&wire, frame);
}

static const struct frame *udp(const struct frame_ends *ends)
{
	return frame_udp(ends, 4000, 4001, 100);
}

/* Of @ends with another source MAC, source or destination MAC. */
static struct frame_ends from_mac(const struct frame_ends *ends, const char *mac)
{
	struct frame_ends changed = *ends;

	changed.source_mac = mac;
	return changed;
}

static struct frame_ends from(const struct frame_ends *ends, const char *address)
{
	struct frame_ends changed = *ends;

	changed.source = address;
	return changed;
}

static struct frame_ends to_mac(const struct frame_ends *ends, const char *mac)
{
	struct frame_ends changed = *ends;

	changed.destination_mac = mac;
	return changed;
}

static void test_own_frames_pass(void)
{
	const struct frame_ends all = to_mac(&in, ALL_MAC), group = to_mac(&in6, GROUP_MAC);

	wire_set(&wire, &strict, false);
	ok(passes_out(udp(&out)));
	ok(passes_out(udp(&out6)));
	ok(passes_out(frame_tcp(&out, 4000, 80, FRAME_SYN)));
	ok(passes_out(frame_arp(&out, true, WIRE_MAC)));
	ok(passes_in(udp(&in)));
	ok(passes_in(udp(&in6)));
	ok(passes_in(frame_arp(&in, true, WIRE_PEER_MAC)));
	ok(passes_in(udp(&all)));
	ok(passes_in(udp(&group)));
	is_str(wire_told(&wire), "");
}

static void test_others_frames_do_not_come_in(void)
{
	const struct frame_ends flooded = to_mac(&in, OTHER_MAC);

	ok(!passes_in(udp(&flooded)));
	ok(!passes_in(frame_arp(&flooded, true, WIRE_PEER_MAC)));
}

static void test_foreign_sources_are_denied(void)
{
	const struct frame_ends mac = from_mac(&out, OTHER_MAC), ip = from(&out, "10.0.0.3"),
				ip6 = from(&out6, "2001:db8::3"), none = from(&out, "0.0.0.0");
	static struct frame other;

	ok(!passes_out(udp(&mac)));
	is_str(wire_told(&wire),
	       "eth0: denied a frame from " OTHER_MAC ", which is not the container's (spoofing)");
	ok(!passes_out(udp(&ip)));
	is_str(wire_told(&wire),
	       "eth0: denied a packet from 10.0.0.3, which is not the container's (spoofing)");
	ok(!passes_out(udp(&ip6)));
	is_str(wire_told(&wire), "eth0: denied a packet from 2001:db8::3, which is not the "
				 "container's (spoofing)");
	ok(!passes_out(udp(&none)));
	ok(!passes_out(frame_tagged(udp(&out), 7)));
	other = *udp(&out);
	other.bytes[12] = 0x88;
	other.bytes[13] = 0xcc; /* LLDP */
	ok(!passes_out(&other));
	(void)wire_told(&wire);
	ok(!passes_out(frame_arp(&ip, true, WIRE_MAC)));
	is_str(wire_told(&wire),
	       "eth0: denied ARP from 10.0.0.3, which is not the container's (spoofing)");
	ok(!passes_out(frame_arp(&out, true, OTHER_MAC)));
	is_str(wire_told(&wire),
	       "eth0: denied ARP from " OTHER_MAC ", which is not the container's (spoofing)");
	ok(!passes_out(frame_arp(&none, false, WIRE_MAC)));
}

static void test_neighbour_discovery(void)
{
	const struct frame_ends none = { WIRE_MAC, GROUP_MAC, "::", "ff02::1:ff00:2" };
	const struct frame_ends other = from(&out6, "2001:db8::3");

	/* A window of lines of its own. */
	card_denials_unwatch(wire.denials, 0);
	wire_set(&wire, &strict, false);
	ok(passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, WIRE_IPV6, 0)));
	ok(passes_out(frame_discovery(&out6, ND_NEIGHBOR_SOLICIT, "2001:db8::1", 0)));
	ok(passes_out(frame_discovery(&none, ND_NEIGHBOR_SOLICIT, WIRE_IPV6, 0)));
	is_str(wire_told(&wire), "");
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 0)));
	is_str(wire_told(&wire), "eth0: denied ICMPv6 type 136 to 2001:db8::1 (spoofing)");
	ok(!passes_out(frame_discovery(&other, ND_NEIGHBOR_ADVERT, WIRE_IPV6, 0)));
	ok(!passes_out(frame_discovery(&out6, ND_ROUTER_ADVERT, "::", 0)));
	ok(!passes_out(frame_discovery(&out6, ND_REDIRECT, WIRE_IPV6, 0)));
	/* Somebody else's address that is just being looked for, which is not worth a line. */
	(void)wire_told(&wire);
	ok(!passes_out(frame_discovery(&none, ND_NEIGHBOR_SOLICIT, "2001:db8::3", 0)));
	is_str(wire_told(&wire), "");
	/* Behind other headers, as many as are looked through and more. */
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 1)));
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 14)));
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 15)));
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 16)));
	ok(!passes_out(frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 20)));
}

static void test_fragments(void)
{
	const struct frame_ends foreign = from(&out, "10.0.0.3");
	static struct frame whole, advert;

	whole = *frame_udp(&out, 4000, 4001, 992);
	advert = *frame_discovery(&out6, ND_NEIGHBOR_ADVERT, "2001:db8::3", 2);

	ok(passes_out(frame_fragment(&whole, 0, 600)));
	ok(passes_out(frame_fragment(&whole, 600, 1000)));
	whole = *frame_udp(&foreign, 4000, 4001, 992);
	ok(!passes_out(frame_fragment(&whole, 0, 600)));
	ok(!passes_out(frame_fragment(&whole, 600, 1000)));
	whole = *frame_udp(&out6, 4000, 4001, 992);
	ok(passes_out(frame_fragment(&whole, 0, 600)));
	ok(passes_out(frame_fragment(&whole, 600, 1000)));
	/* The header that tells what it is stands in the second. */
	ok(!passes_out(frame_fragment(&advert, 0, 8)));
	ok(!passes_out(frame_fragment(&advert, 8, 40)));
}

static void test_spoofing_can_be_allowed(void)
{
	const struct frame_ends mac = from_mac(&out, OTHER_MAC), ip = from(&out, "10.0.0.3");

	wire_set(&wire, &open_policy, false);
	ok(passes_out(udp(&mac)));
	ok(passes_out(udp(&ip)));
	/* It arrives without its tag, which is told of apart. */
	(void)wire_count_out(&wire);
	wire_send_out(&wire, frame_tagged(udp(&out), 7));
	is_int(wire_count_out(&wire), 1);
	ok(passes_out(frame_arp(&ip, true, OTHER_MAC)));
}

static void test_answers_for_the_namespace(void)
{
	const struct frame_ends all = to_mac(&in, ALL_MAC);
	static struct frame frame;
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(NETWORK_HOST_PORT_FIRST + 7) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char bytes[32];

	frame = *frame_udp(&in, 53, NETWORK_HOST_PORT_FIRST + 7, 20);
	ok(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	wire_set(&wire, &strict, false);
	ok(passes_in(&frame));
	ok(recv(fd, bytes, sizeof(bytes), 0) < 0);
	wire_set(&wire, &strict, true);
	ok(!passes_in(&frame));
	ok(recv(fd, bytes, sizeof(bytes), 0) == 20);
	(void)close(fd);
	ok(!passes_in(frame_udp(&in, 53, NETWORK_HOST_PORT_FIRST, 20)));
	ok(!passes_in(frame_udp(&in, 53, NETWORK_HOST_PORT_LAST, 20)));
	ok(passes_in(frame_udp(&in, 53, NETWORK_HOST_PORT_LAST + 1, 20)));
	ok(passes_in(frame_udp(&in, 54, NETWORK_HOST_PORT_FIRST, 20)));
	/* Who asks gets an answer of the namespace's, too, and so it knows its neighbours. */
	ok(passes_in(frame_arp(&all, false, WIRE_PEER_MAC)));
	ok(wire_has_out(&wire, frame_arp(&out, true, WIRE_MAC)));
	ok(passes_in(frame_discovery(&in6, ND_NEIGHBOR_ADVERT, "2001:db8::1", 0)));
	wire_set(&wire, &strict, false);
	ok(passes_in(frame_arp(&all, false, WIRE_PEER_MAC)));
	ok(!wire_has_out(&wire, frame_arp(&out, true, WIRE_MAC)));
}

static atomic_bool has_enough;

static void *keep_spoofing(void *frame)
{
	const struct frame *spoofed = frame;

	while (!atomic_load(&has_enough))
		if (write(wire.tap_fd, spoofed->bytes, spoofed->size) < 0)
			return frame;
	return NULL;
}

static void test_setting_again_opens_nothing(void)
{
	const struct frame_ends first = from(&out, WIRE_IPV4), second = from(&out, "10.0.0.9"),
				never = from(&out, "10.0.0.3");
	struct network_interface *interface = &wire.interface;
	static struct frame spoofed, got;
	unsigned int nr_spoofed = 0;
	pthread_t thread;
	void *result;

	spoofed = *udp(&never);
	ok(pthread_create(&thread, NULL, keep_spoofing, &spoofed) == 0);
	for (int i = 0; i < 25; i++) {
		interface->addresses[0].ip.bytes[3] = i & 1 ? 2 : 9;
		ok(card_filter_set(wire.netlink, interface, wire.tap_ifindex, &strict, i & 1,
				   &err) == 0);
		while ((got.size = (size_t)recv(wire.peer_fd, got.bytes, sizeof(got.bytes), 0)) <=
		       sizeof(got.bytes))
			nr_spoofed += frame_is_same(&got, &spoofed);
	}
	atomic_store(&has_enough, true);
	ok(pthread_join(thread, &result) == 0 && !result);
	is_int(nr_spoofed, 0);
	/* The last one had the second address. */
	wire_send_out(&wire, udp(&first));
	ok(!wire_has_out(&wire, udp(&first)));
	wire_send_out(&wire, udp(&second));
	ok(wire_has_out(&wire, udp(&second)));
	interface->addresses[0].ip.bytes[3] = 2;
	wire_set(&wire, &strict, false);
	ok(passes_out(udp(&first)));
	ok(!passes_out(udp(&second)));
}

static void test_an_address_twice(void)
{
	size_t nr_addresses = wire.interface.nr_addresses;

	wire_add_address(&wire, WIRE_IPV4, 16);
	wire_add_address(&wire, WIRE_IPV6, 48);
	wire_set(&wire, &strict, false);
	ok(passes_out(udp(&out)));
	ok(passes_out(udp(&out6)));
	wire.interface.nr_addresses = nr_addresses;
}

static bool has_ingress(uint32_t ifindex)
{
	struct tc_batch *batch = tc_batch_new(wire.netlink);
	bool is_plain;
	int r = tc_ingress_exists(batch, ifindex, &is_plain);

	tc_batch_free(batch);
	return r != 0;
}

static void test_clear_leaves_nothing(void)
{

	ok(has_ingress(wire.interface.ifindex));
	ok(card_filter_clear(wire.netlink, wire.interface.ifindex, wire.tap_ifindex, &err) == 0);
	ok(!has_ingress(wire.interface.ifindex));
	ok(!has_ingress(wire.tap_ifindex));
	(void)wire_count_in(&wire);
	wire_send_in(&wire, udp(&in));
	is_int(wire_count_in(&wire), 0);
	ok(card_filter_clear(wire.netlink, wire.interface.ifindex, wire.tap_ifindex, &err) == 0);
	ok(card_filter_clear(wire.netlink, 999, 998, &err) == 0);
}

static void test_claim(void)
{
	uint32_t ifindex = wire.interface.ifindex;
	struct network_policy policy = { 0 };

	is_int(card_filter_claim(wire.netlink, ifindex, &err), 1);
	wire_set(&wire, &strict, false);
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 0);
	ok(has_ingress(ifindex));
	/* Somebody else's tap does not get it either, and does not part what is joined. */
	is_int(card_filter_set(wire.netlink, &wire.interface, wire.peer_ifindex, &policy, false,
			       &err),
	       -EEXIST);
	ok(card_filter_clear(wire.netlink, ifindex, wire.peer_ifindex, &err) == 0);
	ok(!has_ingress(wire.peer_ifindex));
	ok(passes_out(udp(&out)));
	/* The container is no more. */
	wire_new_tap(&wire);
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 1);
	ok(!has_ingress(ifindex));
	/* One that did not live to make filters. */
	ok(wire_run("tc qdisc add dev eth0 ingress"));
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 1);
	ok(!has_ingress(ifindex));
	/* Others. */
	ok(wire_run("tc qdisc add dev eth0 ingress && "
		    "tc filter add dev eth0 ingress flower action pass"));
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 0);
	is_int(card_filter_set(wire.netlink, &wire.interface, wire.tap_ifindex, &policy, false,
			       &err),
	       -EEXIST);
	ok(card_filter_clear(wire.netlink, ifindex, wire.tap_ifindex, &err) == 0);
	ok(has_ingress(ifindex));
	ok(wire_run("tc qdisc del dev eth0 ingress && tc qdisc add dev eth0 clsact"));
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 0);
	ok(wire_run("tc qdisc del dev eth0 clsact"));
	is_int(card_filter_claim(wire.netlink, ifindex, &err), 1);
	ok(card_filter_claim(wire.netlink, 999, &err) < 0);
}

static void test_lines_are_bounded(void)
{
	const struct frame_ends foreign = from(&out, "10.0.0.3");
	struct pollfd item = { .fd = card_denials_fd(wire.denials), .events = POLLIN };

	card_denials_unwatch(wire.denials, 0);
	while (poll(&item, 1, 2500) == 1)
		(void)wire_told(&wire);
	wire_set(&wire, &strict, false);
	for (int i = 0; i < 50; i++)
		wire_send_out(&wire, udp(&foreign));
	is_int(poll(&item, 1, 5000), 1);
	(void)wire_told(&wire);
	is_int(wire.nr_lines, CARD_DENIALS_LINES);
	/* Until the window is over nothing wakes us. */
	wire_send_out(&wire, udp(&foreign));
	is_int(poll(&item, 1, 0), 0);
	is_int(poll(&item, 1, 5000), 1);
	is_str(wire_told(&wire), "eth0: denied 41 more frames");
	wire_send_out(&wire, udp(&foreign));
	is_int(poll(&item, 1, 5000), 1);
	(void)wire_told(&wire);
	is_int(wire.nr_lines, 1);
	/* The next window's number is of its own frames. */
	is_int(poll(&item, 1, 5000), 1);
	is_str(wire_told(&wire), "");
	for (unsigned int i = 0; i < CARD_DENIALS_LINES + 3; i++)
		wire_send_out(&wire, udp(&foreign));
	(void)wire_told(&wire);
	is_int(poll(&item, 1, 5000), 1);
	is_str(wire_told(&wire), "eth0: denied 3 more frames");
	card_denials_unwatch(wire.denials, 0);
	wire_send_out(&wire, udp(&foreign));
	is_str(wire_told(&wire), "");
	/* A tap that goes wakes us up once, or not at all while nothing is read. */
	wire_set(&wire, &strict, false);
	wire_new_tap(&wire);
	is_int(poll(&item, 1, 0), 1);
	is_str(wire_told(&wire), "");
	is_int(poll(&item, 1, 0), 0);
}

int main(int argc, char **argv)
{
	if (!wire_open(&wire, argc == 2 && strcmp(argv[1], "all") == 0))
		return tap_failures > 0;
	test_own_frames_pass();
	test_others_frames_do_not_come_in();
	test_foreign_sources_are_denied();
	test_neighbour_discovery();
	test_fragments();
	test_spoofing_can_be_allowed();
	test_answers_for_the_namespace();
	test_setting_again_opens_nothing();
	test_an_address_twice();
	test_clear_leaves_nothing();
	test_claim();
	test_lines_are_bounded();
	card_denials_free(wire.denials);
	mnl_socket_close(wire.netlink);
	return tap_done();
}
