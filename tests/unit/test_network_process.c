/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_network_process.c - the process between VM and network namespace, in real namespaces: what
 * an engine does there, and what the monitor is told. The filters are played: not every kernel that
 * this runs on has what they need; theirs is test_card_filter.c.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/network_monitor.h"
#include "tests/unit/network_namespace.h"
#include "tests/unit/tap.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/network/card_filter.h"
#include "vmm/network/loopback_listener.h"
#include "vmm/network/netlink.h"

#define ROUNDS 1000
#define PATIENCE_MS 20000

static const struct network_policy policy = { .allows_spoofing = true };
static struct network_monitor monitor;

/* --- filters ----------------------------------------------------------------------------------- */

/* Shared with the process. */
static struct {
	uint32_t interfaces[NETWORK_SLOTS * 2]; /* with a filter; 0: none */
	uint32_t taken;				/* by somebody else */
	unsigned int nr_sets, nr_faults;
	bool passes_resolver;
} * filters;

static bool is_up(uint32_t ifindex)
{
	struct ifreq request = { .ifr_name = "" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_up_now = if_indextoname(ifindex, request.ifr_name) &&
			 ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;

	(void)close(fd);
	return is_up_now;
}

static uint32_t *find_filter(uint32_t ifindex)
{
	for (size_t i = 0; i < NETWORK_SLOTS * 2; i++)
		if (filters->interfaces[i] == ifindex)
			return &filters->interfaces[i];
	return NULL;
}

int card_filter_claim(struct mnl_socket *netlink, uint32_t ifindex, struct error *err)
{
	(void)netlink;
	if (find_filter(ifindex))
		return error_set(err, EEXIST, "filter of interface %u", ifindex);
	return ifindex != filters->taken;
}

/* A tap is not up before its filter is there. */
int card_filter_set(struct mnl_socket *netlink, const struct network_interface *interface,
		    uint32_t tap_ifindex, const struct network_policy *used, bool passes_resolver,
		    struct error *err)
{
	uint32_t *place = find_filter(interface->ifindex);

	(void)netlink;
	(void)err;
	filters->nr_faults += used != &policy || tap_ifindex == interface->ifindex;
	filters->nr_faults +=
		(!place && is_up(tap_ifindex)) || interface->ifindex == filters->taken;
	if (!place)
		*find_filter(0) = interface->ifindex;
	filters->nr_sets++;
	filters->passes_resolver = passes_resolver;
	return 0;
}

/* Nor is it up without one. */
int card_filter_clear(struct mnl_socket *netlink, uint32_t ifindex, uint32_t tap_ifindex,
		      struct error *err)
{
	uint32_t *place = find_filter(ifindex);

	(void)netlink;
	(void)err;
	filters->nr_faults += !place || (tap_ifindex && is_up(tap_ifindex));
	if (place)
		*place = 0;
	return 0;
}

/* --- an engine --------------------------------------------------------------------------------- */

static int outside_fd; /* a namespace for the other ends of what is in the container's */

static void run(const char *command)
{
	if (!is_int(network_namespace_run(command), 0))
		printf("# %s\n", command);
}

/* Make what an engine makes: the interface @name, whose other end is outside. */
static void add_interface(const char *name, const char *options)
{
	char command[300];

	(void)snprintf(command, sizeof(command),
		       "ip link add %s %s type veth peer netns /proc/$PPID/fd/%d; "
		       "ip link set %s addrgenmode none",
		       name, options, outside_fd, name);
	run(command);
}

/* A namespace with eth0 in it, and a process that has told of it. */
static void start_with(const char *eth0)
{
	ok(network_namespace_enter());
	add_interface("eth0", eth0);
	run("ip link set eth0 up; ip addr add 172.17.0.2/16 brd + dev eth0;"
	    "ip route add default via 172.17.0.1");
	network_monitor_start(&monitor, &policy);
	ok(network_monitor_scan(&monitor));
}

static void start(void)
{
	start_with("index 20 address 02:42:ac:11:00:02 mtu 1400");
}

static void stop(void)
{
	is_int(monitor.nr_faults, 0);
	is_int(filters->nr_faults, 0);
	is_int(network_monitor_stop(&monitor), 0);
	run("! ip link | grep bulkhead");
	for (size_t i = 0; i < NETWORK_SLOTS * 2; i++)
		is_int(filters->interfaces[i], 0);
}

static void scan(void)
{
	ok(network_monitor_scan(&monitor));
}

static void is_told(const char *part)
{
	if (!ok(strstr(monitor.state, part)))
		printf("# %s not in %s\n", part, monitor.state);
}

static void is_not_told(const char *part)
{
	if (!ok(!strstr(monitor.state, part)))
		printf("# %s in %s\n", part, monitor.state);
}

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

static unsigned int nr_descriptors(pid_t pid)
{
	unsigned int nr = 0;
	char path[64];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && readdir(dir)) /* NOLINT(concurrency-mt-unsafe): nobody else reads it */
		nr++;
	if (dir)
		(void)closedir(dir);
	return nr;
}

