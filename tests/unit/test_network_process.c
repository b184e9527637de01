/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_network_process.c - the process between VM and network namespace, in real namespaces: what
 * an engine does there, and what the monitor is told
 */
#include <linux/rtnetlink.h>

#include "tests/unit/network_box.h"
#include "vmm/network/rtnetlink.h"

#define ROUNDS 1000
#define ROUNDS_PER_INTERFACE 25 /* after so many it is deleted and made anew */

static void test_what_is_there(void)
{
	static const uint8_t mac[6] = { 0x02, 0x42, 0xac, 0x11, 0x00, 0x02 };

	start();
	is_str(monitor.told, "A0 S");
	ok(!memcmp(monitor.macs[0], mac, sizeof(mac)));
	is_told("{\"interfaces\":[{\"card\":0,\"name\":\"eth0\",\"mac\":\"02:42:ac:11:00:02\","
		"\"mtu\":1400,\"up\":true,\"addresses\":[{\"address\":\"172.17.0.2\",\"prefix\":16,"
		"\"broadcast\":\"172.17.255.255\",\"scope\":0}],\"routes\":[{\"family\":2,"
		"\"prefix\":0,\"gateway\":\"172.17.0.1\",\"scope\":0,\"type\":1,\"flags\":0}],"
		"\"neighbours\":[]}],\"resolver\":false}");
	run("ip link show bulkhead0 | grep 'mtu 1400'; ip link show bulkhead0 | grep NOARP,UP");
	scan();
	is_str(monitor.told, "");
	stop();
}

static void test_nothing_is_there(void)
{
	ok(network_namespace_enter());
	network_monitor_start(&monitor, &policy);
	scan();
	is_str(monitor.told, "");
	add_interface("eth0", "");
	scan();
	is_str(monitor.told, "A0 S");
	run("ip link del eth0");
	scan();
	is_str(monitor.told, "S D0");
	is_told("{\"interfaces\":[],\"resolver\":false}");
	stop();
}

/* What changes is told without a question. */
static void test_news(void)
{
	start();
	add_interface("eth1", "");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"card\":1,\"name\":\"eth1\""));
	run("ip link set eth1 up; ip addr add 172.18.0.2/16 dev eth1");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"172.18.0.2\""));
	run("ip route add 10.0.0.0/8 via 172.18.0.1");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"10.0.0.0\""));
	run("ip neigh add 172.18.0.1 lladdr 02:00:00:00:00:09 nud permanent dev eth1");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"02:00:00:00:00:09\""));
	run("ip neigh del 172.18.0.1 dev eth1; ip link set eth0 mtu 1300");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"mtu\":1300"));
	run("ip link show bulkhead0 | grep 'mtu 1300'");
	run("ip link del eth1");
	ok(network_monitor_wait(&monitor, NETWORK_DETACH, NULL));
	ok(strstr(monitor.told, "S D1"));
	is_not_told("eth1");
	is_not_told("02:00:00:00:00:09");
	run("! ip link show bulkhead1 | grep '[,<]UP'");
	scan();
	is_str(monitor.told, "");
	stop();
}

static void test_changes(void)
{
	start();
	run("ip addr add 2001:db8::2/64 dev eth0 nodad; ip addr del 172.17.0.2/16 dev eth0;"
	    "ip addr add 172.17.0.3/16 dev eth0");
	scan();
	is_told("\"2001:db8::2\"");
	is_told("\"172.17.0.3\"");
	is_not_told("\"172.17.0.2\"");
	is_not_told("\"172.17.0.1\"");
	run("ip link set eth0 down");
	scan();
	is_told("\"up\":false");
	run("ip link set eth0 name net1; ip link set net1 up");
	scan();
	is_told("\"card\":0,\"name\":\"net1\"");
	is_told("\"up\":true");
	/* Another address is another card: the guest is told in between that there is none. */
	run("ip link set net1 address 02:42:ac:11:00:07");
	scan();
	is_str(monitor.told, "S D0 A0 S");
	is_int(monitor.macs[0][5], 7);
	is_told("\"mac\":\"02:42:ac:11:00:07\"");
	/* The same number, but not the same interface. */
	run("ip link del net1");
	add_interface("eth0", "index 20 address 02:42:ac:11:00:07");
	scan();
	is_str(monitor.told, "S D0 A0 S");
	stop();
}

