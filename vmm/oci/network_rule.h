/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_rule.h - rules of an allow-list as text
 *
 *   PROTOCOL:ADDRESS[/PREFIX][:PORT[-PORT]]
 *
 * PROTOCOL is tcp, udp, icmp (that of the address's family) or any; the first two may have ports.
 * An IPv6 address stands in brackets: "tcp:[2001:db8::]/32:8000-8100".
 */
#pragma once

#include <stddef.h>

#include "vmm/oci/network_policy.h"

#define NETWORK_RULE_TEXT_SIZE 96

/*
 * Read the @len bytes at @text. Returns 0, or -EINVAL and in *@ret_problem, which is static text,
 * what is wrong ("has no such port").
 */
int network_rule_parse(const char *text, size_t len, struct network_rule *ret,
		       const char **ret_problem);

/* The text of @rule in @buffer (NETWORK_RULE_TEXT_SIZE bytes), which is returned. */
const char *network_rule_show(const struct network_rule *rule, char *buffer);
