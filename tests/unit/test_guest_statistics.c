/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_statistics.c - what a guest says it uses, and what it may not say */
#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/cli/statistics_event.h"

static void add(struct guest_statistics *statistics, const char *text)
{
	char part[4096];

	(void)snprintf(part, sizeof(part), "%s", text);
	guest_statistics_add(statistics, part);
}

static void test_figures(void)
{
	struct guest_statistics statistics = { 0 };

	add(&statistics, "cpu.stat usage_usec 7 user_usec 4 system_usec 3 nr_periods 9 ");
	add(&statistics, "cpu.stat nr_throttled 2\nthrottled_usec 5\n");
	add(&statistics, "memory.current 4096 ");
	add(&statistics, "memory.max max");
	add(&statistics, "memory.bound 1000000");
	add(&statistics, "memory.events low 0 high 0 max 6 oom 1 oom_kill 1");
	add(&statistics, "memory.stat anon 11 file 12");
	add(&statistics, "memory.stat shmem 13");
	add(&statistics, "pids.current 3");
	add(&statistics, "pids.max 50");
	is_int(statistics.cpu_usage_us, 7);
	is_int(statistics.cpu_user_us, 4);
	is_int(statistics.cpu_system_us, 3);
	is_int(statistics.nr_periods, 9);
	is_int(statistics.nr_throttled, 2);
	is_int(statistics.throttled_us, 5);
	is_int(statistics.memory, 4096);
	is_int(statistics.memory_max, INT64_MAX);
	is_int(statistics.memory_bound, 1000000);
	is_int(statistics.nr_memory_max, 6);
	is_int(statistics.nr_oom_kills, 1);
	is_int(statistics.memory_file, 12);
	is_int(statistics.nr_pids, 3);
	is_int(statistics.pids_max, 50);
	is_int(json_object_size(statistics.memory_stat), 3);
	is_int(json_integer_value(json_object_get(statistics.memory_stat, "shmem")), 13);
	guest_statistics_clear(&statistics);
	ok(!statistics.memory_stat && !statistics.memory);
}

/* Left out, each by itself. */
static void test_nonsense(void)
{
	static const char *const parts[] = {
		"",
		" ",
		"memory.current",
		"memory.current -1",
		"memory.current 9223372036854775808",
		"memory.current 99999999999999999999999",
		"memory.current 0x10",
		"memory.current 1k",
		"memory.current maximum",
		"memory.currently 5",
		"memory.current usage_usec 5",
		"cpu.stat 5",
		"cpu.stat usage 5",
		"../../etc/passwd 5",
		"memory.stat a/b 5",
		"memory.stat A 5",
		"memory.stat \" 5",
		"memory.stat aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 5",
		"memory.stat b c d",
	};
	struct guest_statistics statistics = { 0 };
	char text[64];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		add(&statistics, parts[i]);
		is_int(statistics.memory + statistics.cpu_usage_us, 0);
		is_int(json_object_size(statistics.memory_stat), 0);
	}
	for (unsigned int i = 0; i < 2 * GUEST_STATISTICS_NAMES_MAX; i++) {
		(void)snprintf(text, sizeof(text), "memory.stat n%u 5", i);
		add(&statistics, text);
	}
	is_int(json_object_size(statistics.memory_stat), GUEST_STATISTICS_NAMES_MAX);
	guest_statistics_clear(&statistics);
}

static json_int_t number(const json_t *event, const char *path)
{
	char names[128];
	char *rest;
	const json_t *value = event;

	(void)snprintf(names, sizeof(names), "%s", path);
	for (char *name = strtok_r(names, ".", &rest); name; name = strtok_r(NULL, ".", &rest))
		value = json_object_get(value, name);
	return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* Nothing that a guest may say makes numbers that JSON has not. */
static void test_event(void)
{
	struct guest_statistics guest = { .cpu_usage_us = INT64_MAX,
					  .cpu_user_us = 3,
					  .memory_max = INT64_MAX,
					  .memory_bound = 1000,
					  .pids_max = INT64_MAX };
	const struct host_usage usage = { .memory_bytes = 5000, .nr_tasks = 4 };
	json_t *event = statistics_event("box", &guest, &usage, 1 << 20);

	ok(event);
	is_str(json_string_value(json_object_get(event, "type")), "stats");
	is_str(json_string_value(json_object_get(event, "id")), "box");
	is_int(number(event, "data.cpu.usage.total"), INT64_MAX);
	is_int(number(event, "data.cpu.usage.user"), 3000);
	is_int(number(event, "data.memory.usage.limit"), 1000);
	is_int(number(event, "data.pids.limit"), -1);
	is_int(number(event, "data.vm.memory.usage"), 5000);
	is_int(number(event, "data.vm.memory.guest"), 1 << 20);
	is_int(number(event, "data.vm.pids.current"), 4);
	ok(json_is_object(
		json_object_get(json_object_get(json_object_get(event, "data"), "memory"), "raw")));
	json_decref(event);
}

int main(void)
{
	test_figures();
	test_nonsense();
	test_event();
	return tap_done();
}
