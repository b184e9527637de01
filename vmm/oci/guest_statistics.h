/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_statistics.h - what a container uses in its guest, as guest-init tells it
 *
 * Thread: any; pure.
 * Trust:  the text is the guest's. Words that make no sense, numbers too large and names too many
 *         are left out; what is left is a guest's claim all the same.
 * Spec:   guest-init/protocol.h, "statistics"; the kernel's "Control Group v2" for the files.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GUEST_STATISTICS_NAMES_MAX 128u /* of memory_stat */

/* 0 where the guest said nothing. No number is above INT64_MAX. */
struct guest_statistics {
	uint64_t cpu_usage_us, cpu_user_us, cpu_system_us;
	uint64_t nr_periods, nr_throttled, throttled_us;
	uint64_t memory, memory_peak, memory_file; /* bytes */
	uint64_t memory_max, memory_bound; /* the limit (INT64_MAX: none), what there is anyway */
	uint64_t nr_memory_max, nr_oom_kills;
	uint64_t nr_pids, pids_max; /* INT64_MAX: no limit */
	json_t *memory_stat;	    /* object of numbers: memory.stat */
};

/* Take a part of the answer, whose words are changed. @statistics was zeroed before the first. */
void guest_statistics_add(struct guest_statistics *statistics, char *part);

void guest_statistics_clear(struct guest_statistics *statistics);
