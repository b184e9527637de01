/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_host_cgroup_live.c - a container's control group in the hierarchies of the machine that the
 * test runs on, whatever they are
 *
 * Where this user may not make control groups all is skipped, and says so. With the argument
 * "all" nothing may be skipped: tests/container/host_cgroup.bats runs it that way.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/host_cgroup/cgroup_file.h"
#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/host_cgroup/host_limits.h"
#include "vmm/host_cgroup/host_usage.h"
#include "vmm/host_cgroup/oom_report.h"
#include "vmm/sandbox/namespaces.h"

#define MEMORY_LIMIT (INT64_C(64) << 20)

static struct cgroup_layout layout;
static struct host_cgroup cgroup;
static struct error err;

static char id[64]; /* a container of this test's alone */
static struct host_cgroup_request request = { .id = id };

static bool can_make(void)
{
	if (cgroup_layout_load(&layout, &err) < 0 ||
	    host_cgroup_plan(&request, &layout, &cgroup, &err) < 0)
		return false;
	if (host_cgroup_make(&cgroup, &err) < 0)
		return false;
	ok(host_cgroup_remove(&cgroup, 0, &err) == 0);
	return true;
}

/* A process in the control group that waits, as do its @nr_children children. */
static pid_t start_member(int nr_children)
{
	int fds[2];
	pid_t pid;
	char byte;

	ok(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (host_cgroup_join(&cgroup, false, &err) < 0) {
			fprintf(stderr, "# %s\n", err.text);
			_exit(EXIT_FAILURE);
		}
		while (nr_children-- > 0)
			if (fork() == 0)
				break;
		(void)!write(fds[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(fds[1]);
	for (int i = 0; i <= nr_children; i++)
		ok(read(fds[0], &byte, 1) == 1);
	(void)close(fds[0]);
	return pid;
}

/* One that is born in the group of version 2, where there is one. */
static pid_t start_born(bool *ret_is_inside)
{
	int fd = host_cgroup_open_unified(&cgroup);
	pid_t pid = namespaces_fork_into(fd, ret_is_inside, &err);

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (host_cgroup_join(&cgroup, *ret_is_inside, &err) < 0)
			_exit(EXIT_FAILURE);
		for (;;)
			(void)pause();
	}
	if (fd >= 0)
		(void)close(fd);
	return pid;
}

static bool is_member(const struct host_cgroup_dir *dir, pid_t pid)
{
	char text[4096], line[32];

	(void)snprintf(line, sizeof(line), "%d\n", (int)pid);
	return cgroup_file_read(dir->path, "cgroup.procs", text, sizeof(text)) == 0 &&
	       strstr(text, line);
}

static const struct host_cgroup_dir *unified_dir(void)
{
	for (size_t i = 0; i < cgroup.nr_dirs; i++)
		if (cgroup.dirs[i].is_unified)
			return &cgroup.dirs[i];
	return NULL;
}

static void test_life(void)
{
	const struct host_limits limits = { .memory = MEMORY_LIMIT, .tasks = 100 };
	const struct host_cgroup_dir *dir;
	struct host_usage usage;
	uint64_t number = 0;
	bool is_inside;
	pid_t pid, born;
	int status;

	is_int(host_cgroup_make(&cgroup, &err), 0);
	is_int(host_limits_apply(&cgroup, &limits, &err), 0);
	dir = host_cgroup_find(&cgroup, CGROUP_MEMORY);
	if (ok(dir != NULL)) {
		is_int(cgroup_file_read_number(
			       dir->path, dir->is_unified ? "memory.max" : "memory.limit_in_bytes",
			       &number),
		       0);
		is_int(number, MEMORY_LIMIT);
	}
	pid = start_member(2);
	for (size_t i = 0; i < cgroup.nr_dirs; i++)
		if (!ok(is_member(&cgroup.dirs[i], pid)))
			printf("# %s\n", cgroup.dirs[i].path);
	host_usage_read(&cgroup, &usage);
	ok(usage.memory_bytes > 0);
	is_int(usage.nr_tasks, 3);
	born = start_born(&is_inside);
	ok(born > 0);
	is_int(is_inside, unified_dir() != NULL);
	ok(!is_inside || is_member(unified_dir(), born));
	/* Another of the same name is refused while there is this one. */
	is_int(host_cgroup_make(&cgroup, &err), -EBUSY);
	ok(is_member(&cgroup.dirs[0], pid));
	is_int(host_cgroup_remove(&cgroup, 10000, &err), 0);
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ok(waitpid(born, &status, 0) == born && WIFSIGNALED(status));
	for (size_t i = 0; i < cgroup.nr_dirs; i++)
		ok(access(cgroup.dirs[i].path, F_OK) < 0);
	is_int(host_cgroup_remove(&cgroup, 0, &err), 0);
}

/* One that is not known to be made is left to whoever is in it. */
static void test_foreign(void)
{
	uint64_t inode;
	pid_t pid;

	is_int(host_cgroup_make(&cgroup, &err), 0);
	pid = start_member(0);
	inode = cgroup.dirs[0].inode;
	cgroup.dirs[0].inode = 0;
	is_int(host_cgroup_remove(&(struct host_cgroup){ .nr_dirs = 1, .dirs = { cgroup.dirs[0] } },
				  0, &err),
	       0);
	ok(is_member(&cgroup.dirs[0], pid) && kill(pid, 0) == 0);
	cgroup.dirs[0].inode = inode;
	is_int(host_cgroup_remove(&cgroup, 10000, &err), 0);
	(void)waitpid(pid, NULL, 0);
}

/* In the control group: report, and wait for what that leaves to wait for. */
static _Noreturn void run_reporter(int fd)
{
	pid_t pid;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (host_cgroup_join(&cgroup, false, &err) < 0)
		_exit(EXIT_FAILURE);
	pid = oom_report_start(fd);
	while (waitpid(-1, NULL, 0) > 0)
		continue;
	_exit(pid > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static uint64_t oom_kills(void)
{
	struct host_usage usage;

	host_usage_read(&cgroup, &usage);
	return usage.nr_oom_kills;
}

static void test_oom_report(void)
{
	struct timespec begin, end;
	pid_t pid, bystander;
	int fd, status;

	is_int(host_cgroup_make(&cgroup, &err), 0);
	fd = oom_report_open(&cgroup);
	if (!cgroup_layout_is_unified(&layout)) {
		is_int(fd, -1);
		is_int(host_cgroup_remove(&cgroup, 0, &err), 0);
		return;
	}
	ok(fd >= 0);
	is_int(oom_kills(), 0);
	bystander = start_member(0);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	pid = fork();
	if (pid == 0)
		run_reporter(fd);
	ok(waitpid(pid, &status, 0) == pid && status == 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ok(end.tv_sec - begin.tv_sec < OOM_REPORT_SECONDS_MAX);
	is_int(oom_kills(), 1);
	ok(kill(bystander, 0) == 0 && waitpid(bystander, NULL, WNOHANG) == 0);
	(void)close(fd);
	is_int(host_cgroup_remove(&cgroup, 10000, &err), 0);
	(void)waitpid(bystander, NULL, 0);
}

int main(int argc, char **argv)
{
	bool is_all = argc > 1 && !strcmp(argv[1], "all");

	(void)snprintf(id, sizeof(id), "bulkhead-test-%d", (int)getpid());
	if (!can_make()) {
		printf("%s 1 - control groups can be made # SKIP %s\n1..1\n",
		       is_all ? "not ok" : "ok", err.text);
		host_cgroup_clear(&cgroup);
		cgroup_layout_clear(&layout);
		return is_all;
	}
	test_life();
	test_foreign();
	test_oom_report();
	host_cgroup_clear(&cgroup);
	cgroup_layout_clear(&layout);
	return tap_done();
}
