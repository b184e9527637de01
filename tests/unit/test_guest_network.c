/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_network.c - the container's network: interfaces come, change and go */
#include "tests/unit/guest_network.h"

#define IP4 ADDRESS("10.0.0.2", 16)
#define LINK_LOCAL "{'address': 'fe80::200:ff:fe00:0', 'prefix': 64, 'scope': 253}"
#define IP6 ADDRESS("fd00::2", 64)
#define DEFAULT4 ROUTE4 "'prefix': 0, 'gateway': '10.0.0.1'}"

static struct guest_network box;

static void begin(void)
{
	guest_network_begin(&box, NULL, 0);
	add_card(&box, 0);
	add_card(&box, 1);
}

static void end(void)
{
	guest_network_end(&box);
}

static void says(const char *interfaces)
{
	is_int(network_says(&box, interfaces), 0);
	is_str(box.err.text, "");
}

static void refuses(const char *interfaces, const char *sentence)
{
	ok(network_says(&box, interfaces) < 0);
	is_str(box.err.text, sentence);
}

static void test_interface(void)
{
	begin();
	says(INTERFACE_OF(0, "web0", "1400", "true",
			  "{'address': '10.0.0.2', 'prefix': 16, 'broadcast': '10.0.255.255', "
			  "'scope': 0}, " LINK_LOCAL ", " IP6 ", {'address': '10.77.0.2', "
			  "'prefix': 16, 'scope': 0, 'noPrefixRoute': true}",
			  DEFAULT4 ", " ROUTE6 "'prefix': 0, 'gateway': 'fd00::1'}",
			  "{'address': '10.0.0.9', 'mac': '02:00:00:00:00:77'}"));
	shows(&box, "ip -o link show web0", " mtu 1400 ");
	shows(&box, "ip -o link show web0", "02:00:00:00:00:00");
	shows(&box, "ip -o link show web0", ",UP");
	shows(&box, "ip -o addr show web0", "inet 10.0.0.2/16 brd 10.0.255.255 scope global");
	shows(&box, "ip -o addr show web0", "inet6 fd00::2/64 scope global nodad");
	shows(&box, "ip -o addr show web0", "inet6 fe80::200:ff:fe00:0/64 scope link nodad");
	/* What is made of the hardware address by itself is another one. */
	hides(&box, "ip -o addr show web0", "fe80::ff:fe00:0/64");
	hides(&box, "ip -o addr show web0", "tentative");
	shows(&box, "ip route", "default via 10.0.0.1 dev web0");
	shows(&box, "ip route", "10.0.0.0/16 dev web0 proto kernel scope link src 10.0.0.2");
	hides(&box, "ip route", "10.77.0.0/16");
	shows(&box, "ip -o addr show web0", "inet 10.77.0.2/16 scope global noprefixroute");
	shows(&box, "ip -6 route", "default via fd00::1 dev web0");
	shows(&box, "ip neighbour", "10.0.0.9 dev web0 lladdr 02:00:00:00:00:77 PERMANENT");
	/* The card has left the first namespace. */
	ok(setns(box.first_fd, CLONE_NEWNET) == 0);
	hides(&box, "ip link", "eth0");
	shows(&box, "ip link", "eth1");
	end();
}

