/* SPDX-License-Identifier: Apache-2.0 */
/* test_network_scan.c - what a network namespace has, and how the guest is told */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/network_namespace.h"
#include "tests/unit/tap.h"
#include "vmm/network/host_ports.h"
#include "vmm/network/namespace_files.h"
#include "vmm/network/network_scan.h"
#include "vmm/network/network_state_json.h"
#include "vmm/network/rtnetlink.h"
#include "vmm/network/tap.h"

static struct mnl_socket *netlink;
static struct network_state state;
static const uint32_t none[NETWORK_SLOTS];
static const int cards[NETWORK_SLOTS] = { 0, 1, 2, 3 };

static void run(const char *command)
{
	if (!is_int(network_namespace_run(command), 0))
		printf("# %s\n", command);
}

/* A namespace of its own for each test. */
static void start(void)
{
	struct error err;

	ok(network_namespace_enter());
	netlink = rtnetlink_open(0, &err);
	ok(netlink);
}

static void scan(const uint32_t kept[NETWORK_SLOTS])
{
	struct error err;

	is_int(network_scan(netlink, kept, &state, &err), 0);
}

static void stop(void)
{
	mnl_socket_close(netlink);
}

/* Whether the guest is told @part. */
static void is_told(const char *part)
{
	bool is_truncated = true;
	char *text = network_state_json(&state, cards, &is_truncated);

	ok(text && !is_truncated);
	if (text && !ok(strstr(text, part)))
		printf("# %s not in %s\n", part, text);
	free(text);
}

static void test_nothing(void)
{
	start();
	scan(none);
	is_int(state.nr_interfaces, 0);
	is_int(state.nr_routes, 0);
	is_told("{\"interfaces\":[],\"resolver\":false}");
	stop();
}

static void test_interfaces(void)
{
	start();
	run("ip link add eth0 address 02:42:ac:11:00:02 mtu 1400 type veth peer name peer0;"
	    "ip link add br0 type bridge; ip link set peer0 master br0;"
	    "ip link add bulkhead0 type bridge; ip link add bulkheads type bridge;"
	    "ip link set eth0 up; ip tuntap add tun0 mode tun");
	scan(none);
	is_int(state.nr_interfaces, 3);
	is_int(state.is_truncated, false);
	is_str(state.interfaces[0].name, "eth0");
	is_str(state.interfaces[1].name, "br0");
	is_str(state.interfaces[2].name, "bulkheads");
	ok(state.interfaces[0].ifindex < state.interfaces[1].ifindex);
	ok(state.interfaces[0].is_up && !state.interfaces[1].is_up);
	is_told("{\"card\":0,\"name\":\"eth0\",\"mac\":\"02:42:ac:11:00:02\",\"mtu\":1400,"
		"\"up\":true,");
	stop();
}

static void test_more_than_fit(void)
{
	uint32_t kept[NETWORK_SLOTS] = { 0 };

	start();
	run("for i in 10 12 11 13 15 14; do ip link add d$i index $i type bridge; done");
	scan(none);
	ok(state.is_truncated);
	is_int(state.nr_interfaces, NETWORK_SLOTS);
	for (uint32_t i = 0; i < NETWORK_SLOTS; i++)
		is_int(state.interfaces[i].ifindex, 10 + i);
	kept[0] = 12;
	kept[2] = 14;
	kept[3] = 77;
	scan(kept);
	is_int(state.interfaces[0].ifindex, 10);
	is_int(state.interfaces[1].ifindex, 11);
	is_int(state.interfaces[2].ifindex, 12);
	is_int(state.interfaces[3].ifindex, 14);
	stop();
}

