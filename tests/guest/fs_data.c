/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_data DIR - every operation on the content of files, locks and mappings, below DIR
 *
 * In a guest and on the host the outputs are the same.
 */
#include <linux/falloc.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "tests/guest/fs_check.h"

#define PAGE 4096
#define NR_APPENDS 500
#define RECORD_SIZE 16
#define FAR_AWAY (5LL << 30)

static bool is_filled(const char *bytes, size_t len, char with)
{
	for (size_t index = 0; index < len; index++)
		if (bytes[index] != with)
			return false;
	return true;
}

/* Whether [@offset, @offset + @len) of @fd holds only @with; @len at most 64 KiB. */
static bool range_is(int fd, off_t offset, size_t len, char with)
{
	static char buffer[65536];

	return pread(fd, buffer, len, offset) == (ssize_t)len && is_filled(buffer, len, with);
}

/* A new file of @nr_pages pages of @with, open for reading and writing. */
static int make_filled(const char *path, int nr_pages, char with)
{
	char page[PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	memset(page, with, sizeof(page));
	for (int index = 0; index < nr_pages; index++)
		if (write(fd, page, sizeof(page)) != PAGE)
			return -1;
	return fd;
}

static void test_read_and_write(void)
{
	char buffer[64] = { 0 };
	struct iovec parts[2] = { { buffer, 3 }, { buffer + 10, 20 } };
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	int other = open("file", O_RDONLY);

	EQUALS("write", write(fd, "0123456789", 10), 10);
	EQUALS("position", lseek(fd, 0, SEEK_CUR), 10);
	EQUALS("read at the end", read(fd, buffer, 10), 0);
	EQUALS("read elsewhere", pread(other, buffer, 64, 4), 6);
	HOLDS("content", !memcmp(buffer, "456789", 6));
	EQUALS("write in the middle", pwrite(fd, "xyz", 3, 2), 3);
	EQUALS("scatter", preadv(other, parts, 2, 1), 9);
	HOLDS("content of parts", !memcmp(buffer, "1xy", 3) && !memcmp(buffer + 10, "z56789", 6));
	EQUALS("write beyond the end", pwrite(fd, "!", 1, 100), 1);
	EQUALS("size", check_size("file"), 101);
	HOLDS("zeros between", range_is(other, 10, 90, 0));
	EQUALS("read past the end", pread(other, buffer, 64, 1000), 0);
	FAILS("write a read-only file", write(other, "x", 1), EBADF);
	FAILS("negative offset", pwrite(fd, "x", 1, -1), EINVAL);
	EQUALS("end", lseek(fd, -1, SEEK_END), 100);
	FAILS("before the start", lseek(fd, -200, SEEK_END), EINVAL);
	SUCCEEDS("truncate by another name", truncate("file", 5));
	EQUALS("read the rest", pread(other, buffer, 64, 0), 5);
	SUCCEEDS("open truncating", close(open("file", O_WRONLY | O_TRUNC)));
	EQUALS("empty", pread(other, buffer, 64, 0), 0);
	EQUALS("write to no size", write(fd, "", 0), 0);
	(void)close(other);
	(void)close(fd);
	fd = open("file", O_WRONLY | O_SYNC);
	EQUALS("write synchronously", write(fd, "sync", 4), 4);
	SUCCEEDS("fsync", fsync(fd));
	SUCCEEDS("fdatasync", fdatasync(fd));
	FAILS("read a write-only file", read(fd, buffer, 1), EBADF);
	(void)close(fd);
}

static void append_records(char with)
{
	char record[RECORD_SIZE];
	int fd = open("log", O_WRONLY | O_APPEND);

	memset(record, with, sizeof(record));
	for (int index = 0; index < NR_APPENDS; index++)
		if (write(fd, record, sizeof(record)) != RECORD_SIZE)
			_exit(1);
	_exit(0);
}

static void test_append(void)
{
	static char log[2 * NR_APPENDS * RECORD_SIZE + 1];
	int nr_torn = 0;
	int status = 0;
	int fd = make_filled("log", 0, 0);
	pid_t first = fork();

	if (first == 0)
		append_records('a');
	if (fork() == 0)
		append_records('b');
	while (wait(&status) > 0)
		EQUALS("appender", status, 0);
	EQUALS("everything is there", pread(fd, log, sizeof(log), 0), sizeof(log) - 1);
	for (size_t index = 0; index < 2 * NR_APPENDS; index++)
		nr_torn += !is_filled(log + index * RECORD_SIZE, RECORD_SIZE,
				      log[index * RECORD_SIZE]);
	EQUALS("torn records", nr_torn, 0);
	(void)close(fd);
	fd = open("log", O_RDWR | O_APPEND | O_TRUNC);
	EQUALS("append", write(fd, "12", 2), 2);
	EQUALS("append whatever the offset", pwrite(fd, "34", 2, 0), 2);
	EQUALS("all of it", pread(fd, log, 10, 0), 4);
	HOLDS("in order", !memcmp(log, "1234", 4));
	SUCCEEDS("no longer append", fcntl(fd, F_SETFL, 0));
	EQUALS("overwrite", pwrite(fd, "x", 1, 0), 1);
	EQUALS("size stays", check_size("log"), 4);
	(void)close(fd);
}

static void test_direct(void)
{
	char *page = aligned_alloc(PAGE, PAGE);
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0644);
	bool is_right;

	if (!page)
		return;
	memset(page, 'd', PAGE);
	is_right = fd < 0 ? errno == EINVAL
			  : write(fd, page, PAGE) == PAGE && pread(fd, page, PAGE, 0) == PAGE &&
				    is_filled(page, PAGE, 'd') && check_size("direct") == PAGE;
	HOLDS("direct, where there is such a thing", is_right);
	(void)close(fd);
	free(page);
}