static void test_routes(void)
{
	begin();
	/* The gateway comes before the route by which it is reached. */
	says(INTERFACE(0, "eth0", ADDRESS("10.0.0.2", 32) ", " IP4 ", " IP6,
		       ROUTE4 "'prefix': 0, 'gateway': '192.168.7.1'}, " ROUTE4
			      "'destination': '192.168.7.1', 'prefix': 32, 'scope': 253}, "
			      "{'family': 2, 'type': 1, 'flags': 4, 'scope': 0, 'destination': "
			      "'172.20.0.0', 'prefix': 14, 'gateway': '192.168.8.1', 'metric': 50, "
			      "'source': '10.0.0.2', 'mtu': 1300}, "
			      "{'family': 2, 'type': 6, 'flags': 0, 'scope': 0, 'destination': "
			      "'172.30.0.0', 'prefix': 16}, " ROUTE4 "'destination': '10.9.0.0', "
			      "'prefix': 16, 'gateway': 'fd00::9'}, " ROUTE6
			      "'destination': 'fd01::', 'prefix': 48, 'gateway': 'fd00::9', "
			      "'source': 'fd00::2', 'metric': 77}",
		       ""));
	shows(&box, "ip route", "default via 192.168.7.1 dev eth0");
	shows(&box, "ip route", "192.168.7.1 dev eth0 proto static scope link");
	shows(&box, "ip route",
	      "172.20.0.0/14 via 192.168.8.1 dev eth0 proto static src 10.0.0.2 metric 50 onlink "
	      "mtu 1300");
	shows(&box, "ip route", "blackhole 172.30.0.0/16");
	shows(&box, "ip route", "10.9.0.0/16 via inet6 fd00::9 dev eth0");
	shows(&box, "ip -6 route",
	      "fd01::/48 via fd00::9 dev eth0 proto static src fd00::2 metric 77");
	/* Only the metric is another; then all are gone, but for those of the addresses. */
	says(INTERFACE(0, "eth0", IP4 ", " IP6,
		       ROUTE6 "'destination': 'fd01::', 'prefix': 48, 'gateway': 'fd00::9', "
			      "'source': 'fd00::2', 'metric': 78}, " DEFAULT4,
		       ""));
	shows(&box, "ip -6 route", "metric 78");
	hides(&box, "ip -6 route", "metric 77");
	shows(&box, "ip route", "default via 10.0.0.1");
	hides(&box, "ip route", "192.168");
	hides(&box, "ip route", "172.");
	says(INTERFACE(0, "eth0", IP4, "", ""));
	shows(&box, "ip -o route | wc -l", "1\n");
	end();
}

/* Neither what the workload added is touched, nor what did not change. */
static void test_changes(void)
{
	begin();
	says(INTERFACE(0, "eth0", IP4 ", " IP6, DEFAULT4,
		       "{'address': '10.0.0.9', 'mac': '02:00:00:00:00:77'}"));
	is_int(shell(&box, "ip addr add 10.7.0.1/24 dev eth0 && ip route add 10.8.0.0/16 dev eth0 "
			   "&& ip route del default"),
	       0);
	says(INTERFACE_OF(0, "eth0", "1300", "true", IP4 ", " IP6 ", " ADDRESS("10.0.0.3", 16),
			  DEFAULT4, "{'address': '10.0.0.9', 'mac': '02:00:00:00:00:78'}"));
	shows(&box, "ip -o link show eth0", " mtu 1300 ");
	shows(&box, "ip -o addr", "10.0.0.3/16");
	shows(&box, "ip -o addr", "10.7.0.1/24");
	shows(&box, "ip route", "10.8.0.0/16 dev eth0");
	hides(&box, "ip route", "default");
	shows(&box, "ip neighbour", "10.0.0.9 dev eth0 lladdr 02:00:00:00:00:78 PERMANENT");
	/* The first address goes: those of the same subnet would go with it, and routes. */
	says(INTERFACE(0, "eth0", ADDRESS("10.0.0.3", 16) ", " ADDRESS("fd00::2", 80), DEFAULT4,
		       ""));
	hides(&box, "ip -o addr", "10.0.0.2/16");
	shows(&box, "ip -o addr", "10.0.0.3/16");
	shows(&box, "ip -o addr", "fd00::2/80");
	hides(&box, "ip -o addr", "fd00::2/64");
	shows(&box, "ip -o addr", "10.7.0.1/24");
	shows(&box, "ip route", "default via 10.0.0.1");
	hides(&box, "ip neighbour", "10.0.0.9");
	/* Down, and up again. */
	says(INTERFACE_OF(0, "eth0", "1500", "false", ADDRESS("10.0.0.3", 16) ", " IP6, DEFAULT4,
			  ""));
	hides(&box, "ip -o link show eth0", ",UP");
	says(INTERFACE(0, "eth0", ADDRESS("10.0.0.3", 16) ", " IP6, DEFAULT4, ""));
	shows(&box, "ip -o addr", "10.0.0.3/16");
	shows(&box, "ip -o addr", "fd00::2/64");
	shows(&box, "ip route", "default via 10.0.0.1");
	/* The same again changes nothing. */
	is_int(shell(&box, "ip addr del 10.0.0.3/16 dev eth0"), 0);
	says(INTERFACE(0, "eth0", ADDRESS("10.0.0.3", 16) ", " IP6, DEFAULT4, ""));
	hides(&box, "ip -o addr", "10.0.0.3/16");
	end();
}