static void test_addresses(void)
{
	start();
	run("ip link add eth0 type veth peer name peer0; ip link set peer0 addrgenmode none;"
	    "ip link set peer0 up; ip link set eth0 addrgenmode none; ip link set eth0 up;"
	    "echo 1000 >/proc/sys/net/ipv6/conf/eth0/dad_transmits;"
	    "ip addr add 172.17.0.2/16 brd + dev eth0;"
	    "ip addr add 172.17.0.3/16 dev eth0;"
	    "ip addr add 10.0.0.1 peer 10.0.0.2/32 dev eth0;"
	    "ip addr add fe80::2/64 scope link dev eth0 nodad;"
	    "ip addr add 2001:db8::2/64 dev eth0 nodad;"
	    "ip addr add 2001:db8::3/64 dev eth0");
	scan(none);
	is_int(state.nr_interfaces, 2);
	is_int(state.interfaces[1].nr_addresses + state.interfaces[0].nr_addresses, 5);
	is_told("{\"address\":\"172.17.0.2\",\"prefix\":16,\"broadcast\":\"172.17.255.255\","
		"\"scope\":0}");
	is_told("{\"address\":\"172.17.0.3\",\"prefix\":16,\"scope\":0}");
	is_told("{\"address\":\"10.0.0.1\",\"prefix\":32,\"scope\":0}");
	is_told("{\"family\":2,\"destination\":\"10.0.0.2\",\"prefix\":32,"
		"\"source\":\"10.0.0.1\",\"scope\":253,\"type\":1,\"flags\":0}");
	is_told("{\"address\":\"fe80::2\",\"prefix\":64,\"scope\":253}");
	is_told("{\"address\":\"2001:db8::2\",\"prefix\":64,\"scope\":0}");
	stop();
}

static void test_routes(void)
{
	start();
	run("ip link add eth0 type veth peer name peer0; ip link set peer0 up;"
	    "ip link set eth0 up; ip addr add 172.17.0.2/16 dev eth0;"
	    "ip addr add 2001:db8::2/64 dev eth0 nodad;"
	    "ip route add default via 172.17.0.1;"
	    "ip route add 10.1.0.0/16 via 192.168.9.9 dev eth0 onlink metric 7 mtu 1300 "
	    "src 172.17.0.2;"
	    "ip route add 10.2.0.0/16 dev eth0 scope link;"
	    "ip route add blackhole 10.3.0.0/16; ip route add prohibit 10.4.0.0/16;"
	    "ip route add 10.5.0.0/16 dev lo; ip route add 10.6.0.0/16 dev eth0 table 7;"
	    "ip route add 10.7.0.0/16 nexthop via 172.17.0.7 nexthop via 172.17.0.8;"
	    "ip route add 10.8.0.0/16 via inet6 fe80::1 dev eth0;"
	    "ip route add default via 2001:db8::1; ip route add unreachable 2001:db8:9::/48");
	scan(none);
	is_told("{\"family\":2,\"prefix\":0,\"gateway\":\"172.17.0.1\",\"scope\":0,\"type\":1,"
		"\"flags\":0}");
	is_told("{\"family\":2,\"destination\":\"10.1.0.0\",\"prefix\":16,"
		"\"gateway\":\"192.168.9.9\",\"source\":\"172.17.0.2\",\"metric\":7,\"scope\":0,"
		"\"type\":1,\"flags\":4,\"mtu\":1300}");
	is_told("\"destination\":\"10.2.0.0\",\"prefix\":16,\"scope\":253,\"type\":1");
	is_told("\"destination\":\"10.3.0.0\",\"prefix\":16,\"scope\":0,\"type\":6");
	is_told("\"destination\":\"10.4.0.0\",\"prefix\":16,\"scope\":0,\"type\":8");
	is_told("\"destination\":\"10.7.0.0\",\"prefix\":16,\"gateway\":\"172.17.0.7\"");
	is_told("\"destination\":\"10.8.0.0\",\"prefix\":16,\"gateway\":\"fe80::1\"");
	is_told("{\"family\":10,\"prefix\":0,\"gateway\":\"2001:db8::1\",\"metric\":1024,");
	is_told("\"destination\":\"2001:db8:9::\",\"prefix\":48,\"metric\":1024,\"scope\":0,"
		"\"type\":7");
	is_int(state.nr_routes, 9);
	stop();
}