static void test_holes(void)
{
	int fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct stat stat_now;

	EQUALS("write far away", pwrite(fd, "end", 3, FAR_AWAY), 3);
	EQUALS("size", check_size("sparse"), FAR_AWAY + 3);
	(void)fstat(fd, &stat_now);
	HOLDS("few blocks", stat_now.st_blocks < 1000);
	EQUALS("first data", lseek(fd, 0, SEEK_DATA), FAR_AWAY);
	EQUALS("first hole", lseek(fd, 0, SEEK_HOLE), 0);
	EQUALS("hole after data", lseek(fd, FAR_AWAY, SEEK_HOLE), FAR_AWAY + 3);
	FAILS("no data after the end", lseek(fd, FAR_AWAY + 3, SEEK_DATA), ENXIO);
	HOLDS("zeros in a hole", range_is(fd, FAR_AWAY - 65536, 65536, 0));
	SUCCEEDS("truncate into the hole", ftruncate(fd, 1LL << 32));
	EQUALS("size after", check_size("sparse"), 1LL << 32);
	FAILS("no data left", lseek(fd, 0, SEEK_DATA), ENXIO);
	(void)close(fd);
	(void)unlink("sparse");
}

static void test_allocation(void)
{
	int fd = make_filled("allocated", 8, 'a');

	SUCCEEDS("allocate", fallocate(fd, 0, 0, 16 * PAGE));
	EQUALS("size grows", check_size("allocated"), 16 * PAGE);
	HOLDS("with zeros", range_is(fd, 8 * PAGE, 8 * PAGE, 0));
	SUCCEEDS("keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 16 * PAGE, 16 * PAGE));
	EQUALS("size stays", check_size("allocated"), 16 * PAGE);
	SUCCEEDS("punch",
		 fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 2 * PAGE));
	HOLDS("zeros there", range_is(fd, PAGE, 2 * PAGE, 0));
	HOLDS("data around", range_is(fd, 0, PAGE, 'a') && range_is(fd, 3 * PAGE, PAGE, 'a'));
	EQUALS("a hole", lseek(fd, 0, SEEK_HOLE), PAGE);
	EQUALS("and its end", lseek(fd, PAGE, SEEK_DATA), 3 * PAGE);
	MAY_REFUSE("zero range", fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * PAGE, PAGE), EOPNOTSUPP,
		   0);
	MAY_REFUSE("collapse", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP,
		   EINVAL);
	MAY_REFUSE("insert", fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE), EOPNOTSUPP, EINVAL);
	FAILS("negative", fallocate(fd, 0, -1, 1), EINVAL);
	FAILS("nothing", fallocate(fd, 0, 0, 0), EINVAL);
	(void)close(fd);
	fd = open("allocated", O_RDONLY);
	FAILS("read-only", fallocate(fd, 0, 0, 1), EBADF);
	(void)close(fd);
}

static void test_copying(void)
{
	int from = make_filled("from", 16, 'c');
	int to = make_filled("to", 1, 't');
	off_t offset = PAGE;
	off_t there = PAGE;
	off_t zero = 0;

	EQUALS("copy range", copy_file_range(from, &offset, to, &there, 3 * PAGE, 0), 3 * PAGE);
	EQUALS("offset moves", offset, 4 * PAGE);
	EQUALS("size", check_size("to"), 4 * PAGE);
	HOLDS("content", range_is(to, 0, PAGE, 't') && range_is(to, PAGE, 3 * PAGE, 'c'));
	offset = 16 * PAGE;
	EQUALS("at the end", copy_file_range(from, &offset, to, NULL, PAGE, 0), 0);
	FAILS("flags", copy_file_range(from, NULL, to, NULL, PAGE, 1), EINVAL);
	offset = 0;
	there = PAGE / 2;
	FAILS("onto itself", copy_file_range(from, &offset, from, &there, PAGE, 0), EINVAL);
	EQUALS("sendfile", sendfile(to, from, &zero, PAGE), PAGE);
	(void)close(to);
	to = open("to", O_RDONLY);
	FAILS("to a read-only file", copy_file_range(from, &zero, to, NULL, 1, 0), EBADF);
	(void)close(from);
	(void)close(to);
}

/* Try a lock of another process: returns the child's errno, 0 when it got the lock. */
static int lock_elsewhere(int kind)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int status = 0;

	if (fork() == 0) {
		int fd = open("locked", O_RDWR);
		int ret = kind == LOCK_EX ? flock(fd, LOCK_EX | LOCK_NB) : fcntl(fd, kind, &whole);

		_exit(ret < 0 ? errno : 0);
	}
	(void)wait(&status);
	return WEXITSTATUS(status);
}

