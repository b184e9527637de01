/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sandbox/sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include "vmm/sandbox/landlock.h"
#include "vmm/sandbox/namespaces.h"
#include "vmm/sandbox/privileges.h"

/* Newer kernels give a VM threads of its process for their own work. */
#define THREADS_OF_KVM 4

#define CAPABILITY(number) (UINT64_C(1) << (number))

void sandbox_use_heap_only(void)
{
	/* NOLINTBEGIN(concurrency-mt-unsafe): the process has one thread */
	(void)mallopt(M_MMAP_MAX, 0);
	(void)mallopt(M_ARENA_MAX, 1);
	/* NOLINTEND(concurrency-mt-unsafe) */
}

/* What the C library would open a file for when it is first needed. */
static void prepare_library(void)
{
	tzset();
}

static int limit_threads(unsigned int nr_threads, struct error *err)
{
	const struct rlimit limit = { nr_threads + THREADS_OF_KVM, nr_threads + THREADS_OF_KVM };

	return setrlimit(RLIMIT_NPROC, &limit) < 0 ? error_set(err, errno, "limit processes") : 0;
}

int monitor_seal(uid_t id, unsigned int nr_threads, struct error *err)
{
	int r;

	prepare_library();
	privileges_forget_environment();
	r = privileges_become(id, err);
	if (!r)
		r = namespaces_enter_empty(err);
	if (!r)
		r = limit_threads(nr_threads, err);
	if (!r)
		r = privileges_drop(0, err);
	return r < 0 ? r : landlock_deny_all(false, err);
}

int network_process_seal(uid_t id, struct error *err)
{
	int r;

	prepare_library();
	privileges_forget_environment();
	r = privileges_become(id, err);
	if (!r)
		r = namespaces_enter_empty_but_network(err);
	if (!r)
		r = limit_threads(1, err);
	if (!r)
		r = privileges_drop(NETWORK_PROCESS_CAPABILITIES, err);
	return r < 0 ? r : landlock_deny_all(true, err);
}

uint64_t process_capabilities(uint64_t container_caps)
{
	return CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER) |
	       CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_KILL) |
	       (container_caps & (CAPABILITY(CAP_MKNOD) | CAPABILITY(CAP_SETFCAP)));
}

int container_process_seal(uint64_t container_caps, struct error *err)
{
	prepare_library();
	privileges_forget_environment();
	return privileges_drop(process_capabilities(container_caps), err);
}
