/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many_files.c - open as many files as there can be: many_files FILE COUNT
 *
 * Every descriptor that is opened is kept, by processes of FILES_PER_PROCESS each. Says how many
 * there are and why there are no more, then waits to be ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_PER_PROCESS 100000L

static long open_some(const char *path, long count)
{
	struct rlimit limit = { FILES_PER_PROCESS + 64, FILES_PER_PROCESS + 64 };
	long nr_open = 0;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	errno = 0;
	while (nr_open < count && nr_open < FILES_PER_PROCESS &&
	       open(path, O_RDONLY | O_CLOEXEC) >= 0)
		nr_open++;
	return nr_open;
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	long nr_open = 0;

	for (;;) {
		long nr = open_some(argv[1], count - nr_open);
		int code = errno;
		pid_t pid;

		nr_open += nr;
		if (code || nr == 0 || nr_open == count) {
			(void)printf("opened %ld: %s\n", nr_open, strerrordesc_np(code));
			(void)fflush(stdout);
			break;
		}
		/* The child goes on, and gets none of what its parent keeps. */
		pid = fork();
		if (pid < 0) {
			(void)printf("opened %ld: fork: %s\n", nr_open, strerrordesc_np(errno));
			(void)fflush(stdout);
			break;
		}
		if (pid > 0) {
			(void)waitpid(pid, NULL, 0);
			return EXIT_SUCCESS;
		}
		(void)close_range(3, ~0U, 0);
	}
	for (;;)
		(void)pause();
}
