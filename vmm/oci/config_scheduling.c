/* SPDX-License-Identifier: Apache-2.0 */
/* When and where a process runs: "scheduler", "ioPriority" and "execCPUAffinity" of "process". */
#include <ctype.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define SCHED_ISO 4 /* a number without a policy behind it */
#define NICE_MIN (-20)
#define NICE_MAX 19
#define STATIC_PRIORITY_MAX 99
#define IO_LEVEL_MAX 7

static const char *const policy_names[] = {
	[SCHED_NORMAL] = "SCHED_OTHER",
	[SCHED_FIFO] = "SCHED_FIFO",
	[SCHED_RR] = "SCHED_RR",
	[SCHED_BATCH] = "SCHED_BATCH",
	[SCHED_ISO] = "SCHED_ISO",
	[SCHED_IDLE] = "SCHED_IDLE",
	[SCHED_DEADLINE] = "SCHED_DEADLINE",
};

static const char *const flag_names[] = {
	"SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
	"SCHED_FLAG_KEEP_POLICY",    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX",
};
static const uint64_t flag_values[ARRAY_SIZE(flag_names)] = {
	SCHED_FLAG_RESET_ON_FORK,  SCHED_FLAG_RECLAIM,	   SCHED_FLAG_DL_OVERRUN,
	SCHED_FLAG_KEEP_POLICY,	   SCHED_FLAG_KEEP_PARAMS, SCHED_FLAG_UTIL_CLAMP_MIN,
	SCHED_FLAG_UTIL_CLAMP_MAX,
};

static const char *const io_class_names[] = {
	[IOPRIO_CLASS_RT] = "IOPRIO_CLASS_RT",
	[IOPRIO_CLASS_BE] = "IOPRIO_CLASS_BE",
	[IOPRIO_CLASS_IDLE] = "IOPRIO_CLASS_IDLE",
};

static int parse_flags(const struct json_field *scheduler, uint64_t *ret,
		       struct config_notes *notes, struct error *err)
{
	struct json_field flags = json_field_member(scheduler, "flags");
	size_t count = 0;
	int r = json_field_check_array(&flags, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field flag = json_field_element(&flags, i);
		size_t index = 0;

		r = json_field_get_choice(&flag, flag_names, ARRAY_SIZE(flag_names), &index, err);
		if (r < 0)
			return r;
		*ret |= flag_values[index];
		/* No member says what to clamp to, and the guest's one kind of CPU has no use. */
		if (flag_values[index] & SCHED_FLAG_UTIL_CLAMP)
			r = config_refuse_because(notes, &flag, err, "%s is not supported",
						  flag_names[index]);
	}
	return r;
}

/* "runtime", "deadline" and "period", which the kernel takes as they are. */
static int parse_times(const struct json_field *field, struct container_scheduler *scheduler,
		       struct error *err)
{
	const struct {
		const char *name;
		uint64_t *ret;
	} times[] = { { "runtime", &scheduler->runtime },
		      { "deadline", &scheduler->deadline },
		      { "period", &scheduler->period } };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(times); i++) {
		struct json_field time = json_field_member(field, times[i].name);
		int64_t value = 0;

		r = json_field_get_int(&time, 0, INT64_MAX, &value, err);
		if (!r && value && scheduler->policy != SCHED_DEADLINE)
			r = json_field_error(&time, err, "is for SCHED_DEADLINE only");
		*times[i].ret = (uint64_t)value;
	}
	return r;
}

static int parse_priority(const struct json_field *field, struct container_scheduler *scheduler,
			  struct error *err)
{
	struct json_field priority = json_field_member(field, "priority");
	bool is_static = scheduler->policy == SCHED_FIFO || scheduler->policy == SCHED_RR;
	int64_t value = 0;
	int r = json_field_get_int(&priority, 0, STATIC_PRIORITY_MAX, &value, err);

	if (!r && value && !is_static)
		r = json_field_error(&priority, err, "is for SCHED_FIFO and SCHED_RR only");
	if (!r && !value && is_static)
		r = json_field_error(&priority, err, "must be from 1 to %d with %s",
				     STATIC_PRIORITY_MAX, policy_names[scheduler->policy]);
	scheduler->priority = (uint32_t)value;
	return r;
}

static int parse_scheduler(const struct json_field *process, struct container_scheduler *scheduler,
			   struct config_notes *notes, struct error *err)
{
	struct json_field field = json_field_member(process, "scheduler");
	struct json_field policy = json_field_member(&field, "policy");
	struct json_field nice = json_field_member(&field, "nice");
	size_t index = 0;
	int64_t value = 0;
	int r = json_field_check_object(&field, err);

