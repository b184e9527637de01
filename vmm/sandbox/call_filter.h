/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_filter.h - which system calls a thread may still make, and why
 *
 * A filter is a table of rules. A call is let through when one rule names it and each of the rule's
 * conditions holds for the argument in question; everything else, calls of other architectures
 * included, ends the process. A filter is the calling thread's and cannot be taken back.
 *
 * The tables (*_calls.c) are the whole truth:
 * `bulkhead surface` prints them, and tests/container/sandbox.bats compares them with what the
 * threads really call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define CALL_CONDITIONS_MAX 2

/* (argument[index] & mask) == value */
struct call_condition {
	unsigned int index;
	uint64_t mask; /* 0: there is no condition */
	uint64_t value;
	const char *text; /* as the headers name it */
};

struct call_rule {
	int number; /* of the system call, x86-64 */
	const char *name;
	const char *reason;
	struct call_condition conditions[CALL_CONDITIONS_MAX];
};

struct call_filter {
	const char *role; /* of the thread */
	const struct call_rule *rules;
	size_t nr_rules;
};

/* Of the monitor's threads. */
extern const struct call_filter event_loop_filter, vcpu_filter;

/* Of the maker of a template (container/template_maker.h), whose vCPUs have vcpu_filter. */
extern const struct call_filter template_maker_filter;

/* Of the container process: the thread that serves files, and the one that waits for the end. */
extern const struct call_filter file_server_filter, container_process_filter;

/* Of the network process (network/network_process.h), which has one thread. */
extern const struct call_filter network_process_filter;

/* How many different system calls @filter lets through, with whatever arguments. */
unsigned int call_filter_count(const struct call_filter *filter);

/*
 * Apply @filter to the calling thread, which has no_new_privs or CAP_SYS_ADMIN. Allocates for the
 * moment. Returns 0 or a negative errno value.
 */
int call_filter_load(const struct call_filter *filter, struct error *err);
