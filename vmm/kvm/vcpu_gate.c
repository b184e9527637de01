/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm/vcpu_gate.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "vmm/base/fd.h"

int vcpu_gate_init(struct vcpu_gate *gate, unsigned int nr_threads, struct error *err)
{
	*gate = (struct vcpu_gate){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.opened = PTHREAD_COND_INITIALIZER,
		.nr_threads = nr_threads,
		.still_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	return gate->still_fd < 0 ? error_set(err, errno, "create an eventfd") : 0;
}

void vcpu_gate_fini(struct vcpu_gate *gate)
{
	fd_close(&gate->still_fd);
	(void)pthread_cond_destroy(&gate->opened);
	(void)pthread_mutex_destroy(&gate->lock);
}

static bool is_still(const struct vcpu_gate *gate)
{
	return gate->is_closed && gate->nr_standing == gate->nr_threads;
}

static void tell_if_still(const struct vcpu_gate *gate)
{
	if (is_still(gate))
		(void)eventfd_write(gate->still_fd, 1);
}

void vcpu_gate_close(struct vcpu_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->is_closed = true;
	/* Opened a moment ago, it may not have let anybody go yet. */
	tell_if_still(gate);
	(void)pthread_mutex_unlock(&gate->lock);
}

void vcpu_gate_open(struct vcpu_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->is_closed = false;
	(void)pthread_cond_broadcast(&gate->opened);
	(void)pthread_mutex_unlock(&gate->lock);
}

bool vcpu_gate_is_still(struct vcpu_gate *gate)
{
	bool answer;

	(void)pthread_mutex_lock(&gate->lock);
	answer = is_still(gate);
	(void)pthread_mutex_unlock(&gate->lock);
	return answer;
}

bool vcpu_gate_pass(struct vcpu_gate *gate)
{
	bool has_stood = false;

	(void)pthread_mutex_lock(&gate->lock);
	if (gate->is_closed) {
		has_stood = true;
		gate->nr_standing++;
		tell_if_still(gate);
		while (gate->is_closed)
			(void)pthread_cond_wait(&gate->opened, &gate->lock);
		gate->nr_standing--;
	}
	(void)pthread_mutex_unlock(&gate->lock);
	return has_stood;
}

_Noreturn void vcpu_gate_stay(struct vcpu_gate *gate)
{
	(void)pthread_mutex_lock(&gate->lock);
	gate->nr_standing++;
	tell_if_still(gate);
	for (;;)
		(void)pthread_cond_wait(&gate->opened, &gate->lock);
}