static void test_neighbours(void)
{
	start();
	run("ip link add eth0 type veth peer name peer0; ip link set peer0 up;"
	    "ip link set eth0 up;"
	    "ip neigh add 172.17.0.1 lladdr 02:42:00:00:00:01 dev eth0 nud permanent;"
	    "ip neigh add 172.17.0.3 lladdr 02:42:00:00:00:03 dev eth0 nud reachable;"
	    "ip neigh add fe80::1 lladdr 02:42:00:00:00:01 dev eth0 nud permanent;"
	    "ip neigh add proxy 172.17.0.9 dev eth0");
	scan(none);
	is_told("\"neighbours\":[{\"address\":\"");
	is_told("{\"address\":\"172.17.0.1\",\"mac\":\"02:42:00:00:00:01\"}");
	is_told("{\"address\":\"fe80::1\",\"mac\":\"02:42:00:00:00:01\"}");
	is_int(state.interfaces[0].nr_neighbours + state.interfaces[1].nr_neighbours, 2);
	stop();
}

/* Ten times what fits: of each kind as many as there is room for. */
static void test_bounds(void)
{
	bool is_truncated = false;
	char *text;

	start();
	run("ip link add eth0 type bridge; ip link set eth0 up;"
	    "for a in 0 1 2 3 4 5 6 7 8 9; do for b in $(seq 0 255); do"
	    " echo route add 10.$a.$b.0/24 dev eth0;"
	    " echo neigh add 10.$a.$b.1 lladdr 02:42:00:00:00:01 dev eth0 nud permanent;"
	    " done; echo addr add 10.99.$a.1/24 dev eth0; echo addr add 10.98.$a.1/24 dev eth0;"
	    " echo addr add 10.97.$a.1/24 dev eth0; echo addr add 10.96.$a.1/24 dev eth0; done |"
	    " ip -batch -");
	scan(none);
	ok(state.is_truncated);
	is_int(state.nr_routes, NETWORK_ROUTES_MAX);
	is_int(state.interfaces[0].nr_neighbours, NETWORK_NEIGHBOURS_MAX);
	is_int(state.interfaces[0].nr_addresses, NETWORK_ADDRESSES_MAX);
	/* The longest there can be of all: the text has its end too. */
	for (size_t i = 0; i < NETWORK_ROUTES_MAX; i++) {
		struct network_route *route = &state.routes[i];

		*route = (struct network_route){ .ifindex = state.interfaces[0].ifindex,
						 .destination.family = AF_INET6,
						 .gateway.family = AF_INET6,
						 .source.family = AF_INET6,
						 .metric = UINT32_MAX,
						 .mtu = UINT32_MAX,
						 .prefix = 128,
						 .scope = 255,
						 .type = 1 };
		memset(route->destination.bytes, 0xee, 16);
		memset(route->gateway.bytes, 0xee, 16);
		memset(route->source.bytes, 0xee, 16);
	}
	state.nr_interfaces = NETWORK_SLOTS;
	for (size_t i = 1; i < NETWORK_SLOTS; i++)
		state.interfaces[i] = state.interfaces[0];
	text = network_state_json(&state, cards, &is_truncated);
	ok(text && strlen(text) <= NETWORK_STATE_MAX);
	ok(is_truncated);
	free(text);
	stop();
}

/* What the ptp plugin of CNI does: neighbours are reached by way of the host. */
static void test_prefix_route(void)
{
	start();
	run("ip link add eth0 type veth peer name peer0; ip link set peer0 up;"
	    "ip link set eth0 addrgenmode none; ip addr add 10.99.0.2/24 dev eth0;"
	    "ip addr add 2001:db8::2/64 dev eth0 nodad; ip link set eth0 up");
	scan(none);
	is_told("{\"address\":\"10.99.0.2\",\"prefix\":24,\"scope\":0}");
	is_told("{\"address\":\"2001:db8::2\",\"prefix\":64,\"scope\":0}");
	is_int(state.nr_routes, 0);
	run("ip route del 10.99.0.0/24; ip -6 route del 2001:db8::/64;"
	    "ip route add 10.99.0.1 dev eth0 scope link src 10.99.0.2;"
	    "ip route add 10.99.0.0/24 via 10.99.0.1 src 10.99.0.2");
	scan(none);
	is_told("{\"address\":\"10.99.0.2\",\"prefix\":24,\"scope\":0,\"noPrefixRoute\":true}");
	is_told("{\"address\":\"2001:db8::2\",\"prefix\":64,\"scope\":0,\"noPrefixRoute\":true}");
	is_int(state.nr_routes, 2);
	/* Down it has no routes; up again it has that one. */
	run("ip link set eth0 down");
	scan(none);
	is_told("{\"address\":\"10.99.0.2\",\"prefix\":24,\"scope\":0}");
	stop();
}

