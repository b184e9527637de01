/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/card_rates.h"

#include <linux/pkt_cls.h>

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void card_rate_write(struct tc_batch *batch, const struct tc_place *place,
		     const struct network_rate *rate)
{
	uint64_t bytes = rate->burst_bytes ? rate->burst_bytes : rate->bytes_per_second / 10;

	if (!card_rate_is_limited(rate))
		return;
	tc_flower_begin(batch, place);
	/* The kernel has an action for each of the two, not one for both. */
	if (rate->bytes_per_second)
		tc_act_police_bytes(
			batch, rate->bytes_per_second, max_u64(bytes, NETWORK_BURST_MIN),
			rate->packets_per_second ? TC_ACT_PIPE : (uint32_t)TC_ACT_UNSPEC);
	if (rate->packets_per_second)
		tc_act_police_packets(
			batch, rate->packets_per_second,
			max_u64(rate->packets_per_second / 10, CARD_PACKETS_BURST_MIN),
			(uint32_t)TC_ACT_UNSPEC);
	tc_filter_end(batch);
}
