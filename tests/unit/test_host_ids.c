/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/container/host_ids.h"

#define FIRST 2113929216u

static char directory[SCRATCH_DIR_SIZE + 8];

/* Take one of @count ids from FIRST up; 0 on failure. */
static uid_t take(uint32_t count, int *ret_fd)
{
	struct error err;
	uid_t id = 0;

	return host_id_take(directory, FIRST, count, ret_fd, &id, &err) == 0 ? id : 0;
}

/* A process that has taken an id and waits for its end. *@ret_id is what it got, 0: none. */
static pid_t start_holder(uint32_t count, uid_t *ret_id)
{
	int pipe_fds[2];
	pid_t pid;

	if (!ok(pipe2(pipe_fds, O_CLOEXEC) == 0))
		exit(tap_done());
	pid = fork();
	if (pid == 0) {
		int fd = -1;
		uid_t id = take(count, &fd);

		(void)close(pipe_fds[0]);
		(void)!write(pipe_fds[1], &id, sizeof(id));
		for (;;)
			(void)pause();
	}
	(void)close(pipe_fds[1]);
	if (read(pipe_fds[0], ret_id, sizeof(*ret_id)) != (ssize_t)sizeof(*ret_id))
		*ret_id = 0;
	(void)close(pipe_fds[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	is_int(kill(pid, SIGKILL), 0);
	is_int(waitpid(pid, NULL, 0), pid);
}

static void test_unique(void)
{
	uid_t theirs, others;
	pid_t first = start_holder(8, &theirs);
	pid_t second = start_holder(8, &others);
	int fd = -1;

	is_int(theirs, FIRST);
	is_int(others, FIRST + 1);
	is_int(take(8, &fd), FIRST + 2);
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	end_holder(first);
	fd_close(&fd);
	/* What a killed process had is free again, what a living one has is not. */
	is_int(take(8, &fd), FIRST);
	fd_close(&fd);
	is_int(take(1, &fd), FIRST);
	fd_close(&fd);
	end_holder(second);
}

/* Ranges that overlap are of the same ids: the place in the file is the id itself. */
static void test_overlapping_ranges(void)
{
	struct error err;
	uid_t id = 0;
	int fd = -1, other = -1;

	is_int(host_id_take(directory, FIRST, 2, &fd, &id, &err), 0);
	is_int(id, FIRST);
	is_int(host_id_take(directory, FIRST - 1, 3, &other, &id, &err), 0);
	is_int(id, FIRST - 1);
	fd_close(&other);
	is_int(host_id_take(directory, FIRST, 2, &other, &id, &err), 0);
	is_int(id, FIRST + 1);
	fd_close(&other);
	/* The last id there is. */
	is_int(host_id_take(directory, UINT32_MAX - 1, 1, &other, &id, &err), 0);
	is_int(id, UINT32_MAX - 1);
	fd_close(&other);
	fd_close(&fd);
}

static void test_exhaustion(void)
{
	struct error err;
	uid_t id = 7;
	int fds[3] = { -1, -1, -1 };
	int fd = -1;

	for (uint32_t i = 0; i < 3; i++)
		is_int(take(3, &fds[i]), FIRST + i);
	is_int(host_id_take(directory, FIRST, 3, &fd, &id, &err), -EINVAL);
	is_str(err.text, "ids.count: all 3 ids from 2113929216 are taken by other containers");
	is_int(fd, -1);
	is_int(id, 7);
	fd_close(&fds[1]);
	is_int(take(3, &fd), FIRST + 1);
	fd_close(&fd);
	fd_close(&fds[0]);
	fd_close(&fds[2]);
}

/* A copy of the descriptor holds the id, too: the id is free when all are closed. */
static void test_inherited(void)
{
	int fd = -1, copy, other = -1;

	is_int(take(2, &fd), FIRST);
	copy = dup(fd);
	fd_close(&fd);
	is_int(take(2, &other), FIRST + 1);
	fd_close(&other);
	(void)close(copy);
	is_int(take(2, &other), FIRST);
	fd_close(&other);
}

static void test_places(void)
{
	char path[sizeof(directory) + 16];
	struct error err;
	struct stat st;
	uid_t id;
	int fd = -1;

	is_int(stat(directory, &st), 0);
	is_int(st.st_mode & 07777, 0700);
	(void)snprintf(path, sizeof(path), "%s/host:ids", directory);
	is_int(stat(path, &st), 0);
	is_int(st.st_mode & 07777, 0600);
	is_int(st.st_size, 0);

	is_int(chmod(path, 0622), 0);
	is_int(host_id_take(directory, FIRST, 1, &fd, &id, &err), -EINVAL);
	ok(strstr(err.text, "host:ids") && strstr(err.text, "0622"));
	is_int(chmod(path, 0600), 0);
	is_int(chmod(directory, 0777), 0);
	is_int(host_id_take(directory, FIRST, 1, &fd, &id, &err), -EINVAL);
	ok(strstr(err.text, directory) && strstr(err.text, "0777"));
	is_int(chmod(directory, 0700), 0);

	/* Neither a link nor a FIFO takes the place of the file. */
	is_int(unlink(path), 0);
	is_int(symlink("/dev/null", path), 0);
	is_int(host_id_take(directory, FIRST, 1, &fd, &id, &err), -ELOOP);
	is_int(unlink(path), 0);
	is_int(host_id_take("/dev/null", FIRST, 1, &fd, &id, &err), -ENOTDIR);
	is_int(fd, -1);
}

/* Somebody without the capabilities keeps the id that it has. */
static void test_availability(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		bool was_root = geteuid() == 0;

		if (was_root && setresuid(FIRST, FIRST, FIRST) < 0)
			_exit(2);
		_exit(host_ids_are_available());
	}
	is_int(waitpid(pid, &status, 0), pid);
	is_int(status, 0);
}

int main(void)
{
	char scratch[SCRATCH_DIR_SIZE];

	scratch_dir_make(scratch);
	(void)snprintf(directory, sizeof(directory), "%s/run", scratch);
	test_unique();
	test_overlapping_ranges();
	test_exhaustion();
	test_inherited();
	test_places();
	test_availability();
	scratch_dir_remove(scratch);
	return tap_done();
}
