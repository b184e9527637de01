/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_gate.h - where the threads of all vCPUs stand still while the machine is paused
 *
 * Every thread passes the gate now and then, at the latest when it is told to; a closed gate keeps
 * it until somebody opens it.
 *
 * Thread: vcpu_gate_pass() on the threads of the vCPUs, the rest on any one other.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "vmm/base/error.h"

struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool is_closed;		  /* [lock] */
	unsigned int nr_standing; /* [lock] threads that wait for it to open */
	unsigned int nr_threads;
	int still_fd; /* eventfd: perhaps all stand; vcpu_gate_is_still() knows */
};

/* An open gate for @nr_threads threads. */
int vcpu_gate_init(struct vcpu_gate *gate, unsigned int nr_threads, struct error *err);
void vcpu_gate_fini(struct vcpu_gate *gate);

/*
 * From now on nobody passes. Does not wait for those who are to come; still_fd becomes readable
 * when all stand at the gate.
 */
void vcpu_gate_close(struct vcpu_gate *gate);
void vcpu_gate_open(struct vcpu_gate *gate);

/* Whether the gate is closed and all threads stand at it. */
bool vcpu_gate_is_still(struct vcpu_gate *gate);

/* Stand at the gate for good, as a thread does that has nothing more to run. */
_Noreturn void vcpu_gate_stay(struct vcpu_gate *gate);

/* Pass, when the gate is open. Returns whether this thread had to stand still for it. */
bool vcpu_gate_pass(struct vcpu_gate *gate);
