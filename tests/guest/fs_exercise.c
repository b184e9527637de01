/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_exercise FILE STEPS SEED - random operations on one file against a model in memory
 *
 * After every step the bytes it touched are compared, now and then all of them. Prints "OK" and a
 * checksum of the final content: the same for the same steps and seed on every file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE (300 * 1024)
#define MAX_LEN (70 * 1024) /* of one operation: more than one page, less than one request */
#define PAGE 4096

static struct {
	const char *path;
	int fd;
	int reader; /* a second open file: what one writes the other must see */
	size_t size;
	uint64_t random;
	unsigned long step;
	uint8_t bytes[MAX_SIZE]; /* the model; zero beyond size */
} test;

static uint8_t scratch[MAX_SIZE];

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void fail(const char *format, ...)
{
	int code = errno;
	va_list args;

	printf("FAILED at step %lu: ", test.step);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	printf(" (%s)\n", strerrorname_np(code));
	exit(1);
}

/* xorshift64*: the same numbers everywhere, which rand() does not promise. */
static uint64_t next_random(uint64_t below)
{
	test.random ^= test.random >> 12;
	test.random ^= test.random << 25;
	test.random ^= test.random >> 27;
	return (test.random * UINT64_C(2685821657736338717) >> 16) % below;
}

static void compare(const char *what, const uint8_t *got, size_t offset, size_t len)
{
	for (size_t index = 0; index < len; index++)
		if (got[index] != test.bytes[offset + index])
			fail("%s: byte %zu is %02x, should be %02x", what, offset + index,
			     got[index], test.bytes[offset + index]);
}

static void check_size(void)
{
	struct stat stat_now;

	if (fstat(test.fd, &stat_now) < 0 || stat_now.st_size != (off_t)test.size)
		fail("size is %ld, should be %zu", (long)stat_now.st_size, test.size);
}

static void read_range(int fd, size_t offset, size_t len)
{
	size_t expected = offset >= test.size ? 0 : test.size - offset;
	ssize_t len_read = pread(fd, scratch, len, (off_t)offset);

	if (expected > len)
		expected = len;
	if (len_read != (ssize_t)expected)
		fail("read %zu at %zu gave %zd", len, offset, len_read);
	compare("read", scratch, offset, expected);
}

static void fill_model(size_t offset, size_t len)
{
	for (size_t index = 0; index < len; index++)
		test.bytes[offset + index] = (uint8_t)next_random(256);
	if (offset + len > test.size)
		test.size = offset + len;
}

static void write_range(size_t offset, size_t len)
{
	fill_model(offset, len);
	if (pwrite(test.fd, test.bytes + offset, len, (off_t)offset) != (ssize_t)len)
		fail("write %zu at %zu", len, offset);
}

static void set_size(size_t size)
{
	if (size < test.size)
		memset(test.bytes + size, 0, test.size - size);
	test.size = size;
	if (ftruncate(test.fd, (off_t)size) < 0)
		fail("truncate to %zu", size);
}

/* Load from or store to a mapping of what there is of [@offset, @offset + @len). */
static void use_mapping(size_t offset, size_t len, bool is_store)
{
	size_t start = offset / PAGE * PAGE;
	uint8_t *map;

	if (offset >= test.size)
		return;
	if (len > test.size - offset)
		len = test.size - offset;
	map = mmap(NULL, offset - start + len, PROT_READ | PROT_WRITE, MAP_SHARED, test.fd,
		   (off_t)start);
	if (map == MAP_FAILED)
		fail("map %zu at %zu", len, offset);
	if (is_store) {
		fill_model(offset, len);
		memcpy(map + (offset - start), test.bytes + offset, len);
	} else {
		compare("mapping", map + (offset - start), offset, len);
	}
	if (next_random(4) == 0 && msync(map, offset - start + len, MS_SYNC) < 0)
		fail("msync");
	if (munmap(map, offset - start + len) < 0)
		fail("munmap");
}

static void punch(size_t offset, size_t len, int mode)
{
	int ret = fallocate(test.fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);

	/* Not every file system zeroes in place; a hole reads the same. */
	if (ret < 0 && errno == EOPNOTSUPP)
		ret = fallocate(test.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)len);
	if (ret < 0)
		fail("punch %zu at %zu", len, offset);
	if (offset < test.size)
		memset(test.bytes + offset, 0, len < test.size - offset ? len : test.size - offset);
}

static void allocate(size_t offset, size_t len)
{
	if (fallocate(test.fd, 0, (off_t)offset, (off_t)len) < 0)
		fail("allocate %zu at %zu", len, offset);
	if (offset + len > test.size)
		test.size = offset + len;
}

static void copy_within(size_t from, size_t to, size_t len)
{
	off_t source = (off_t)from;
	off_t target = (off_t)to;
	ssize_t copied;

	if (from >= test.size || from + len > test.size || (from < to + len && to < from + len))
		return;
	copied = copy_file_range(test.fd, &source, test.fd, &target, len, 0);
	if (copied < 0)
		fail("copy %zu from %zu to %zu", len, from, to);
	memcpy(test.bytes + to, test.bytes + from, (size_t)copied);
	if (copied > 0 && to + (size_t)copied > test.size)
		test.size = to + (size_t)copied;
}

static void reopen(void)
{
	(void)close(test.reader);
	if (close(test.fd) < 0)
		fail("close");
	test.fd = open(test.path, O_RDWR | O_CLOEXEC);
	test.reader = open(test.path, O_RDONLY | O_CLOEXEC);
	if (test.fd < 0 || test.reader < 0)
		fail("reopen");
}

static void do_step(void)
{
	size_t offset = next_random(MAX_SIZE - MAX_LEN);
	size_t len = 1 + next_random(next_random(2) ? MAX_LEN : 5000);

	switch (next_random(14)) {
	case 0:
	case 1:
	case 2:
		write_range(offset, len);
		break;
	case 3:
		read_range(test.fd, offset, len);
		break;
	case 4:
	case 5:
		read_range(test.reader, offset, len);
		break;
	case 6:
		set_size(offset);
		break;
	case 7:
		use_mapping(offset, len, false);
		break;
	case 8:
	case 9:
		use_mapping(offset, len, true);
		break;
	case 10:
		punch(offset, len, next_random(2) ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
		break;
	case 11:
		allocate(offset, len);
		break;
	case 12:
		copy_within(offset, next_random(MAX_SIZE - MAX_LEN), len);
		break;
	default:
		if (next_random(4) == 0)
			reopen();
		else if (fsync(test.fd) < 0)
			fail("fsync");
		break;
	}
}

int main(int argc, char **argv)
{
	uint64_t checksum = UINT64_C(14695981039346656037);
	unsigned long nr_steps;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: fs_exercise FILE STEPS SEED\n");
		return 2;
	}
	test.path = argv[1];
	nr_steps = strtoul(argv[2], NULL, 10);
	test.random = strtoull(argv[3], NULL, 10) * 2 + 1;
	test.fd = open(test.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	test.reader = open(test.path, O_RDONLY | O_CLOEXEC);
	if (test.fd < 0 || test.reader < 0)
		fail("open");
	for (test.step = 1; test.step <= nr_steps; test.step++) {
		do_step();
		check_size();
		if (test.step % 100 == 0)
			read_range(test.reader, 0, MAX_SIZE);
	}
	reopen();
	read_range(test.reader, 0, MAX_SIZE);
	for (size_t index = 0; index < test.size; index++)
		checksum = (checksum ^ test.bytes[index]) * UINT64_C(1099511628211);
	printf("OK %016llx\n", (unsigned long long)checksum);
	return unlink(test.path) < 0;
}
