/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/guest_statistics.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"

#define SPACE " \n"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"
#define NAME_MAX_LEN 40u

#define FIELD(file, key, member)                                                                   \
	{                                                                                          \
		(file), (key), offsetof(struct guest_statistics, member)                           \
	}

/* Where a number goes; without a key the file is that number. */
static const struct {
	const char *file, *key;
	size_t offset;
} fields[] = {
	FIELD("cpu.stat", "usage_usec", cpu_usage_us),
	FIELD("cpu.stat", "user_usec", cpu_user_us),
	FIELD("cpu.stat", "system_usec", cpu_system_us),
	FIELD("cpu.stat", "nr_periods", nr_periods),
	FIELD("cpu.stat", "nr_throttled", nr_throttled),
	FIELD("cpu.stat", "throttled_usec", throttled_us),
	FIELD("memory.current", NULL, memory),
	FIELD("memory.peak", NULL, memory_peak),
	FIELD("memory.max", NULL, memory_max),
	FIELD("memory.bound", NULL, memory_bound),
	FIELD("memory.events", "max", nr_memory_max),
	FIELD("memory.events", "oom_kill", nr_oom_kills),
	FIELD("memory.stat", "file", memory_file),
	FIELD("pids.current", NULL, nr_pids),
	FIELD("pids.max", NULL, pids_max),
};

static bool parse_number(const char *text, uint64_t *ret)
{
	char *end;

	if (strcmp(text, "max") == 0) {
		*ret = INT64_MAX;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !*end && !errno && *ret <= INT64_MAX;
}

static void set(struct guest_statistics *statistics, const char *file, const char *key,
		const char *text)
{
	uint64_t number;

	if (!parse_number(text, &number))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(fields[i].file, file) &&
		    (key ? fields[i].key && !strcmp(fields[i].key, key) : !fields[i].key))
			memcpy((char *)statistics + fields[i].offset, &number, sizeof(number));
	if (!key || strcmp(file, "memory.stat") != 0)
		return;
	if (!statistics->memory_stat)
		statistics->memory_stat = json_object();
	if (json_object_size(statistics->memory_stat) < GUEST_STATISTICS_NAMES_MAX &&
	    strlen(key) <= NAME_MAX_LEN && !key[strspn(key, NAME_CHARACTERS)])
		(void)json_object_set_new(statistics->memory_stat, key,
					  json_integer((json_int_t)number));
}

void guest_statistics_add(struct guest_statistics *statistics, char *part)
{
	char *rest;
	const char *file = strtok_r(part, SPACE, &rest);
	const char *key = file ? strtok_r(NULL, SPACE, &rest) : NULL;
	const char *value;

	while (key) {
		value = strtok_r(NULL, SPACE, &rest);
		if (value)
			set(statistics, file, key, value);
		else
			set(statistics, file, NULL, key);
		key = value ? strtok_r(NULL, SPACE, &rest) : NULL;
	}
}

void guest_statistics_clear(struct guest_statistics *statistics)
{
	json_decref(statistics->memory_stat);
	*statistics = (struct guest_statistics){ 0 };
}