static void test_locks(void)
{
	struct flock some = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
	int fd = make_filled("locked", 1, 'l');

	SUCCEEDS("flock", flock(fd, LOCK_EX));
	EQUALS("is exclusive", lock_elsewhere(LOCK_EX), EWOULDBLOCK);
	SUCCEEDS("unlock", flock(fd, LOCK_UN));
	EQUALS("is free", lock_elsewhere(LOCK_EX), 0);
	SUCCEEDS("record lock", fcntl(fd, F_SETLK, &some));
	EQUALS("record is locked", lock_elsewhere(F_SETLK), EAGAIN);
	some.l_type = F_UNLCK;
	SUCCEEDS("unlock record", fcntl(fd, F_SETLK, &some));
	EQUALS("record is free", lock_elsewhere(F_SETLK), 0);
	some.l_type = F_WRLCK;
	SUCCEEDS("lock of the description", fcntl(fd, F_OFD_SETLK, &some));
	EQUALS("it is locked", lock_elsewhere(F_OFD_SETLK), EAGAIN);
	(void)close(fd);
	EQUALS("closing frees it", lock_elsewhere(F_OFD_SETLK), 0);
}

static void test_shared_mapping(void)
{
	int fd = make_filled("mapped", 4, 'm');
	int appender = open("mapped", O_WRONLY | O_APPEND);
	char *map = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		SUCCEEDS("map", -1);
		return;
	}
	HOLDS("content", is_filled(map, 4 * PAGE, 'm'));
	memset(map + PAGE, 'w', PAGE);
	HOLDS("a store is seen by read", range_is(fd, PAGE, PAGE, 'w'));
	EQUALS("write", pwrite(fd, "W", 1, 0), 1);
	HOLDS("a write is seen in memory", map[0] == 'W' && map[1] == 'm');
	SUCCEEDS("msync", msync(map, 4 * PAGE, MS_SYNC));
	EQUALS("append while mapped", write(appender, "tail", 4), 4);
	memset(map + 2 * PAGE, 'x', PAGE);
	SUCCEEDS("unmap", munmap(map, 4 * PAGE));
	SUCCEEDS("fsync", fsync(fd));
	EQUALS("size", check_size("mapped"), 4 * PAGE + 4);
	HOLDS("stores are in place",
	      range_is(fd, 2 * PAGE, PAGE, 'x') && range_is(fd, 3 * PAGE, PAGE, 'm'));
	(void)close(appender);
	(void)close(fd);
}

static void test_private_mapping(void)
{
	int fd = make_filled("private", 2, 'p');
	char *map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	int status = 0;

	if (map == MAP_FAILED) {
		SUCCEEDS("map", -1);
		return;
	}
	memset(map, 'q', PAGE);
	HOLDS("the file stays", range_is(fd, 0, 2 * PAGE, 'p'));
	(void)close(fd);
	HOLDS("it outlives the descriptor", map[PAGE] == 'p');
	SUCCEEDS("truncate below it", truncate("private", 0));
	if (fork() == 0)
		_exit(map[PAGE] == 'p');
	(void)wait(&status);
	EQUALS("then a load ends with", WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGBUS);
	SUCCEEDS("unmap", munmap(map, 2 * PAGE));
}

static int copy_self(const char *path)
{
	int from = open("/proc/self/exe", O_RDONLY);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t len;

	do
		len = sendfile(to, from, NULL, 1 << 20);
	while (len > 0);
	(void)close(from);
	return close(to) < 0 || len < 0 ? -1 : 0;
}

static void test_execution(void)
{
	int status = 0;
	int pipes[2];
	char byte;
	pid_t child;

	SUCCEEDS("copy a program", copy_self("program"));
	SUCCEEDS("pipe", pipe(pipes));
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)execl("./program", "program", "--wait", NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	EQUALS("it runs", read(pipes[0], &byte, 1), 1);
	FAILS("write a running program", open("program", O_WRONLY), ETXTBSY);
	SUCCEEDS("end it", kill(child, SIGTERM));
	(void)waitpid(child, &status, 0);
	EQUALS("by", WTERMSIG(status), SIGTERM);
	SUCCEEDS("write it now", close(open("program", O_WRONLY)));
	(void)chmod("program", 0644);
	FAILS("execute without permission", execl("./program", "program", NULL), EACCES);
	SUCCEEDS("unlink a program", unlink("program"));
	(void)close(pipes[0]);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "usage: fs_data DIR\n");
		return 2;
	}
	if (!strcmp(argv[1], "--wait")) {
		(void)write(STDOUT_FILENO, "r", 1);
		(void)pause();
		return 0;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	check_begin(argv[1], "fs_data.work");
	test_read_and_write();
	test_append();
	test_direct();
	test_holes();
	test_allocation();
	test_copying();
	test_locks();
	test_shared_mapping();
	test_private_mapping();
	test_execution();
	return check_end("fs_data.work");
}
