/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/network_rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* What is left to read. */
struct reader {
	const char *at, *end;
};

static bool take(struct reader *reader, char c)
{
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

/* Up to five digits without a 0 before them. */
static bool take_number(struct reader *reader, uint32_t min, uint32_t max, uint32_t *ret)
{
	const char *start = reader->at;
	uint32_t value = 0;

	while (reader->at < reader->end && reader->at - start < 5 && *reader->at >= '0' &&
	       *reader->at <= '9')
		value = value * 10 + (uint32_t)(*reader->at++ - '0');
	if (reader->at == start || (*start == '0' && reader->at - start > 1) || value < min ||
	    value > max)
		return false;
	*ret = value;
	return true;
}

static bool take_word(struct reader *reader, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
		return false;
	reader->at += len;
	return true;
}

/* An address of @family, of those characters that are in one. */
static bool take_address(struct reader *reader, int family, uint8_t *ret)
{
	const char *allowed = family == AF_INET ? "0123456789." : "0123456789abcdefABCDEF:.";
	char text[INET6_ADDRSTRLEN];
	size_t len = 0;

	while (reader->at < reader->end && *reader->at && strchr(allowed, *reader->at)) {
		if (len == sizeof(text) - 1)
			return false;
		text[len++] = *reader->at++;
	}
	text[len] = '\0';
	return inet_pton(family, text, ret) == 1;
}

static bool is_masked(const struct network_rule *rule, uint32_t nr_bits)
{
	for (uint32_t bit = rule->prefix; bit < nr_bits; bit++)
		if (rule->address[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

static const char *parse_destination(struct reader *reader, struct network_rule *rule)
{
	bool is_ipv6 = take(reader, '[');
	uint32_t nr_bits = is_ipv6 ? 128 : 32, prefix = nr_bits;

	rule->family = is_ipv6 ? AF_INET6 : AF_INET;
	if (!take_address(reader, rule->family, rule->address) || (is_ipv6 && !take(reader, ']')))
		return "has no address (IPv6: in brackets)";
	if (take(reader, '/') && !take_number(reader, 0, nr_bits, &prefix))
		return "has no such prefix";
	rule->prefix = (uint8_t)prefix;
	return is_masked(rule, nr_bits) ? NULL : "has an address with more bits than its prefix";
}

static const char *parse_ports(struct reader *reader, struct network_rule *rule)
{
	uint32_t first = 0, last = 0;

	if (!take_number(reader, 1, UINT16_MAX, &first))
		return "has no such port";
	last = first;
	if (take(reader, '-') && !take_number(reader, first, UINT16_MAX, &last))
		return "has no such range of ports";
	rule->first_port = (uint16_t)first;
	rule->last_port = (uint16_t)last;
	return NULL;
}

static const char *parse(struct reader *reader, struct network_rule *rule)
{
	const char *problem;
	bool is_icmp = false;

	if (take_word(reader, "tcp:"))
		rule->protocol = IPPROTO_TCP;
	else if (take_word(reader, "udp:"))
		rule->protocol = IPPROTO_UDP;
	else if (take_word(reader, "icmp:"))
		is_icmp = true;
	else if (!take_word(reader, "any:"))
		return "does not begin with tcp:, udp:, icmp: or any:";
	problem = parse_destination(reader, rule);
	if (problem)
		return problem;
	if (is_icmp)
		rule->protocol = rule->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	rule->last_port = UINT16_MAX;
	if (take(reader, ':')) {
		if (rule->protocol != IPPROTO_TCP && rule->protocol != IPPROTO_UDP)
			return "has a port, which only tcp and udp have";
		problem = parse_ports(reader, rule);
	}
	if (!problem && reader->at != reader->end)
		problem = "goes on behind its end";
	return problem;
}

int network_rule_parse(const char *text, size_t len, struct network_rule *ret,
		       const char **ret_problem)
{
	struct reader reader = { text, text + len };
	struct network_rule rule = { 0 };
	const char *problem = parse(&reader, &rule);

	if (problem) {
		*ret_problem = problem;
		return -EINVAL;
	}
	*ret = rule;
	return 0;
}

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return "any";
	}
}

const char *network_rule_show(const struct network_rule *rule, char *buffer)
{
	char address[INET6_ADDRSTRLEN] = "", ports[16] = "";
	bool is_ipv6 = rule->family == AF_INET6;

	(void)inet_ntop(rule->family, rule->address, address, sizeof(address));
	if (rule->first_port && rule->first_port == rule->last_port)
		(void)snprintf(ports, sizeof(ports), ":%u", rule->first_port);
	else if (rule->first_port)
		(void)snprintf(ports, sizeof(ports), ":%u-%u", rule->first_port, rule->last_port);
	(void)snprintf(buffer, NETWORK_RULE_TEXT_SIZE, "%s:%s%s%s/%u%s",
		       protocol_name(rule->protocol), is_ipv6 ? "[" : "", address,
		       is_ipv6 ? "]" : "", rule->prefix, ports);
	return buffer;
}