static void test_names(void)
{
	begin();
	says(INTERFACE(0, "eth1", IP4, DEFAULT4, "") ", " INTERFACE(1, "eth0", "", "", ""));
	shows(&box, "ip -o link show eth1", "02:00:00:00:00:00");
	shows(&box, "ip -o link show eth0", "02:00:00:00:00:01");
	says(INTERFACE(0, "eth0", IP4 ", " IP6, DEFAULT4, "") ", " INTERFACE(1, "eth1", "", "",
									     ""));
	shows(&box, "ip -o link show eth0", "02:00:00:00:00:00");
	shows(&box, "ip -o link show eth1", "02:00:00:00:00:01");
	shows(&box, "ip -o addr show eth0", "10.0.0.2/16");
	shows(&box, "ip route", "default via 10.0.0.1 dev eth0");
	/* A name that the workload has taken; once it is free the interface gets it. */
	is_int(shell(&box, "ip link add name net7 type veth peer name net8"), 0);
	refuses(INTERFACE(0, "net7", IP4 ", " IP6, DEFAULT4, ""),
		"network: net7: name the interface: file exists");
	is_int(shell(&box, "ip link del net7"), 0);
	says(INTERFACE(0, "net7", IP4 ", " IP6, DEFAULT4, ""));
	shows(&box, "ip -o addr show net7", "10.0.0.2/16");
	shows(&box, "ip -o addr show net7", "fd00::2/64");
	shows(&box, "ip -o link show net7", ",UP");
	shows(&box, "ip route", "default via 10.0.0.1 dev net7");
	end();
}

static void test_cards(void)
{
	begin();
	says(INTERFACE(0, "eth0", IP4,
		       "{'family': 2, 'type': 6, 'flags': 0, 'scope': 0, 'destination': "
		       "'172.30.0.0', 'prefix': 16}",
		       ""));
	/* It had a driver from the beginning. */
	is_str(driver_heard(&box, DRIVER "bind"), "");
	refuses(INTERFACE(0, "eth0", IP4, "", "") ", " INTERFACE(2, "eth2", "", "", ""),
		"network: eth2: card 2: no such device");
	is_str(driver_heard(&box, DRIVER "bind"), "d0006000.virtio");
	/* It comes with the next message. */
	add_card(&box, 2);
	says(INTERFACE(0, "eth0", IP4, "", "") ", " INTERFACE(2, "eth2", "", "", ""));
	shows(&box, "ip -o link show eth2", "02:00:00:00:00:02");
	is_str(driver_heard(&box, DRIVER "unbind"), "");
	says(INTERFACE(2, "eth2", "", "", ""));
	is_str(driver_heard(&box, DRIVER "unbind"), "d0004000.virtio");
	hides(&box, "ip route", "blackhole");
	says("");
	is_str(driver_heard(&box, DRIVER "unbind"), "d0006000.virtio");
	/* Not the card that was announced: it is given back. */
	refuses("{'card': 1, 'name': 'eth1', 'mac': '02:00:00:00:00:99', 'mtu': 1500, 'up': true, "
		"'addresses': [], 'routes': [], 'neighbours': []}",
		"network: eth1: card 1 has another hardware address");
	is_str(driver_heard(&box, DRIVER "unbind"), "d0005000.virtio");
	end();
}

