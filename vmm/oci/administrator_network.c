/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/administrator_network.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/network_rule.h"

static int parse_allow(const struct json_field *network, struct network_policy *policy,
		       struct error *err)
{
	struct json_field field = json_field_member(network, "allow");
	size_t count = 0;
	int r = json_field_check_array(&field, &count, err);

	policy->has_allow_list = !json_field_is_absent(&field);
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(&field, i);
		const char *text = "";

		r = json_field_require_string(&element, &text, err);
		if (!r)
			r = network_policy_add_rule(policy, &element, text, strlen(text), err);
	}
	return r;
}

static int get_number(const struct json_field *object, const char *name, uint64_t min, uint64_t max,
		      uint64_t *ret, struct error *err)
{
	struct json_field field = json_field_member(object, name);
	int64_t value = 0;
	int r = json_field_get_int(&field, (int64_t)min, (int64_t)max, &value, err);

	*ret = (uint64_t)value;
	return r;
}

static int parse_rate(const struct json_field *network, const char *name, struct network_rate *rate,
		      bool *ret_is_given, struct error *err)
{
	static const char *const known[] = { "bytesPerSecond", "packetsPerSecond", "burst" };
	struct json_field field = json_field_member(network, name);
	int r = json_field_check_members(&field, known, ARRAY_SIZE(known), err);

	*ret_is_given = !json_field_is_absent(&field);
	if (!r)
		r = get_number(&field, known[0], NETWORK_BYTES_MIN, NETWORK_BYTES_MAX,
			       &rate->bytes_per_second, err);
	if (!r)
		r = get_number(&field, known[1], 1, NETWORK_PACKETS_MAX, &rate->packets_per_second,
			       err);
	if (!r)
		r = get_number(&field, known[2], NETWORK_BURST_MIN, UINT32_MAX, &rate->burst_bytes,
			       err);
	return r < 0 ? r : network_rate_check(rate, &field, err);
}

int administrator_parse_network(const struct json_field *top, struct network_settings *settings,
				struct error *err)
{
	static const char *const known[] = { "spoofFilter", "allow", "receive", "transmit" };
	struct json_field network = json_field_member(top, "network");
	struct json_field filter = json_field_member(&network, known[0]);
	bool is_filtered = true;
	int r = json_field_check_members(&network, known, ARRAY_SIZE(known), err);

	if (!r)
		r = json_field_get_bool(&filter, &is_filtered, err);
	settings->has_spoof_filter = !json_field_is_absent(&filter);
	settings->policy.allows_spoofing = !is_filtered;
	if (!r)
		r = parse_allow(&network, &settings->policy, err);
	if (!r)
		r = parse_rate(&network, known[2], &settings->policy.receive,
			       &settings->has_receive, err);
	if (!r)
		r = parse_rate(&network, known[3], &settings->policy.transmit,
			       &settings->has_transmit, err);
	return r;
}

static json_t *number(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : NULL;
}

/* NULL where nothing is limited. */
static json_t *rate_to_json(const struct network_rate *rate)
{
	if (!rate->bytes_per_second && !rate->packets_per_second)
		return NULL;
	return json_pack("{s:o*, s:o*, s:o*}", "bytesPerSecond", number(rate->bytes_per_second),
			 "packetsPerSecond", number(rate->packets_per_second), "burst",
			 number(rate->burst_bytes));
}

static json_t *rules_to_json(const struct network_policy *policy)
{
	json_t *array = policy->has_allow_list ? json_array() : NULL;
	char text[NETWORK_RULE_TEXT_SIZE];

	for (size_t i = 0; array && i < policy->nr_rules; i++)
		(void)json_array_append_new(
			array, json_string(network_rule_show(&policy->rules[i], text)));
	return array;
}

json_t *administrator_network_to_json(const struct network_settings *settings)
{
	const struct network_policy *policy = &settings->policy;

	return json_pack("{s:b, s:o*, s:o*, s:o*}", "spoofFilter", !policy->allows_spoofing,
			 "allow", rules_to_json(policy), "receive", rate_to_json(&policy->receive),
			 "transmit", rate_to_json(&policy->transmit));
}
