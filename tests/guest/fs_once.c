/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_once - every kind of file operation once: fs_once DIRECTORY
 *
 * For whoever wants to see what they need on the way (tests/container/sandbox.bats), not what they
 * do: that is fs_ops and others.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failures;

static void check(long result, const char *what)
{
	if (result >= 0)
		return;
	printf("%s: %s\n", what, strerrorname_np(errno));
	failures++;
}

#define CHECK(call) check((long)(call), #call)

static void change_names(void)
{
	char target[64];

	CHECK(mkdir("directory", 0755));
	CHECK(symlink("target", "link"));
	CHECK(readlink("link", target, sizeof(target)));
	CHECK(mknod("fifo", S_IFIFO | 0600, 0));
	CHECK(link("fifo", "directory/fifo"));
	CHECK(rename("directory/fifo", "directory/other"));
	CHECK(renameat2(AT_FDCWD, "fifo", AT_FDCWD, "link", RENAME_EXCHANGE));
	CHECK(unlink("directory/other"));
	CHECK(rmdir("directory"));
	CHECK(unlink("link"));
	CHECK(unlink("fifo"));
}

static void change_file(void)
{
	static char data[8192];
	struct iovec vector = { data, sizeof(data) };
	int fd = open("file", O_RDWR | O_CREAT, 0644);
	int copy = open("copy", O_RDWR | O_CREAT, 0644);
	char *mapped;

	CHECK(fd);
	CHECK(pwritev(fd, &vector, 1, 0));
	CHECK(pread(fd, data, sizeof(data), 0));
	CHECK(copy_file_range(fd, NULL, copy, NULL, sizeof(data), 0));
	CHECK(fcntl(fd, F_SETFL, O_APPEND));
	CHECK(write(fd, data, 1));
	CHECK(fallocate(fd, 0, 0, 65536));
	CHECK(lseek(fd, 0, SEEK_HOLE));
	CHECK(fchmod(fd, 06755)); /* lost with the next write */
	CHECK(write(fd, data, 1));
	CHECK(ftruncate(fd, 100));
	CHECK(fdatasync(fd));
	CHECK(fsync(fd));
	CHECK(syncfs(fd));
	CHECK(futimens(fd, NULL));
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mapped == MAP_FAILED ? -1 : 0);
	if (mapped != MAP_FAILED)
		mapped[0] = 1;
	CHECK(close(fd));
	CHECK(close(copy));
}

static void change_attributes(void)
{
	struct statvfs st;
	char text[64];

	CHECK(chmod("file", 0600));
	CHECK(chown("file", 0, 0));
	CHECK(truncate("file", 10));
	CHECK(statvfs("file", &st));
	CHECK(setxattr("file", "user.name", "value", 5, 0));
	CHECK(getxattr("file", "user.name", text, sizeof(text)));
	CHECK(listxattr("file", text, sizeof(text)));
	CHECK(removexattr("file", "user.name"));
}

int main(int argc, char **argv)
{
	DIR *directory;

	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	change_names();
	change_file();
	change_attributes();
	directory = opendir(".");
	CHECK(directory && readdir(directory) ? 0 : -1);
	if (directory)
		(void)closedir(directory);
	CHECK(unlink("file"));
	CHECK(unlink("copy"));
	printf("failures: %d\n", failures);
	return failures != 0;
}
