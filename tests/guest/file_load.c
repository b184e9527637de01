/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_load - what files cost: workloads in a directory, each timed
 *
 *   file_load load DIRECTORY BYTES FILES   large file and small ones, made there and removed
 *   file_load run NAME COMMAND...          a command
 *
 * Prints a line for each workload: its name, its unit and how many nanoseconds one took, between
 * tabs. What was written is not in the page cache of whoever reads it: it was told to forget it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK ((size_t)131072)
#define PAGE ((size_t)4096)
#define NR_RANDOM 500
#define SMALL_SIZE 3000 /* bytes of a small file */

static char buffer[CHUNK];

static void die(const char *what)
{
	(void)printf("%s: %s\n", what, strerrorname_np(errno));
	(void)fflush(stdout);
	_exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void report(const char *what, const char *unit, uint64_t since, size_t count)
{
	(void)printf("%s\tns/%s\t%.3f\n", what, unit, (double)(now() - since) / (double)count);
}

/* --- one large file --------------------------------------------------------------------------- */

/* The whole file has to reach the server, and nothing of it stays. */
static void forget(int fd)
{
	if (fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		die("forget");
}

static void write_sequentially(int fd, size_t bytes)
{
	uint64_t start = now();

	for (size_t at = 0; at < bytes; at += CHUNK) {
		if (pwrite(fd, buffer, CHUNK, (off_t)at) != (ssize_t)CHUNK)
			die("write");
	}
	if (fsync(fd) < 0)
		die("fsync");
	report("sequential write", "byte", start, bytes);
}

static void read_sequentially(int fd, size_t bytes)
{
	uint64_t start;

	forget(fd);
	start = now();
	for (size_t at = 0; at < bytes; at += CHUNK) {
		if (pread(fd, buffer, CHUNK, (off_t)at) != (ssize_t)CHUNK)
			die("read");
	}
	report("sequential read", "byte", start, bytes);
}

/* Pages all over the file. 7919 is prime: none comes twice before all have come. */
static off_t random_page(unsigned int number, size_t bytes)
{
	return (off_t)((uint64_t)number * 7919 % (bytes / PAGE) * PAGE);
}

static void access_randomly(int fd, size_t bytes)
{
	uint64_t start;

	forget(fd);
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0)
		die("fadvise");
	start = now();
	for (unsigned int i = 0; i < NR_RANDOM; i++) {
		if (pread(fd, buffer, PAGE, random_page(i, bytes)) != (ssize_t)PAGE)
			die("read");
	}
	report("random read, 4 KiB", "page", start, NR_RANDOM);
	forget(fd);
	start = now();
	for (unsigned int i = 0; i < NR_RANDOM; i++) {
		if (pwrite(fd, buffer, PAGE, random_page(i, bytes)) != (ssize_t)PAGE)
			die("write");
	}
	if (fsync(fd) < 0)
		die("fsync");
	report("random write, 4 KiB", "page", start, NR_RANDOM);
}

static void large_file(size_t bytes)
{
	int fd = open("large", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		die("open");
	write_sequentially(fd, bytes);
	read_sequentially(fd, bytes);
	access_randomly(fd, bytes);
	(void)close(fd);
	if (unlink("large") < 0)
		die("unlink");
}

/* --- many small ones -------------------------------------------------------------------------- */

static void name_of(char *name, size_t size, unsigned int number)
{
	(void)snprintf(name, size, "small-%u", number);
}

static void make_one(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, buffer, SMALL_SIZE) != SMALL_SIZE || close(fd) < 0)
		die("make");
}

static void read_one(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, buffer, CHUNK) != SMALL_SIZE || close(fd) < 0)
		die("read");
}

static void stat_one(const char *name)
{
	struct stat st;

	if (stat(name, &st) < 0 || st.st_size != SMALL_SIZE)
		die("stat");
}

static void miss_one(const char *name)
{
	char other[40];

	(void)snprintf(other, sizeof(other), "no-%s", name);
	if (access(other, F_OK) == 0)
		die("access");
}

static void remove_one(const char *name)
{
	if (unlink(name) < 0)
		die("unlink");
}

static void for_each(const char *what, unsigned int nr_files, void (*handle)(const char *name))
{
	uint64_t start = now();

	for (unsigned int i = 0; i < nr_files; i++) {
		char name[32];

		name_of(name, sizeof(name), i);
		handle(name);
	}
	report(what, "file", start, nr_files);
}

static void small_files(unsigned int nr_files)
{
	for_each("make a file of 3,000 bytes", nr_files, make_one);
	for_each("stat", nr_files, stat_one);
	for_each("stat, again", nr_files, stat_one);
	for_each("open, read, close", nr_files, read_one);
	for_each("look for what is not there", nr_files, miss_one);
	for_each("remove a file", nr_files, remove_one);
}

/* --- a command -------------------------------------------------------------------------------- */

static int run(const char *name, char **arguments)
{
	uint64_t start = now();
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)execvp(arguments[0], arguments);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		(void)printf("%s: status %#x\n", name, (unsigned int)status);
		return 1;
	}
	report(name, "run", start, 1);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv + 3);
	if (argc != 5 || strcmp(argv[1], "load") != 0)
		return 2;
	memset(buffer, 'x', sizeof(buffer));
	if (chdir(argv[2]) < 0)
		die(argv[2]);
	large_file(strtoul(argv[3], NULL, 10));
	small_files((unsigned int)strtoul(argv[4], NULL, 10));
	return 0;
}
