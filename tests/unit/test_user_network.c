/* SPDX-License-Identifier: Apache-2.0 */
/* test_user_network.c - how ports to publish are written */
#include <errno.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/container/user_network.h"

static void test_good(void)
{
	static const struct {
		const char *text;
		struct published_port port;
	} cases[] = {
		{ "80", { .host = 80, .container = 80 } },
		{ "8080:80", { .host = 8080, .container = 80 } },
		{ "8080:80/tcp", { .host = 8080, .container = 80 } },
		{ "53/udp", { .is_udp = true, .host = 53, .container = 53 } },
		{ "127.0.0.1:8080:80", { .address = "127.0.0.1", .host = 8080, .container = 80 } },
		{ "[::1]:65535:1/udp",
		  { .is_udp = true, .address = "::1", .host = 65535, .container = 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct user_network network = { .nr_ports = 0 };
		const struct published_port *port = &network.ports[0];
		struct error err;

		is_int(user_network_publish(&network, cases[i].text, &err), 0);
		is_int(network.nr_ports, 1);
		is_int(port->is_udp, cases[i].port.is_udp);
		is_str(port->address, cases[i].port.address);
		is_int(port->host, cases[i].port.host);
		is_int(port->container, cases[i].port.container);
	}
}

static void test_bad(void)
{
	static const char *const texts[] = {
		"",
		":",
		"0",
		"65536",
		"123456",
		"80:",
		":80",
		"80:0",
		"80:80:80",
		"80/",
		"80/sctp",
		"80/tcp/udp",
		"-1",
		"80 ",
		"1.2.3:80:80",
		"127.0.0.1",
		"127.0.0.1:80",
		"127.0.0.1::80",
		"[::1:80:80",
		"[::1]80:80",
		"[]:80:80",
		"::1:80:80",
		"[1.2.3.4]:1:1",
		"localhost:1",
		"0x50",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct user_network network = { .nr_ports = 0 };
		struct error err;

		is_int(user_network_publish(&network, texts[i], &err), -EINVAL);
		is_int(network.nr_ports, 0);
		ok(strstr(err.text, texts[i]) != NULL);
	}
}

static void test_too_many(void)
{
	struct user_network network = { .nr_ports = 0 };
	struct error err;

	for (unsigned int i = 0; i < PUBLISHED_PORTS_MAX; i++)
		is_int(user_network_publish(&network, "80", &err), 0);
	ok(user_network_publish(&network, "80", &err) < 0);
	is_int(network.nr_ports, PUBLISHED_PORTS_MAX);
}

int main(void)
{
	test_good();
	test_bad();
	test_too_many();
	return tap_done();
}
