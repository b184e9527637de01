/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hang_init.c - take guest-init away from a guest whose container sees it: no pid namespace of its
 * own, and CAP_SYS_PTRACE. A signal does not stop or end a PID 1; who traces it can.
 *
 *	hang_init stop	it stands still as long as this program lives
 *	hang_init kill	it ends, and the guest's kernel with it
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define INIT 1

static int fail(const char *what)
{
	(void)fprintf(stderr, "hang_init: %s: %s\n", what, strerrordesc_np(errno));
	return EXIT_FAILURE;
}

/* It goes on at an address where there is nothing. */
static int derail(void)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, INIT, 0, &registers))
		return fail("read its registers");
	registers.rip = 0;
	registers.orig_rax = (unsigned long long)-1; /* no system call is to be restarted */
	if (ptrace(PTRACE_SETREGS, INIT, 0, &registers))
		return fail("write its registers");
	if (ptrace(PTRACE_DETACH, INIT, 0, 0))
		return fail("let it go");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	int status;

	if (argc != 2)
		return EXIT_FAILURE;
	if (ptrace(PTRACE_SEIZE, INIT, 0, 0))
		return fail("trace PID 1");
	if (ptrace(PTRACE_INTERRUPT, INIT, 0, 0) || waitpid(INIT, &status, __WALL) != INIT)
		return fail("stop PID 1");
	if (!strcmp(argv[1], "kill") && derail())
		return EXIT_FAILURE;
	/* What is written now nobody passes on: a file in the container's tree tells. */
	for (;;)
		(void)pause();
}
