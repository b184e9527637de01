/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/network_settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/network_rule.h"

void network_policy_clear(struct network_policy *policy)
{
	free(policy->rules);
	*policy = (struct network_policy){ 0 };
}

/* For an error: what is not in any rule becomes '?', and only the beginning is shown. */
static void show_text(const char *text, size_t len, char *ret, size_t size)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.:/[]-_=*%";
	size_t i;

	for (i = 0; i < len && i < size - 1; i++)
		ret[i] = (char)(text[i] && strchr(known, text[i]) ? text[i] : '?');
	ret[i] = '\0';
}

int network_policy_add_rule(struct network_policy *policy, const struct json_field *field,
			    const char *text, size_t len, struct error *err)
{
	struct network_rule rule, *rules;
	const char *problem = "";

	if (network_rule_parse(text, len, &rule, &problem) < 0) {
		char shown[64];

		show_text(text, len, shown, sizeof(shown));
		return json_field_error(field, err, "\"%s\" %s", shown, problem);
	}
	if (policy->nr_rules == NETWORK_RULES_MAX)
		return json_field_error(field, err, "has more than %u rules", NETWORK_RULES_MAX);
	rules = reallocarray(policy->rules, policy->nr_rules + 1, sizeof(*rules));
	if (!rules)
		return error_set(err, ENOMEM, "network rules");
	policy->rules = rules;
	policy->rules[policy->nr_rules++] = rule;
	return 0;
}

int network_rate_check(const struct network_rate *rate, const struct json_field *field,
		       struct error *err)
{
	uint64_t max = min_u64(rate->bytes_per_second * NETWORK_BURST_SECONDS_MAX, UINT32_MAX);

	if (!rate->burst_bytes)
		return 0;
	if (!rate->bytes_per_second)
		return json_field_error(field, err, "has a burst, but no bytes in a second");
	if (rate->burst_bytes < NETWORK_BURST_MIN || rate->burst_bytes > max)
		return json_field_error(field, err,
					"has a burst that is not from %u to %" PRIu64
					" bytes (of %" PRIu64 " seconds at most)",
					NETWORK_BURST_MIN, max, NETWORK_BURST_SECONDS_MAX);
	return 0;
}

int network_settings_merge(const struct network_settings *base, const struct network_settings *over,
			   struct network_policy *ret, struct error *err)
{
	const struct network_settings *allow = over->policy.has_allow_list ? over : base;
	struct network_policy merged = {
		.allows_spoofing = (over->has_spoof_filter ? over : base)->policy.allows_spoofing,
		.has_allow_list = allow->policy.has_allow_list,
		.nr_rules = allow->policy.nr_rules,
		.receive = (over->has_receive ? over : base)->policy.receive,
		.transmit = (over->has_transmit ? over : base)->policy.transmit,
	};

	if (merged.nr_rules) {
		merged.rules = calloc(merged.nr_rules, sizeof(*merged.rules));
		if (!merged.rules)
			return error_set(err, ENOMEM, "network rules");
		memcpy(merged.rules, allow->policy.rules, merged.nr_rules * sizeof(*merged.rules));
	}
	network_policy_clear(ret);
	*ret = merged;
	return 0;
}
