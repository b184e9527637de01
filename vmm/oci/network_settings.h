/* SPDX-License-Identifier: Apache-2.0 */
/* network_settings.h - what one has said of a policy for the network, which may be a part */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"
#include "vmm/oci/json_fields.h"
#include "vmm/oci/network_policy.h"

/* Less in a second is no network, and cannot be told to the kernel with a useful burst. */
#define NETWORK_BYTES_MIN UINT64_C(1000)
#define NETWORK_BYTES_MAX UINT64_C(1000000000000)
#define NETWORK_PACKETS_MAX UINT64_C(1000000000)
#define NETWORK_BURST_SECONDS_MAX UINT64_C(256)

/* All zeros: nothing is said. */
struct network_settings {
	bool has_spoof_filter, has_receive, has_transmit; /* an allow-list: policy.has_allow_list */
	struct network_policy policy;
};

void network_policy_clear(struct network_policy *policy);

/* Add a rule to the allow-list of @policy. @field is for the error. */
int network_policy_add_rule(struct network_policy *policy, const struct json_field *field,
			    const char *text, size_t len, struct error *err);

/* Check what belongs together: a burst is one of bytes, and of no more than can be counted. */
int network_rate_check(const struct network_rate *rate, const struct json_field *field,
		       struct error *err);

/* *@ret, which is cleared, becomes what @over says, and where it says nothing what @base does. */
int network_settings_merge(const struct network_settings *base, const struct network_settings *over,
			   struct network_policy *ret, struct error *err);
