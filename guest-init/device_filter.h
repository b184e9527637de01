/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_filter.h - rules about devices as a BPF program on a control group
 *
 * Version 2 of control groups has no file for such rules: the kernel asks a program whenever a
 * process makes or opens a device node. Interface: BPF_PROG_TYPE_CGROUP_DEVICE of bpf(2).
 */
#pragma once

#include <linux/bpf.h>

#include "guest-init/resource_plan.h"

/* Instructions that a rule takes at most, and what surrounds the rules. */
#define DEVICE_FILTER_RULE_SIZE 8u
#define DEVICE_FILTER_FRAME_SIZE 8u

/*
 * Compile @rules into @ret_program, which has room for DEVICE_FILTER_FRAME_SIZE + @nr_rules *
 * DEVICE_FILTER_RULE_SIZE instructions. Of each kind of access (making a node, reading, writing)
 * the last rule that names it and the device decides; what no rule names is denied. Returns the
 * number of instructions. Pure.
 */
size_t device_filter_compile(const struct resource_device_rule *rules, size_t nr_rules,
			     struct bpf_insn *ret_program);

/* Make the rules hold in the control group @cgroup_fd and all below it. */
int device_filter_install(int cgroup_fd, const struct resource_device_rule *rules, size_t nr_rules,
			  struct failure *err);