static void test_errors(void)
{
	begin();
	refuses(INTERFACE(0, "eth0", IP4,
			  ROUTE4 "'prefix': 0, 'gateway': '10.9.9.9'}, " ROUTE4
				 "'destination': '10.4.0.0', 'prefix': 16}",
			  ""),
		"network: eth0: route to 0.0.0.0/0 via 10.9.9.9: network is unreachable");
	/* The rest was done. */
	shows(&box, "ip -o addr", "10.0.0.2/16");
	shows(&box, "ip route", "10.4.0.0/16 dev eth0");
	refuses(INTERFACE_OF(0, "eth0", "1", "true", IP4, "", ""),
		"network: eth0: mtu 1: invalid argument");
	refuses(INTERFACE(0, "eth0", IP4 ", " ADDRESS("224.0.0.1", 8) ", " ADDRESS("ff02::1", 128),
			  "", ""),
		"network: eth0: address ff02::1/128: cannot assign requested address");
	/* What failed is tried again when it may work. */
	says(INTERFACE(0, "eth0", IP4 ", " ADDRESS("10.9.0.1", 16),
		       ROUTE4 "'prefix': 0, 'gateway': '10.9.9.9'}", ""));
	shows(&box, "ip route", "default via 10.9.9.9 dev eth0");
	end();
}

static void test_sysctls(void)
{
	struct plan_sysctl sysctls[] = {
		{ .name = "net.ipv4.conf.web0.proxy_arp", .value = "1" },
		{ .name = "net.ipv6.conf.web0.disable_ipv6", .value = "1" },
		{ .name = "net/ipv4/conf/a.b/forwarding", .value = "1" },
		{ .name = "net.ipv4.conf.all.arp_announce", .value = "2" },
	};

	guest_network_begin(&box, sysctls, 4);
	add_card(&box, 0);
	add_card(&box, 1);
	is_int(network_check_sysctls(NULL, &box.plan, &box.err), -ENOENT);
	is_str(box.err.text,
	       "sysctl \"net.ipv4.conf.web0.proxy_arp\" = \"1\": no such file or directory");
	/* IPv6 is off: addresses and routes of it are not there, which is no error. */
	says(INTERFACE(0, "web0", IP4 ", " IP6,
		       DEFAULT4 ", " ROUTE6 "'prefix': 0, 'gateway': 'fd00::1'}", ""));
	shows(&box, "cat /proc/sys/net/ipv4/conf/web0/proxy_arp", "1\n");
	hides(&box, "ip -o addr show web0", "inet6");
	shows(&box, "ip route", "default via 10.0.0.1");
	is_int(network_check_sysctls(box.network, &box.plan, &box.err), -ENOENT);
	is_str(box.err.text,
	       "sysctl \"net/ipv4/conf/a.b/forwarding\" = \"1\": no such file or directory");
	says(INTERFACE(0, "web0", IP4, "", "") ", " INTERFACE(1, "a.b", "", "", ""));
	shows(&box, "cat /proc/sys/net/ipv4/conf/a.b/forwarding", "1\n");
	is_int(network_check_sysctls(box.network, &box.plan, &box.err), 0);
	end();
}

static void is_malformed(const char *text, const char *sentence)
{
	json_t *message = message_of(text);
	struct network_plan plan;
	struct failure err = { .text = "" };

	ok(network_plan_init(&plan, message, &err) < 0);
	is_str(err.text, sentence);
	json_decref(message);
}

#define MESSAGE(interfaces) "{'interfaces': [" interfaces "], 'resolver': false}"

