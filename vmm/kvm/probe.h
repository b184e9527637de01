/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - does this KVM really run guests?
 *
 * A /dev/kvm may answer every question and still only interpret instructions, slowly, and stop at
 * those its interpreter does not know. The probe is a VM of a few instructions in 64-bit mode that
 * every processor with virtualisation executes and no such interpreter does.
 */
#pragma once

#include "vmm/base/error.h"

enum probe_result {
	PROBE_RUNS,	/* the guest ran to its end */
	PROBE_EMULATES, /* KVM interprets guests, and could not interpret this one */
	PROBE_FAILS,	/* anything else; the error says what */
};

/* Run the probe, at most two seconds. @err is written unless the result is PROBE_RUNS. */
enum probe_result probe_run(int kvm_fd, struct error *err);
