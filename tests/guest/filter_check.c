/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_check.c - what becomes of system calls under a seccomp filter, a line each
 *
 * Each argument is NUMBER[,ARG1[,ARG2]]: a process of its own makes the call, and the line says
 * what it got, or the signal that ended it. The calls are ones that fail harmlessly.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long call(const char *text)
{
	char *end;
	long number = strtol(text, &end, 0);
	unsigned long first = *end == ',' ? strtoul(end + 1, &end, 0) : 0;
	unsigned long second = *end == ',' ? strtoul(end + 1, &end, 0) : 0;

	errno = 0;
	return syscall(number, first, second);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int status = 0;
		pid_t pid;

		(void)printf("%s: ", argv[i]);
		(void)fflush(stdout);
		pid = fork();
		if (pid == 0) {
			long result = call(argv[i]);

			/* _exit() makes a call of its own, which the filter has to allow. */
			_exit(result < 0 ? errno : 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return 1;
		if (WIFSIGNALED(status))
			(void)printf("signal %d\n", WTERMSIG(status));
		else
			(void)printf("%s\n", WEXITSTATUS(status)
						     ? strerrordesc_np(WEXITSTATUS(status))
						     : "done");
	}
	return 0;
}