/* Give eth1 to a bridge, or take it back: as if it went and came. */
static void set_master(struct mnl_socket *netlink, int ifindex, uint32_t master)
{
	char bytes[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *link;

	request->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = ifindex;
	mnl_attr_put_u32(request, IFLA_MASTER, master);
	is_int(netlink_ask(netlink, request, NULL, NULL), 0);
}

static void test_many_rounds(void)
{
	struct mnl_socket *netlink;
	unsigned int nr_before;
	struct error err;

	start();
	add_interface("eth1", "index 40");
	run("ip link add br0 index 50 type bridge; ip link set br0 up");
	netlink = netlink_open(0, &err);
	ok(netlink);
	scan();
	nr_before = nr_descriptors(monitor.process);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (i % 50 == 0) {
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
	for (unsigned int i = 0; i < 100; i++) {
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

/* --- the resolver ------------------------------------------------------------------------------ */

static int listen_at(const char *address, uint16_t port, int backlog)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	is_int(inet_pton(AF_INET, address, &name.sin_addr), 1);
	is_int(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	is_int(listen(fd, backlog), 0);
	return fd;
}

static void ask(uint32_t socket_number, uint32_t request)
{
	const struct socket_message message = { .type = SOCKET_CONNECT,
						.socket = socket_number,
						.request = request };

	is_int(socket_channel_send(monitor.resolver_fd, &message, -1), 0);
}

/* The answer to @request. Returns its errno value, or -1 when there is none. */
static int answer_to(uint32_t request, int *ret_fd)
{
	struct pollfd pollfd = { .fd = monitor.resolver_fd, .events = POLLIN };
	struct socket_message message;

	*ret_fd = -1;
	if (poll(&pollfd, 1, PATIENCE_MS) != 1 ||
	    socket_channel_receive(monitor.resolver_fd, &message, ret_fd) != 1)
		return -1;
	is_int(message.type, SOCKET_CONNECTED);
	is_int(message.request, request);
	is_int(message.socket, NETWORK_RESOLVER);
	ok((message.code == 0) == (*ret_fd >= 0));
	return message.code;
}

static void check_flow(int from, int to)
{
	char bytes[8] = "";

	is_int(write(from, "bytes", 5), 5);
	is_int(recv(to, bytes, 5, MSG_WAITALL), 5);
	is_str(bytes, "bytes");
}

static void test_resolver(void)
{
	int listener, fd, server;

	start();
	ask(NETWORK_RESOLVER, 7);
	is_int(answer_to(7, &fd), ECONNREFUSED);
	is_told("\"resolver\":false");
	listener = listen_at("127.0.0.11", 53, 5);
	scan();
	is_str(monitor.told, "S");
	is_told("\"resolver\":true");
	ok(filters->passes_resolver);
	run("test \"$(cat /proc/sys/net/ipv4/ip_local_port_range)\" = \"61000\t65000\"");
	ask(NETWORK_RESOLVER, 8);
	is_int(answer_to(8, &fd), 0);
	server = accept(listener, NULL, NULL);
	ok(server >= 0);
	check_flow(fd, server);
	check_flow(server, fd);
	(void)close(server);
	(void)close(fd);
	(void)close(listener);
	scan();
	is_told("\"resolver\":false");
	ok(!filters->passes_resolver);
	stop();
}

/* A resolver that accepts nothing, and a monitor that asks and asks. */
static void test_resolver_is_slow(void)
{
	const struct socket_message message = { .type = SOCKET_OFFER };
	unsigned int nr_refused = 0;
	int listener, fd;

	start();
	listener = listen_at("127.0.0.11", 53, 0);
	for (uint32_t i = 0; i < 70; i++)
		ask(NETWORK_RESOLVER, 1);
	scan();
	/* Some connections wait to be accepted, as many as there may be are being made. */
	for (unsigned int i = 0; i < 6; i++) {
		int code = answer_to(1, &fd);

		ok(code == 0 || code == EAGAIN);
		nr_refused += code == EAGAIN;
		if (fd >= 0)
			(void)close(fd);
	}
	ok(nr_refused >= 4);
	ask(NETWORK_RESOLVER + 1, 1);
	is_int(socket_channel_send(monitor.resolver_fd, &message, -1), 0);
	/* That was none: there is no resolver any more, but all the rest. */
	scan();
	ok(socket_channel_send(monitor.resolver_fd, &message, -1) < 0);
	(void)close(listener);
	stop();
}

/* --- the loopback ------------------------------------------------------------------------------ */

/* Returns a connection to @port of the namespace's @address, or a negative errno value. */
static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_ipv6 = inet_pton(AF_INET6, address, &ipv6.sin6_addr) == 1;
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, address, &ipv4.sin_addr);
	if (is_ipv6 ? connect(fd, (const struct sockaddr *)&ipv6, sizeof(ipv6)) == 0
		    : connect(fd, (const struct sockaddr *)&ipv4, sizeof(ipv4)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static void check_incoming(const char *address, uint16_t port)
{
	int fd = connect_to(address, port);

	ok(fd >= 0);
	ok(network_monitor_wait(&monitor, NETWORK_INCOMING, NULL));
	is_int(monitor.incoming_port, port);
	ok(monitor.incoming_fd >= 0);
	check_flow(fd, monitor.incoming_fd);
	check_flow(monitor.incoming_fd, fd);
	(void)close(fd);
}

static void test_loopback(void)
{
	struct loopback_listener listener;
	struct error err;
	int listening_fd, fd;

	ok(network_namespace_enter());
	if (loopback_listener_open(&listener, &err) < 0) {
		printf("ok - connections to the loopback # SKIP %s\n", err.text);
		return;
	}
	loopback_listener_close(&listener);
	is_int(connect_to("127.0.0.1", 8080), -ECONNREFUSED);
	start();
	check_incoming("127.0.0.1", 8080);
	check_incoming("127.0.0.1", 1);
	check_incoming("::1", 65535);
	/* Neither the resolver's address nor the others. */
	is_int(connect_to("127.0.0.11", 8080), -ECONNREFUSED);
	is_int(connect_to("172.17.0.2", 8080), -ECONNREFUSED);
	is_int(connect_to("127.0.0.2", 8080), -ECONNREFUSED);
	listening_fd = listen_at("127.0.0.11", 8080, 5);
	fd = connect_to("127.0.0.11", 8080);
	ok(fd >= 0);
	(void)close(fd);
	(void)close(listening_fd);
	scan();
	is_told("eth0");
	stop();
	is_int(connect_to("127.0.0.1", 8080), -ECONNREFUSED);
}

/* Nobody takes them: they end, and what there is to say of the network is said. */
static void test_loopback_flood(void)
{
	struct loopback_listener listener;
	struct error err;
	unsigned int nr_before;

	ok(network_namespace_enter());
	if (loopback_listener_open(&listener, &err) < 0) {
		printf("ok - many connections to the loopback # SKIP %s\n", err.text);
		return;
	}
	loopback_listener_close(&listener);
	start();
	nr_before = nr_descriptors(monitor.process);
	for (unsigned int i = 0; i < 1000; i++) {
		int fd = connect_to("127.0.0.1", 80);

		if (fd >= 0)
			(void)close(fd);
	}
	run("ip link set eth0 mtu 1000");
	ok(network_monitor_wait(&monitor, NETWORK_STATE, "\"mtu\":1000"));
	scan();
	is_int(nr_descriptors(monitor.process), nr_before);
	stop();
}

/* --- somebody else's --------------------------------------------------------------------------- */

static void test_taken_interface(void)
{
	ok(network_namespace_enter());
	filters->taken = 21;
	start();
	add_interface("eth1", "index 21");
	add_interface("eth2", "index 22");
	scan();
	is_not_told("eth1");
	is_told("\"card\":1,\"name\":\"eth2\"");
	/* Its owner is gone. */
	filters->taken = 0;
	scan();
	is_told("\"card\":2,\"name\":\"eth1\"");
	stop();
}

int main(void)
{
	if (!network_namespace_enter()) {
		puts("1..0 # skip needs root and network namespaces");
		return 0;
	}
	filters = mmap(NULL, sizeof(*filters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	outside_fd = network_namespace_fd();
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
	test_resolver();
	test_resolver_is_slow();
	test_loopback();
	test_loopback_flood();
	test_taken_interface();
	return tap_done();
}
