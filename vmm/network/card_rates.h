/* SPDX-License-Identifier: Apache-2.0 */
/* card_rates.h - limits of what passes in a second (used by card_filter.c's parts) */
#pragma once

#include "vmm/network/tc_message.h"
#include "vmm/oci/network_policy.h"

/* Fewer packets than this at once are no limit that anything could work with. */
#define CARD_PACKETS_BURST_MIN 16u

static inline bool card_rate_is_limited(const struct network_rate *rate)
{
	return rate->bytes_per_second || rate->packets_per_second;
}

/*
 * Write filters at @place that drop what is more than @rate and leave the others to the next
 * filters; nothing where there is no limit. A frame of many segments (up to 64 KiB) counts as
 * one packet. The kernel lets bytes come at once from the beginning, packets only when they had the
 * time to gather.
 */
void card_rate_write(struct tc_batch *batch, const struct tc_place *place,
		     const struct network_rate *rate);
