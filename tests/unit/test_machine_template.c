/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's saved state that is another machine's is refused before anything is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/machine_template.h"

#define MEMORY (UINT64_C(64) << 20)

/* As machine_save() begins. */
struct head {
	uint64_t magic;
	uint64_t memory_bytes;
	uint32_t nr_vcpus, nr_devices;
};

static const struct head good = { UINT64_C(0x316574617473686b), MEMORY, 2, MACHINE_NR_DEVICES };
static struct machine *machine;

/* Without KVM a state that fits gets as far as to its memory, of which there is none. */
static int restore(const void *state, size_t size)
{
	const struct machine_config config = {
		.kvm_fd = -1,
		.memory_bytes = MEMORY,
		.nr_vcpus = 2,
		.debug_fd = -1,
	};
	static struct error err;
	struct event_loop loop;
	int r;

	is_int(event_loop_init(&loop, &err), 0);
	r = machine_restore(machine, &config, -1, state, size, &loop, &err);
	event_loop_fini(&loop);
	ok(!strncmp(err.text, "restore the machine: ", 21));
	return r;
}

static void test_heads(void)
{
	struct head head = good;

	is_int(restore(&head, sizeof(head)), -EBADF);
	head.magic++;
	is_int(restore(&head, sizeof(head)), -EINVAL);
	head = good;
	head.memory_bytes += 4096;
	is_int(restore(&head, sizeof(head)), -EINVAL);
	head = good;
	head.nr_vcpus = 1;
	is_int(restore(&head, sizeof(head)), -EINVAL);
	head = good;
	head.nr_devices--;
	is_int(restore(&head, sizeof(head)), -EINVAL);
}

static void test_truncated_head(void)
{
	for (size_t size = 0; size < sizeof(good); size++)
		is_int(restore(&good, size), -EINVAL);
}

int main(void)
{
	machine = calloc(1, sizeof(*machine));
	test_heads();
	test_truncated_head();
	free(machine);
	return tap_done();
}