static void test_malformed(void)
{
	is_malformed("{}", "network: \"interfaces\" is missing or not a list");
	is_malformed("{'interfaces': []}", "network: \"resolver\" is missing or not a boolean");
	is_malformed(MESSAGE("7"), "network: interfaces[0]: not an object");
	is_malformed(MESSAGE(INTERFACE(4, "eth0", "", "", "")),
		     "network: interfaces[0]: card 4 does not exist");
	is_malformed(MESSAGE(INTERFACE(0, "sixteen-letters-", "", "", "")),
		     "network: interfaces[0]: name \"sixteen-letters-\" is not an interface's");
	is_malformed(MESSAGE(INTERFACE(0, "../x", "", "", "")),
		     "network: interfaces[0]: name \"../x\" is not an interface's");
	is_malformed(MESSAGE(INTERFACE(0, "a", "", "", "") ", " INTERFACE(0, "b", "", "", "")),
		     "network: card 0 is there twice");
	is_malformed(MESSAGE(INTERFACE(0, "a", "", "", "") ", " INTERFACE(1, "a", "", "", "")),
		     "network: name \"a\" is there twice");
	is_malformed(MESSAGE(INTERFACE(0, "a", ADDRESS("10.0.0.256", 8), "", "")),
		     "network: interfaces[0]: a: addresses[0]: address \"10.0.0.256\" is not an "
		     "IP address");
	is_malformed(MESSAGE(INTERFACE(0, "a", ADDRESS("10.0.0.2", 33), "", "")),
		     "network: interfaces[0]: a: addresses[0]: prefix 33 is too long for the "
		     "address");
	is_malformed(MESSAGE(INTERFACE(0, "a", "{'address': 'fd00::1', 'prefix': 64, 'scope': 256}",
				       "", "")),
		     "network: interfaces[0]: a: addresses[0]: scope 256 is too large");
	is_malformed(MESSAGE(INTERFACE(0, "a",
				       "{'address': 'fd00::1', 'broadcast': '10.0.0.255', "
				       "'prefix': 64, 'scope': 0}",
				       "", "")),
		     "network: interfaces[0]: a: addresses[0]: broadcast is for IPv4 only");
	is_malformed(MESSAGE(INTERFACE(0, "a", "", ROUTE4 "'prefix': 8}", "")),
		     "network: interfaces[0]: a: routes[0]: prefix 8 has no destination");
	is_malformed(
		MESSAGE(INTERFACE(0, "a", "", ROUTE6 "'prefix': 0, 'gateway': '10.0.0.1'}", "")),
		"network: interfaces[0]: a: routes[0]: its addresses are of different "
		"families");
	is_malformed(MESSAGE(INTERFACE(0, "a", "",
				       "{'family': 3, 'type': 1, 'flags': 0, 'scope': "
				       "0, 'prefix': 0}",
				       "")),
		     "network: interfaces[0]: a: routes[0]: family 3 is not an IP family");
	is_malformed(MESSAGE(INTERFACE(0, "a", "",
				       "{'family': 2, 'type': 1, 'flags': 9, 'scope': "
				       "0, 'prefix': 0}",
				       "")),
		     "network: interfaces[0]: a: routes[0]: flags 9 are not known");
	is_malformed(MESSAGE(INTERFACE(0, "a", "", "",
				       "{'address': '10.0.0.1', 'mac': '02:00:00:00:00'}")),
		     "network: interfaces[0]: a: neighbours[0]: mac \"02:00:00:00:00\" is not a "
		     "hardware address");
	is_malformed(MESSAGE(INTERFACE(0, "a", "", "",
				       "{'address': '10.0.0.1', 'mac': '02:00:00:00:00:0g'}")),
		     "network: interfaces[0]: a: neighbours[0]: mac \"02:00:00:00:00:0g\" is not a "
		     "hardware address");
}

int main(void)
{
	test_malformed();
	if (geteuid()) {
		printf("1..0 # skip needs root\n");
		return 0;
	}
	test_interface();
	test_routes();
	test_changes();
	test_names();
	test_cards();
	test_errors();
	test_sysctls();
	return tap_done();
}
