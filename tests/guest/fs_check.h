/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_check.h - the vocabulary of the file system programs that run in a guest
 *
 * Each check prints one line, "name: result", that is the same on every file system that behaves:
 * no inode numbers, no times of day. The output in a guest is compared with the output on the host.
 * A check whose expectation fails says so, and the program ends with status 1.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned int check_failures;
static int check_top = -1; /* the directory that everything happens below */

static inline const char *check_errno_name(int code)
{
	return code == 0 ? "ok" : strerrorname_np(code);
}

static inline void check_report(const char *name, bool is_right, const char *result, int line)
{
	if (is_right) {
		printf("%s: %s\n", name, result);
	} else {
		printf("%s: FAILED: %s (line %d)\n", name, result, line);
		check_failures++;
	}
}

/* @ret is a system call's: 0 or more, or -1 with errno; @want is the errno value that is right. */
static inline void check_errno(const char *name, long ret, int want, int line)
{
	int code = ret < 0 ? errno : 0;

	check_report(name, code == want, check_errno_name(code), line);
}

static inline void check_number(const char *name, long got, long want, int line)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%ld", got);
	check_report(name, got == want, text, line);
}

static inline void check_truth(const char *name, bool is_true, int line)
{
	check_report(name, is_true, is_true ? "yes" : "no", line);
}

/* Call succeeds; call fails with CODE; number equals WANT; condition holds. */
#define SUCCEEDS(name, call) check_errno(name, (long)(call), 0, __LINE__)
#define FAILS(name, call, code) check_errno(name, (long)(call), code, __LINE__)
#define EQUALS(name, got, want) check_number(name, (long)(got), (long)(want), __LINE__)
#define HOLDS(name, condition) check_truth(name, condition, __LINE__)

/* Whatever happens is right, as long as guest and host agree. */
#define AGREES(name, call) printf("%s: %s\n", name, check_errno_name((long)(call) < 0 ? errno : 0))

/* What a file system need not have: success or one of two refusals, all reported alike. */
#define MAY_REFUSE(name, call, code1, code2)                                                       \
	check_report(name, (long)(call) >= 0 || errno == (code1) || errno == (code2),              \
		     "ok or refused", __LINE__)

static inline mode_t check_mode(const char *path)
{
	struct stat stat_now = { 0 };

	return lstat(path, &stat_now) < 0 ? 0 : stat_now.st_mode;
}

static inline off_t check_size(const char *path)
{
	struct stat stat_now = { 0 };

	return lstat(path, &stat_now) < 0 ? -1 : stat_now.st_size;
}

/* Make or replace @path with @text as its content. Returns 0 or -1 with errno. */
static inline int check_make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, text, strlen(text));
	return close(fd) < 0 || written != (ssize_t)strlen(text) ? -1 : 0;
}

static inline bool check_content_is(const char *path, const char *text)
{
	char buffer[4096] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, buffer, sizeof(buffer) - 1);
	(void)close(fd);
	return len == (ssize_t)strlen(text) && !memcmp(buffer, text, (size_t)len);
}

/*
 * Run @action(@path) in a child process as @uid and @gid without other groups. @action returns
 * like a system call; so does this, with the child's errno.
 */
static inline int check_as_user(uid_t uid, gid_t gid, int (*action)(const char *path),
				const char *path)
{
	int status = 0;
	pid_t child;

	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(255);
		_exit(action(path) < 0 ? errno : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -1;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return errno == 0 ? 0 : -1;
}

static inline int check_remove_one(const char *path, const struct stat *stat_now, int kind,
				   struct FTW *walk)
{
	(void)stat_now;
	(void)kind;
	(void)walk;
	return remove(path);
}

/* Remove @name from the top directory, with all that is in it. Returns 0 or -1. */
static inline int check_remove(const char *name)
{
	/* Wherever the checks have ended up: names are removed below here and nowhere else. */
	if (fchdir(check_top) < 0)
		return -1;
	return nftw(name, check_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Make @dir/@name anew and go there. Ends the program when that is impossible. */
static inline void check_begin(const char *dir, const char *name)
{
	(void)umask(022);
	check_top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (check_top < 0 || (check_remove(name) < 0 && errno != ENOENT) ||
	    mkdirat(check_top, name, 0755) < 0 || fchdir(check_top) < 0 || chdir(name) < 0) {
		perror(dir);
		exit(2);
	}
}

/* Remove what check_begin() made, and return the exit status. */
static inline int check_end(const char *name)
{
	SUCCEEDS("remove everything", check_remove(name));
	printf("failures: %u\n", check_failures);
	return check_failures > 0;
}