static void test_card_numbers(void)
{
	const int some[NETWORK_SLOTS] = { -1, 3, -1, -1 };
	bool is_truncated;
	char *text;

	start();
	run("ip link add a0 type bridge; ip link add a1 type bridge");
	scan(none);
	text = network_state_json(&state, some, &is_truncated);
	ok(text && strstr(text, "{\"interfaces\":[{\"card\":3,\"name\":\"a1\",") == text);
	ok(text && !strstr(text, "\"a0\""));
	free(text);
	stop();
}

static void test_taps(void)
{
	struct error err;
	uint32_t first, second;
	int fd;

	start();
	fd = tap_open(&err);
	ok(fd >= 0);
	ok(!tap_exists(fd));
	is_int(tap_create(fd, netlink, &first, &err), 0);
	ok(tap_exists(fd));
	run("ip link show bulkhead0 | grep NOARP; ip link show bulkhead0 | grep 'qlen 256'");
	is_int(tap_up(netlink, first, 9000, &err), 0);
	run("ip link show bulkhead0 | grep 'NOARP,UP' | grep 'mtu 9000'");
	run("test -z \"$(ip addr show bulkhead0 | grep inet)\"");
	is_int(tap_up(netlink, first, 1000, &err), 0);
	is_int(tap_up(netlink, first, 1500, &err), 0);
	run("ip -d link show bulkhead0 | grep 'addrgenmode none'");
	is_int(tap_down(netlink, first, &err), 0);
	run("! ip link show bulkhead0 | grep '[,<]UP'");
	scan(none);
	is_int(state.nr_interfaces, 0);
	/* Deleted, and made anew of the same descriptor. */
	is_int(tap_create(fd, netlink, &second, &err), -EEXIST);
	run("ip link del bulkhead0");
	ok(!tap_exists(fd));
	is_int(tap_up(netlink, first, 1500, &err), -ENODEV);
	is_int(tap_create(fd, netlink, &second, &err), 0);
	ok(second != first);
	ok(tap_exists(fd));
	(void)close(fd);
	run("! ip link show bulkhead0");
	ok(!tap_is_name("bulkhead") && !tap_is_name("eth0") && tap_is_name("bulkhead12"));
	stop();
}

static int listen_at(const char *address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	is_int(inet_pton(AF_INET, address, &name.sin_addr), 1);
	is_int(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	is_int(listen(fd, 5), 0);
	return fd;
}

static void test_resolver(void)
{
	struct namespace_files files;
	struct error err;
	int other, fd;

	start();
	namespace_files_open(&files);
	ok(!namespace_files_have_resolver(&files));
	other = listen_at("127.0.0.1", 53);
	ok(!namespace_files_have_resolver(&files));
	fd = listen_at("127.0.0.11", 43211);
	ok(namespace_files_have_resolver(&files));
	/* The file is of this namespace. */
	ok(network_namespace_enter());
	ok(namespace_files_have_resolver(&files));
	(void)close(fd);
	ok(!namespace_files_have_resolver(&files));
	(void)close(other);
	namespace_files_close(&files);
	namespace_files_open(&files);
	is_int(namespace_files_limit_ports(&files, &err), 0);
	run("test \"$(cat /proc/sys/net/ipv4/ip_local_port_range)\" = \"61000\t65000\"");
	namespace_files_close(&files);
	is_int(namespace_files_limit_ports(&files, &err), -EACCES);
	ok(!namespace_files_have_resolver(&files));
	stop();
}

int main(void)
{
	if (!network_namespace_enter()) {
		puts("1..0 # skip needs root and network namespaces");
		return 0;
	}
	test_nothing();
	test_interfaces();
	test_more_than_fit();
	test_addresses();
	test_routes();
	test_neighbours();
	test_bounds();
	test_prefix_route();
	test_card_numbers();
	test_taps();
	test_resolver();
	return tap_done();
}