	if (r < 0 || json_field_is_empty(&field))
		return r;
	r = json_field_get_choice(&policy, policy_names, ARRAY_SIZE(policy_names), &index, err);
	if (!r && index == SCHED_ISO)
		r = config_refuse_because(notes, &policy, err, "SCHED_ISO is not supported");
	if (!r)
		r = json_field_get_int(&nice, NICE_MIN, NICE_MAX, &value, err);
	scheduler->is_given = true;
	scheduler->policy = (uint32_t)index;
	scheduler->nice = (int32_t)value;
	if (!r)
		r = parse_priority(&field, scheduler, err);
	if (!r)
		r = parse_times(&field, scheduler, err);
	return r < 0 ? r : parse_flags(&field, &scheduler->flags, notes, err);
}

static int parse_io_priority(const struct json_field *process, struct container_process *ret,
			     struct error *err)
{
	struct json_field field = json_field_member(process, "ioPriority");
	struct json_field class = json_field_member(&field, "class");
	struct json_field priority = json_field_member(&field, "priority");
	uint32_t level = 0;
	size_t index = 0;
	int r = json_field_check_object(&field, err);

	if (r < 0 || json_field_is_empty(&field))
		return r;
	r = json_field_get_choice(&class, io_class_names, ARRAY_SIZE(io_class_names), &index, err);
	if (!r)
		r = json_field_get_u32(&priority, IO_LEVEL_MAX, &level, err);
	ret->has_io_priority = true;
	ret->io_priority = (uint32_t)index << IOPRIO_CLASS_SHIFT | level;
	return r;
}

/* A number at *@text, which moves behind it and the blanks around it. -1: there is none. */
static int read_cpu_number(const char **text)
{
	int number = -1;

	*text += strspn(*text, " ");
	for (; isdigit((unsigned char)**text); (*text)++)
		if (number < (int)CONTAINER_VCPUS_MAX)
			number = (number < 0 ? 0 : number * 10) + (**text - '0');
	*text += strspn(*text, " ");
	return number;
}

/* A list as in cpuset.cpus, "0-3, 7", as a mask. */
static int parse_cpus(const struct json_field *field, uint32_t *ret, struct error *err)
{
	const char *text = "";
	int r = json_field_get_string(field, &text, err);

	while (!r && *text) {
		int first = read_cpu_number(&text);
		int last = first;

		if (*text == '-') {
			text++;
			last = read_cpu_number(&text);
		}
		if (first < 0 || last < first || (*text && *text != ','))
			return json_field_error(field, err, "is not a list of CPUs (0-3,7)");
		if (last >= (int)CONTAINER_VCPUS_MAX)
			return json_field_error(field, err, "names a CPU above %u",
						CONTAINER_VCPUS_MAX - 1);
		for (int i = first; i <= last; i++)
			*ret |= UINT32_C(1) << i;
		if (*text == ',' && !*++text)
			return json_field_error(field, err, "is not a list of CPUs (0-3,7)");
	}
	return r;
}

static int parse_exec_affinity(const struct json_field *process, struct container_process *ret,
			       struct error *err)
{
	struct json_field affinity = json_field_member(process, "execCPUAffinity");
	struct json_field initial = json_field_member(&affinity, "initial");
	struct json_field final = json_field_member(&affinity, "final");
	int r = json_field_check_object(&affinity, err);

	if (!r)
		r = parse_cpus(&initial, &ret->exec_initial_cpus, err);
	if (!r)
		r = parse_cpus(&final, &ret->exec_final_cpus, err);
	return r;
}

int config_parse_scheduling(const struct json_field *process, struct container_process *ret,
			    struct config_notes *notes, struct error *err)
{
	int r = parse_scheduler(process, &ret->scheduler, notes, err);

	if (!r)
		r = parse_io_priority(process, ret, err);
	if (!r)
		r = parse_exec_affinity(process, ret, err);
	return r;
}

int config_check_exec_cpus(const struct json_field *process,
			   const struct container_process *checked, unsigned int nr_vcpus,
			   struct error *err)
{
	struct json_field affinity = json_field_member(process, "execCPUAffinity");
	struct json_field initial = json_field_member(&affinity, "initial");
	struct json_field final = json_field_member(&affinity, "final");
	uint64_t existing = (UINT64_C(1) << nr_vcpus) - 1;

	if (checked->exec_initial_cpus & ~existing)
		return json_field_error(&initial, err,
					"names a CPU above %u, the last one of the virtual machine",
					nr_vcpus - 1);
	if (checked->exec_final_cpus & ~existing)
		return json_field_error(&final, err,
					"names a CPU above %u, the last one of the virtual machine",
					nr_vcpus - 1);
	return 0;
}
