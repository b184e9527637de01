/* SPDX-License-Identifier: Apache-2.0 */
/* test_vcpu_gate.c - closed, the gate stops every thread; open, it lets them all go */
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/kvm/vcpu_gate.h"

#define NR_THREADS 4
#define PATIENCE_MS 20000
#define MANY 500

static struct vcpu_gate gate;
static bool is_over;
static struct error err;

struct walker {
	pthread_t thread;
	unsigned int nr_passes, nr_stops;
};

static void *walk(void *argument)
{
	struct walker *walker = argument;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		if (vcpu_gate_pass(&gate))
			(void)__atomic_add_fetch(&walker->nr_stops, 1, __ATOMIC_RELAXED);
		(void)__atomic_add_fetch(&walker->nr_passes, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static unsigned int passes_of(const struct walker *walker)
{
	return __atomic_load_n(&walker->nr_passes, __ATOMIC_RELAXED);
}

/* As the event loop does: the descriptor calls, the gate answers. */
static bool wait_until_still(void)
{
	struct pollfd pollfd = { .fd = gate.still_fd, .events = POLLIN };
	eventfd_t count;

	do {
		if (poll(&pollfd, 1, PATIENCE_MS) <= 0)
			return false;
		(void)eventfd_read(gate.still_fd, &count);
	} while (!vcpu_gate_is_still(&gate));
	return true;
}

static void test_alone(void)
{
	eventfd_t count;

	is_int(vcpu_gate_init(&gate, 1, &err), 0);
	ok(!vcpu_gate_is_still(&gate));
	ok(!vcpu_gate_pass(&gate));
	vcpu_gate_close(&gate);
	ok(!vcpu_gate_is_still(&gate)); /* closed, and the thread elsewhere */
	is_int(eventfd_read(gate.still_fd, &count), -1);
	vcpu_gate_open(&gate);
	ok(!vcpu_gate_pass(&gate));
	vcpu_gate_fini(&gate);
}

/* Nobody moves while it is closed, and everybody does afterwards. */
static void check_stop(const struct walker *walkers)
{
	unsigned int before[NR_THREADS];

	vcpu_gate_close(&gate);
	ok(wait_until_still());
	for (unsigned int i = 0; i < NR_THREADS; i++)
		before[i] = passes_of(&walkers[i]);
	(void)usleep(20000);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		is_int(passes_of(&walkers[i]), before[i]);
	/* Asked once more it answers once more. */
	vcpu_gate_close(&gate);
	ok(wait_until_still());
	vcpu_gate_open(&gate);
	ok(!vcpu_gate_is_still(&gate));
	for (unsigned int i = 0; i < NR_THREADS; i++)
		while (passes_of(&walkers[i]) == before[i])
			(void)usleep(1000);
}

static void test_many_threads(void)
{
	struct walker walkers[NR_THREADS] = { 0 };
	unsigned int nr_still = 0;

	is_int(vcpu_gate_init(&gate, NR_THREADS, &err), 0);
	for (unsigned int i = 0; i < NR_THREADS; i++)
		ok(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]) == 0);
	check_stop(walkers);
	/* Closed again before all, or any, have left. */
	for (unsigned int i = 0; i < MANY; i++) {
		vcpu_gate_close(&gate);
		nr_still += wait_until_still();
		vcpu_gate_open(&gate);
		if (i % 2)
			(void)usleep(i % 50);
	}
	is_int(nr_still, MANY);
	check_stop(walkers);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < NR_THREADS; i++) {
		(void)pthread_join(walkers[i].thread, NULL);
		ok(walkers[i].nr_stops >= 2);
	}
	vcpu_gate_fini(&gate);
}

int main(void)
{
	test_alone();
	test_many_threads();
	return tap_done();
}
