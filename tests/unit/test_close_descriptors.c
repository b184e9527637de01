/* SPDX-License-Identifier: Apache-2.0 */
/* test_close_descriptors.c - exactly those that were asked for stay open */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/close_descriptors.h"

#define NR_DESCRIPTORS 64
#define FAR 900

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_in(const int *list, size_t nr, int fd)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i] == fd)
			return true;
	return false;
}

/* In a child: all of them open, close, look. Returns the first that is not as wanted, or 0. */
static int close_and_look(int *keep, size_t nr_keep)
{
	int wanted[NR_DESCRIPTORS];

	memcpy(wanted, keep, nr_keep * sizeof(*keep));
	for (int fd = 0; fd < NR_DESCRIPTORS; fd++)
		if (!is_open(fd) && dup2(STDOUT_FILENO, fd) != fd)
			return 255;
	if (dup2(STDOUT_FILENO, FAR) != FAR)
		return 255;
	close_descriptors_except(keep, nr_keep);
	for (int fd = 0; fd < NR_DESCRIPTORS; fd++)
		if (is_open(fd) != (fd < 3 || is_in(wanted, nr_keep, fd)))
			return fd ? fd : 254;
	return is_open(FAR) != is_in(wanted, nr_keep, FAR) ? 253 : 0;
}

static void check_keep(int *keep, size_t nr_keep)
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(close_and_look(keep, nr_keep));
	ok(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	is_int(WEXITSTATUS(status), 0);
}

#define KEEP(...)                                                                                  \
	do {                                                                                       \
		int keep_[] = { __VA_ARGS__ };                                                     \
		check_keep(keep_, ARRAY_SIZE(keep_));                                              \
	} while (0)

int main(void)
{
	check_keep(&(int){ 0 }, 0);
	KEEP(-1);
	KEEP(-1, -1, -1);
	KEEP(3);
	KEEP(3, 4, 5);
	KEEP(10);
	KEEP(20, 10, 30);     /* gaps, not in order */
	KEEP(10, 10, 11, 10); /* said twice */
	KEEP(5, -1, 7, -1, 63);
	KEEP(0, 1, 2); /* stay in any case */
	KEEP(2, 3, 0);
	KEEP(FAR, 4);
	KEEP(100, 200); /* not open at all */
	KEEP(1 << 30, 8);
	return tap_done();
}
