/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/changing_memory.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PAGE_SIZE ((uintptr_t)4096)
#define AREAS_MAX 4
#define TRAP_FLAG 0x100 /* of EFLAGS: a trap after one instruction */

static struct area {
	uintptr_t start;
	size_t len, grain;
} areas[AREAS_MAX];
static unsigned int nr_areas, nr_changes;
static uintptr_t accessed; /* by the instruction that runs alone; 0: none */

static void protect(int protection)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		uintptr_t first = areas[i].start & ~(PAGE_SIZE - 1);
		uintptr_t end = (areas[i].start + areas[i].len + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

		/* Signal handlers may call nothing that allocates; this does not. */
		if (mprotect((void *)first, end - first, protection) < 0)
			abort();
	}
}

static void set_trap(void *context, int is_on)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

	*flags = is_on ? *flags | TRAP_FLAG : *flags & ~(greg_t)TRAP_FLAG;
}

static int is_in_a_page_of(const struct area *area, uintptr_t address)
{
	return (address | (PAGE_SIZE - 1)) >= area->start &&
	       (address & ~(PAGE_SIZE - 1)) < area->start + area->len;
}

static void on_access(int signal, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;

	(void)signal;
	for (unsigned int i = 0; i < nr_areas; i++)
		if (is_in_a_page_of(&areas[i], address))
			accessed = address;
	if (!accessed)
		abort(); /* a real one */
	protect(PROT_READ | PROT_WRITE);
	set_trap(context, 1);
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	for (unsigned int i = 0; i < nr_areas; i++) {
		const struct area *area = &areas[i];

		if (accessed < area->start || accessed - area->start >= area->len)
			continue;
		memset((void *)(accessed & ~(area->grain - 1)), 0xff, area->grain);
		nr_changes++;
	}
	accessed = 0;
	set_trap(context, 0);
	protect(PROT_NONE);
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_flags = handler ? SA_SIGINFO : 0 };

	if (handler)
		action.sa_sigaction = handler;
	if (sigaction(signal, &action, NULL) < 0)
		abort();
}

void changing_memory_begin(void *start, size_t len, size_t grain)
{
	if (nr_areas == AREAS_MAX)
		abort();
	if (nr_areas == 0) {
		nr_changes = 0;
		handle(SIGSEGV, on_access);
		handle(SIGTRAP, on_step);
	}
	areas[nr_areas++] = (struct area){ (uintptr_t)start, len, grain };
	protect(PROT_NONE);
}

unsigned int changing_memory_end(void)
{
	protect(PROT_READ | PROT_WRITE);
	nr_areas = 0;
	handle(SIGSEGV, NULL);
	handle(SIGTRAP, NULL);
	return nr_changes;
}
