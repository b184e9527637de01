/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_scheduling.c - scheduler, I/O priority, personality and clocks of a container */
#include <linux/sched.h>
#include <sys/personality.h>

#include "tests/unit/guest_machine.h"

static void set_scheduler(json_t *plan, int policy, int flags, int nice, int priority)
{
	json_object_set_new(process_of(plan), "scheduler",
			    json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "policy", policy, "flags",
				      flags, "nice", nice, "priority", priority, "runtime", 0,
				      "deadline", 0, "period", 0));
}

static void test_scheduler(void)
{
	/* The 19th word is the nice value, the 40th the priority, the 41st the policy. */
	json_t *plan = plan_make("set -- $(cat /proc/self/stat); shift 18; echo nice $1; shift 21;"
				 "echo priority $1 policy $2; busybox ionice -p $$; "
				 "busybox uname -m");
	struct machine machine;

	set_scheduler(plan, SCHED_BATCH, 0, -7, 0);
	json_object_set_new(process_of(plan), "ioPriority", json_integer(2 << 13 | 6));
	json_object_set_new(process_of(plan), "personality", json_integer(PER_LINUX32));
	json_object_set_new(process_of(plan), "uid", json_integer(1234));
	run_plan(&machine, plan);
	is_str(machine.output, "nice -7\npriority 0 policy 3\nbest-effort: prio 6\ni686\n");

	plan = plan_make("echo never");
	set_scheduler(plan, 4, 0, 0, 0);
	is_refused(plan, "process.scheduler: invalid argument");
	plan = plan_make("echo never");
	json_object_set_new(process_of(plan), "ioPriority", json_integer(7 << 13));
	is_refused(plan, "process.ioPriority: invalid argument");
	plan = plan_make("echo never");
	json_object_set_new(process_of(plan), "scheduler", json_object());
	is_refused(plan, "process: scheduler: \"policy\" is missing");
}

static json_t *clock_offset(const char *clock, json_int_t seconds, int nanoseconds)
{
	return json_pack("{s:s, s:I, s:i}", "clock", clock, "seconds", seconds, "nanoseconds",
			 nanoseconds);
}

static json_t *plan_with_offsets(const char *script, json_t *offsets)
{
	json_t *plan = plan_make(script);

	json_array_append_new(json_object_get(plan, "namespaces"), json_string("time"));
	json_object_set_new(plan, "timeOffsets", offsets);
	return plan;
}

static void test_time_offsets(void)
{
	json_t *plan = plan_with_offsets("set -- $(cat /proc/uptime); test ${1%.*} -ge 86400000 && "
					 "echo ahead; cat /proc/self/timens_offsets",
					 json_pack("[o,o]", clock_offset("monotonic", 5, 7),
						   clock_offset("boottime", 86400000, 0)));
	struct machine machine;

	run_plan(&machine, plan);
	is_str(machine.output, "ahead\nmonotonic           5         7\n"
			       "boottime     86400000         0\n");
	plan = plan_with_offsets("true",
				 json_pack("[o]", clock_offset("monotonic", -(1LL << 40), 0)));
	is_refused(plan, "linux.timeOffsets.monotonic: -1099511627776 s: "
			 "numerical result out of range");
	plan = plan_with_offsets("true", json_pack("[o]", clock_offset("realtime", 1, 0)));
	is_refused(plan, "linux.timeOffsets.realtime: 1 s: invalid argument");
}

int main(void)
{
	if (!machines_begin())
		return 0;
	test_scheduler();
	test_time_offsets();
	return machines_end();
}
