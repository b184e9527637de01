/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.h - one virtual processor and the thread that runs it
 *
 * The thread leaves the guest only for accesses that no eventfd takes: it hands them to
 * on_access and goes back. When the processor cannot go on (triple fault, an error inside KVM) the
 * thread says why through on_stop and ends; the VM is then over.
 *
 * vcpu_kick() makes the thread leave the guest and pass the gate that all vCPUs share, where it
 * stands still while the gate is closed. The guest then does not run, but its time goes on, as it
 * does for the processes of a frozen control group: afterwards all clocks have moved, and what was
 * due meanwhile is due at once. The guest's kernel is told that it was stopped, so that its
 * watchdogs do not take the gap for a processor that hangs.
 *
 * Trust: everything in the shared kvm_run page that describes an access is the guest's choice;
 *        whoever answers checks it.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/kvm/vcpu_gate.h"
#include "vmm/kvm/vm.h"

#define VCPU_MAX 32

enum vcpu_stop {
	VCPU_STOP_SHUTDOWN, /* triple fault: how this guest resets */
	VCPU_STOP_FAILED,   /* KVM cannot run the guest */
};

enum vcpu_space { VCPU_SPACE_MEMORY, VCPU_SPACE_PORTS };

struct vcpu_environment {
	/*
	 * One access of @len (1, 2, 4 or 8) bytes to an address where no RAM is; a read fills
	 * @data. Called on the vCPU's thread.
	 */
	void (*on_access)(void *context, enum vcpu_space space, uint64_t address, uint8_t *data,
			  uint32_t len, bool is_write);
	/* Called on the vCPU's thread, before it enters the guest for the first time; or NULL. */
	int (*on_start)(void *context, struct error *err);
	/* Called on the vCPU's thread, once per vCPU at most. @text is a description, static. */
	void (*on_stop)(void *context, enum vcpu_stop stop, const char *text);
	void *context;
	struct vcpu_gate *gate;
};

struct vcpu {
	int fd;
	uint32_t index;
	struct kvm_run *run;
	size_t run_size;
	const struct vcpu_environment *environment;
	pthread_t thread;
	pid_t process, thread_id; /* atomic; 0 before its thread runs */
};

/*
 * Create vCPU @index with the CPUID the guest may see. Vcpu 0 gets its start state from
 * cpu_set_boot_state(); the others wait for it to wake them.
 */
int vcpu_init(struct vcpu *vcpu, const struct vm *vm, uint32_t index,
	      const struct vcpu_environment *environment, struct error *err);
void vcpu_fini(struct vcpu *vcpu);

/*
 * Start a thread of its own, which waits where the gate is closed before it enters the guest.
 * @environment outlives it.
 */
int vcpu_start(struct vcpu *vcpu, struct error *err);

/*
 * Make a started vCPU pass the gate soon, wherever it is. Does not wait for it. From any thread,
 * also when the vCPU has stopped.
 */
void vcpu_kick(struct vcpu *vcpu);

/*
 * Enter once, and handle the exit. Returns 0 to go on, 1 when the guest shut down, or a negative
 * errno value with a static text in *@ret_text.
 */
int vcpu_run_once(struct vcpu *vcpu, const char **ret_text);

/*
 * Let the access that a vCPU which stands at the gate may have left the guest for take its effect
 * in the guest, without running it. From any thread.
 */
int vcpu_complete(struct vcpu *vcpu, struct error *err);
