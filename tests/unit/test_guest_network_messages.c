/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_network_messages.c - when the monitor may talk of the network, and what becomes of
 * mistakes; of cards, which a test's machine must never touch, there is none
 */
#include "guest-init/card_driver.h"
#include "tests/unit/guest_machine.h"

int card_driver_open(struct failure *err)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? failure_set(err, errno, "open /") : fd;
}

int card_driver_bind(int sysfs_fd, uint32_t number, char ret_name[IF_NAMESIZE], struct failure *err)
{
	(void)sysfs_fd;
	ret_name[0] = 0;
	return failure_set(err, ENODEV, "card %u", number);
}

int card_driver_unbind(int sysfs_fd, uint32_t number, struct failure *err)
{
	(void)sysfs_fd;
	return failure_set(err, ENODEV, "card %u", number);
}

/* A message with the interface of card 0, or without. */
static json_t *network_make(bool has_card)
{
	json_t *interfaces = json_array();

	if (has_card)
		json_array_append_new(
			interfaces, json_pack("{s:i, s:s, s:s, s:i, s:b, s:[], s:[], s:[]}", "card",
					      0, "name", "eth0", "mac", "02:00:00:00:00:00", "mtu",
					      1500, "up", 1, "addresses", "routes", "neighbours"));
	return json_pack("{s:s, s:o, s:b}", "type", "network", "interfaces", interfaces, "resolver",
			 0);
}

static json_t *plan_with_network(const char *script)
{
	json_t *plan = plan_make(script);

	json_array_append_new(json_object_get(plan, "namespaces"), json_string("network"));
	return plan;
}

static void test_before_start(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, network_make(true));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "network: there is no container yet");
	machine_send(&machine, plan_with_network("true"));
	/* Each is the whole state: the first was never the last. */
	machine_send(&machine, network_make(true));
	machine_send(&machine, network_make(false));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	machine_send(&machine, network_make(true));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_int(machine.frame.process, 0);
	is_int(machine.frame.code, ENODEV);
	is_str(machine.frame.text, "network: eth0: card 0: no such device");
	machine_send(&machine, json_pack("{s:s, s:[]}", "type", "network", "interfaces"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "network: \"resolver\" is missing or not a boolean");
	machine_shut_down(&machine);

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan_with_network("true"));
	machine_send(&machine, network_make(true));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "network: eth0: card 0: no such device");
	machine_shut_down(&machine);
}

static void test_after_start(void)
{
	struct machine machine;

	ok(machine_start(&machine, plan_with_network("read line; ip link | grep -c '^[0-9]*: '; "
						     "cat /proc/sys/net/ipv6/conf/default/"
						     "accept_ra")));
	machine_send(&machine, network_make(true));
	is_int(machine_receive(&machine), PROTOCOL_WARNING);
	is_int(machine.frame.process, 0);
	is_str(machine.frame.text, "network: eth0: card 0: no such device");
	/* Nobody listens there, and the host is away: nothing happens, nor for what is no port. */
	machine_send(&machine,
		     json_pack("{s:s, s:i, s:i}", "type", "incoming", "id", 3, "port", 80));
	machine_send(&machine,
		     json_pack("{s:s, s:i, s:i}", "type", "incoming", "id", 64, "port", 80));
	machine_send(&machine,
		     json_pack("{s:s, s:i, s:i}", "type", "incoming", "id", 3, "port", 65536));
	machine_send(&machine, json_pack("{s:s}", "type", "network"));
	is_int(machine_receive(&machine), PROTOCOL_WARNING);
	is_str(machine.frame.text, "network: \"interfaces\" is missing or not a list");
	is_int(write(machine.stream_fds[PROTOCOL_STDIN], "\n", 1), 1);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "1\n0\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

/* A setting of an interface waits for it until the start. */
static void test_sysctl(void)
{
	json_t *plan = plan_with_network("true");
	struct machine machine;

	json_object_set_new(json_object_get(plan, "sysctl"), "net.ipv4.conf.eth7.forwarding",
			    json_string("1"));
	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan);
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	machine_send(&machine, json_pack("{s:s}", "type", "start"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "sysctl \"net.ipv4.conf.eth7.forwarding\" = \"1\": no such file "
				   "or directory");
	machine_shut_down(&machine);
}

int main(void)
{
	if (!machines_begin())
		return 0;
	test_before_start();
	test_after_start();
	test_sysctl();
	return machines_end();
}
