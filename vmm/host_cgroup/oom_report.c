/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/oom_report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"

/*
 * Theory of operation
 *
 * A control group with processes in it cannot have children with a memory limit (cgroups(7), "no
 * internal processes"), so that the one where memory runs out is beside the container's. But the
 * kernel counts an OOM kill for the control group of the *memory's* owner, which is where the
 * process is that made the memory:
 *
 *   owner    stays in the container's control group
 *   victim   shares the owner's memory, moves to the control group of which memory.max is 0
 *   eater    has memory of its own, moves there too, and touches a page
 *
 * The eater finds no memory; of the two processes in its control group the OOM killer takes the one
 * with more memory, the victim, counts the kill for the container, and kills the owner, whose
 * memory it is. The eater still finds none and is killed next, counted where nobody looks.
 */

#define BALLAST_SIZE ((size_t)1 << 20) /* makes the victim the larger one */
#define STACK_SIZE ((size_t)64 << 10)
#define POLL_NS 1000000L

/* At the beginning of the ballast. */
struct shared {
	int procs_fd;
	atomic_int victim_result; /* 1 once the victim is in place, -1 when it cannot be */
};

static void end_in_any_case(void)
{
	sigset_t set;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	(void)alarm(OOM_REPORT_SECONDS_MAX);
}

static int victim(void *argument)
{
	struct shared *shared = argument;
	ssize_t n;

	end_in_any_case();
	n = write(shared->procs_fd, "0", 1);
	atomic_store(&shared->victim_result, n == 1 ? 1 : -1);
	(void)pause();
	return EXIT_FAILURE;
}

static _Noreturn void eat(int procs_fd, void *ballast)
{
	char *page;

	end_in_any_case();
	(void)munmap(ballast, BALLAST_SIZE);
	if (write(procs_fd, "0", 1) != 1)
		_exit(EXIT_FAILURE);
	page = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED)
		explicit_bzero(page, STACK_SIZE);
	_exit(EXIT_FAILURE); /* memory.max did not hold */
}

static _Noreturn void own(int procs_fd)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	struct shared *shared;
	char *stack;
	pid_t eater;

	end_in_any_case();
	shared = mmap(NULL, BALLAST_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || stack == MAP_FAILED)
		_exit(EXIT_FAILURE);
	shared->procs_fd = procs_fd;
	if (clone(victim, stack + STACK_SIZE, CLONE_VM | SIGCHLD, shared) < 0)
		_exit(EXIT_FAILURE);
	while (atomic_load(&shared->victim_result) == 0)
		(void)nanosleep(&pause, NULL);
	if (atomic_load(&shared->victim_result) < 0)
		_exit(EXIT_FAILURE);
	eater = fork();
	if (eater == 0)
		eat(procs_fd, shared);
	/* Usually this process has been killed before. */
	if (eater > 0)
		(void)waitpid(eater, NULL, 0);
	_exit(EXIT_FAILURE);
}

int oom_report_open(const struct host_cgroup *cgroup)
{
	char path[PATH_MAX];

	if (!cgroup->oom.path ||
	    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup->oom.path) >= (int)sizeof(path))
		return -1;
	return open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
}

pid_t oom_report_start(int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* What others must see the end of is not kept open by us. */
		if (fd != STDERR_FILENO + 1 && (dup2(fd, STDERR_FILENO + 1) < 0 || close(fd) < 0))
			_exit(EXIT_FAILURE);
		(void)close_range(STDERR_FILENO + 2, UINT_MAX, 0);
		own(STDERR_FILENO + 1);
	}
	return pid;
}