static void test_more_than_there_are_cards(void)
{
	start();
	add_interface("eth1", "");
	add_interface("eth2", "");
	add_interface("eth3", "");
	add_interface("eth4", "");
	scan();
	is_told("eth3");
	is_not_told("eth4");
	for (size_t i = 0; i < NETWORK_SLOTS; i++)
		ok(monitor.taps[i] >= 0);
	/* Slots stay with their interfaces. */
	run("ip link del eth1");
	scan();
	is_told("\"card\":1,\"name\":\"eth4\"");
	is_told("\"card\":2,\"name\":\"eth2\"");
	is_told("\"card\":3,\"name\":\"eth3\"");
	/* One with a lower number comes: those that are there stay. */
	add_interface("eth5", "index 10");
	scan();
	is_not_told("eth5");
	stop();
}

static void test_tap_deleted(void)
{
	start();
	run("ip link del bulkhead0");
	ok(network_monitor_wait(&monitor, NETWORK_ATTACH, NULL));
	ok(strstr(monitor.told, "S D0 A0"));
	scan();
	is_told("\"card\":0,\"name\":\"eth0\"");
	run("ip link show bulkhead0 | grep NOARP,UP");
	stop();
}

/* A port of a bridge is the bridge's. */
static void test_master(void)
{
	start();
	run("ip link add br0 type bridge; ip link set eth0 master br0");
	scan();
	is_told("{\"interfaces\":[{\"card\":0,\"name\":\"br0\"");
	is_not_told("eth0");
	stop();
}

/* Give eth1 to a bridge, or take it back: as if it went and came. */
static void set_master(struct mnl_socket *netlink, int ifindex, uint32_t master)
{
	char bytes[RTNETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *link;

	request->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = ifindex;
	mnl_attr_put_u32(request, IFLA_MASTER, master);
	is_int(rtnetlink_ask(netlink, request, NULL, NULL), 0);
}

static void test_many_rounds(void)
{
	struct mnl_socket *netlink;
	unsigned int nr_before;
	struct error err;

	start();
	add_interface("eth1", "index 40");
	run("ip link add br0 index 50 type bridge; ip link set br0 up");
	netlink = rtnetlink_open(0, &err);
	ok(netlink);
	scan();
	nr_before = nr_descriptors(monitor.process);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (i % ROUNDS_PER_INTERFACE == 0) {
			run("ip link del eth1");
			scan();
			is_not_told("eth1");
			add_interface("eth1", "index 40");
			scan();
		}
		set_master(netlink, 40, 50);
		scan();
		is_not_told("eth1");
		set_master(netlink, 40, 0);
		scan();
		is_told("eth1");
	}
	is_int(nr_descriptors(monitor.process), nr_before);
	run("test $(ip -o link | grep -c bulkhead) = 3");
	mnl_socket_close(netlink);
	stop();
}

/* A monitor that does not read is told all of it when it does. */
static void test_full_channel(void)
{
	const struct network_message question = { .type = NETWORK_SCAN };

	start();
	run("for i in $(seq 1 200); do echo addr add 10.0.$i.1/24 dev eth0; done | ip -batch -");
	for (unsigned int i = 0; i < 40; i++) {
		run("ip link set eth0 mtu 1000; ip link set eth0 mtu 1100");
		(void)network_channel_send(monitor.fd, &question, NULL, -1);
	}
	add_interface("eth1", "");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "eth1"));
	scan();
	is_told("\"mtu\":1100");
	stop();
}

static void test_monitor_breaks_rules(void)
{
	const struct network_message message = { .type = NETWORK_DETACH };

	start();
	is_int(network_channel_send(monitor.fd, &message, NULL, -1), 0);
	is_int(network_monitor_stop(&monitor), EPROTO);
	run("! ip link | grep bulkhead");
}

static void test_two_namespaces(void)
{
	static struct network_monitor first;

	start();
	first = monitor;
	/* The filters' stand-ins go by the number. */
	start_with("index 30");
	add_interface("eth1", "");
	scan();
	is_told("eth1");
	ok(network_monitor_scan(&first));
	is_str(first.told, "");
	ok(!strstr(first.state, "eth1"));
	scan();
	is_str(monitor.told, "");
	/* This one has the other's descriptors, too. */
	is_int(network_monitor_stop(&monitor), 0);
	ok(network_monitor_scan(&first));
	monitor = first;
	stop();
}

int main(void)
{
	if (!prepare())
		return 0;
	test_what_is_there();
	test_nothing_is_there();
	test_news();
	test_changes();
	test_more_than_there_are_cards();
	test_tap_deleted();
	test_master();
	test_many_rounds();
	test_full_channel();
	test_monitor_breaks_rules();
	test_two_namespaces();
	return tap_done();
}
