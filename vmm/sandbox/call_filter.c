/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sandbox/call_filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>

#include "vmm/base/checked_math.h"

unsigned int call_filter_count(const struct call_filter *filter)
{
	unsigned int count = 0;

	for (size_t i = 0; i < filter->nr_rules; i++) {
		bool is_new = true;

		for (size_t j = 0; j < i; j++)
			is_new = is_new && filter->rules[j].number != filter->rules[i].number;
		count += is_new;
	}
	return count;
}

static int add_rule(scmp_filter_ctx context, const struct call_rule *rule)
{
	struct scmp_arg_cmp comparisons[CALL_CONDITIONS_MAX];
	unsigned int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rule->conditions); i++) {
		const struct call_condition *condition = &rule->conditions[i];

		if (!condition->mask)
			continue;
		comparisons[nr++] = (struct scmp_arg_cmp){
			.arg = condition->index,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = condition->mask,
			.datum_b = condition->value,
		};
	}
	return seccomp_rule_add_array(context, SCMP_ACT_ALLOW, rule->number, nr, comparisons);
}

int call_filter_load(const struct call_filter *filter, struct error *err)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = context ? 0 : -ENOMEM;

	if (!r)
		r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* no_new_privs is set once, before. */
	if (!r)
		r = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
	/* A tree: the kernel runs it for every call there is, to know what is always allowed. */
	if (!r)
		(void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < filter->nr_rules && !r; i++)
		r = add_rule(context, &filter->rules[i]);
	if (!r)
		r = seccomp_load(context);
	seccomp_release(context);
	return r < 0 ? error_set(err, -r, "filter the system calls of the %s", filter->role) : 0;
}
