/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_container_tree.c - paths below a root whose content is hostile
 *
 * Every check that something stayed inside is a check that it did not appear outside: the root is
 * a directory of a directory, and links lead to both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/container_tree.h"
#include "guest-init/copy_up.h"
#include "tests/unit/tap.h"

static int outer_fd; /* a directory that is none of the container's business */
static int root_fd;  /* the directory "root" in it */

static void make_file(int dir_fd, const char *path, const char *text)
{
	int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static bool exists(int dir_fd, const char *path)
{
	return !faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* Close @fd and return whether it was one. */
static bool opened(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static void test_open_stays_inside(void)
{
	char buffer[16] = "";

	make_file(outer_fd, "secret", "outside");
	make_file(root_fd, "secret", "inside");
	ok(!symlinkat("../secret", root_fd, "up"));
	ok(!symlinkat("/secret", root_fd, "absolute"));
	ok(!symlinkat("/proc/self/root/etc/passwd", root_fd, "magic"));
	is_int(container_tree_read(root_fd, "/up", buffer, sizeof(buffer)), 6);
	ok(!memcmp(buffer, "inside", 6));
	is_int(container_tree_read(root_fd, "/absolute", buffer, sizeof(buffer)), 6);
	is_int(container_tree_read(root_fd, "/../../../secret", buffer, sizeof(buffer)), 6);
	is_int(container_tree_read(root_fd, "/magic", buffer, sizeof(buffer)), -ENOENT);
	is_int(container_tree_open(root_fd, "/absent", O_PATH), -ENOENT);
}

static void test_read_is_bounded_and_patient_with_nobody(void)
{
	char buffer[4];

	is_int(container_tree_read(root_fd, "/secret", buffer, sizeof(buffer)), 4);
	ok(!mkfifoat(root_fd, "fifo", 0666));
	is_int(container_tree_read(root_fd, "/fifo", buffer, sizeof(buffer)), -EINVAL);
	is_int(container_tree_read(root_fd, "/", buffer, sizeof(buffer)), -EINVAL);
}

static void test_make(void)
{
	struct stat st;

	ok(opened(container_tree_make(root_fd, "/a/b//c/", false)));
	ok(!fstatat(root_fd, "a/b/c", &st, 0));
	is_int(st.st_mode, S_IFDIR | 0755);
	ok(opened(container_tree_make(root_fd, "/a/x/file", true)));
	ok(!fstatat(root_fd, "a/x/file", &st, 0));
	ok(S_ISREG(st.st_mode) && st.st_size == 0);
	ok(opened(container_tree_make(root_fd, "/secret", true)));
	ok(!fstatat(root_fd, "secret", &st, 0));
	is_int(st.st_size, 6);
	is_int(container_tree_make(root_fd, "/secret/below", false), -ENOTDIR);
	ok(opened(container_tree_make(root_fd, "/", false)));
}

static void test_make_through_links(void)
{
	ok(!symlinkat("/made/by/link", root_fd, "dangling"));
	ok(opened(container_tree_make(root_fd, "/dangling/sub", false)));
	ok(exists(root_fd, "made/by/link/sub"));
	ok(!symlinkat("../../../climbed", root_fd, "climb"));
	ok(opened(container_tree_make(root_fd, "/climb/sub", false)));
	ok(exists(root_fd, "climbed/sub"));
	ok(!exists(outer_fd, "climbed"));
	ok(!symlinkat("relative", root_fd, "a/link"));
	ok(opened(container_tree_make(root_fd, "/a/link", false)));
	ok(exists(root_fd, "a/relative"));
	ok(!symlinkat("loop2", root_fd, "loop1"));
	ok(!symlinkat("loop1", root_fd, "loop2"));
	is_int(container_tree_make(root_fd, "/loop1/x", false), -ELOOP);
	ok(!symlinkat("grow/x", root_fd, "grow"));
	is_int(container_tree_make(root_fd, "/grow", false), -ELOOP);
}

static void test_make_parent(void)
{
	const char *name = NULL;

	ok(opened(container_tree_make_parent(root_fd, "/dev/net/tun", &name)));
	is_str(name, "tun");
	ok(exists(root_fd, "dev/net"));
	ok(!exists(root_fd, "dev/net/tun"));
	ok(opened(container_tree_make_parent(root_fd, "/top", &name)));
	is_str(name, "top");
	is_int(container_tree_make_parent(root_fd, "/", &name), -EINVAL);
	is_int(container_tree_make_parent(root_fd, "/dir/", &name), -EINVAL);
}

static void test_copy_up(void)
{
	int from_fd;
	int to_fd;
	struct stat st;
	struct failure err;
	char target[32] = "";

	ok(!mkdirat(root_fd, "from", 0755) && !mkdirat(root_fd, "to", 0755));
	from_fd = openat(root_fd, "from", O_PATH | O_DIRECTORY | O_CLOEXEC);
	to_fd = openat(root_fd, "to", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(!mkdirat(from_fd, "dir", 0750));
	make_file(from_fd, "dir/file", "content");
	ok(!fchmodat(from_fd, "dir/file", 04711, 0));
	ok(!symlinkat("/etc", from_fd, "link"));
	ok(!mkfifoat(from_fd, "pipe", 0640));
	is_int(copy_up(from_fd, to_fd, &err), 0);
	ok(!fstatat(to_fd, "dir", &st, 0) && st.st_mode == (S_IFDIR | 0750));
	ok(!fstatat(to_fd, "dir/file", &st, 0) && st.st_mode == (S_IFREG | 04711));
	is_int(st.st_size, 7);
	ok(!fstatat(to_fd, "pipe", &st, 0) && st.st_mode == (S_IFIFO | 0640));
	is_int(readlinkat(to_fd, "link", target, sizeof(target)), 4);
	is_str(target, "/etc");
	/* What is there already is no place to copy to. */
	ok(copy_up(from_fd, to_fd, &err) < 0);
	(void)close(from_fd);
	(void)close(to_fd);
}

static void test_copy_up_has_a_bottom(void)
{
	int dir_fd;
	int to_fd;
	struct failure err;

	ok(!mkdirat(root_fd, "deep", 0755) && !mkdirat(root_fd, "shallow", 0755));
	dir_fd = openat(root_fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < 100 && dir_fd >= 0; i++) {
		int next_fd;

		(void)mkdirat(dir_fd, "d", 0755);
		next_fd = openat(dir_fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)close(dir_fd);
		dir_fd = next_fd;
	}
	(void)close(dir_fd);
	dir_fd = openat(root_fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
	to_fd = openat(root_fd, "shallow", O_PATH | O_DIRECTORY | O_CLOEXEC);
	is_int(copy_up(dir_fd, to_fd, &err), -ELOOP);
	(void)close(dir_fd);
	(void)close(to_fd);
}

int main(void)
{
	char directory[] = "/tmp/test-guest-tree-XXXXXX";
	char command[64];

	ok(mkdtemp(directory) != NULL);
	(void)umask(022);
	outer_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(!mkdirat(outer_fd, "root", 0755));
	root_fd = openat(outer_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	test_open_stays_inside();
	test_read_is_bounded_and_patient_with_nobody();
	test_make();
	test_make_through_links();
	test_make_parent();
	test_copy_up();
	test_copy_up_has_a_bottom();
	(void)close(root_fd);
	(void)close(outer_fd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	ok(!system(command));
	return tap_done();
}
