/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount_point.c - places of mounts in a tree whose symbolic links a stranger chose */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/container/mount_point.h"

/* DIRECTORY/root is the container's; DIRECTORY/outside must never be reached. */
static char directory[SCRATCH_DIR_SIZE];
static int top_fd, root_fd;
static struct error err;

static void set_up(void)
{
	scratch_dir_make(directory);
	top_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(mkdirat(top_fd, "root", 0755) == 0 && mkdirat(top_fd, "outside", 0755) == 0);
	root_fd = openat(top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(root_fd >= 0);
}

static bool exists(int fd, const char *path)
{
	return faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing but the two directories is at the top, and nothing in the one outside. */
static void tear_down(void)
{
	ok(unlinkat(top_fd, "outside", AT_REMOVEDIR) == 0);
	(void)close(root_fd);
	(void)close(top_fd);
	scratch_dir_remove(directory);
}

static uid_t owner; /* of what check_made() makes */

/* Make @path, and tell whether it is the file that @where below the root is. */
static void check_made(const char *path, bool is_file, const char *where)
{
	const struct mount_point point = { .is_file = is_file, .uid = owner, .gid = owner };
	struct stat made, wanted;
	int fd = mount_point_make(root_fd, path, &point, &err);

	if (!ok(fd >= 0)) {
		printf("# %s: %s\n", path, err.text);
		return;
	}
	ok(fcntl(fd, F_GETFL) & O_PATH);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ok(fstat(fd, &made) == 0 && fstatat(root_fd, where, &wanted, AT_SYMLINK_NOFOLLOW) == 0);
	ok(made.st_ino == wanted.st_ino && made.st_dev == wanted.st_dev);
	is_int(S_ISDIR(made.st_mode), !is_file);
	(void)close(fd);
}

static void check_refused(const char *path, bool is_file, int code)
{
	const struct mount_point point = { .is_file = is_file };

	is_int(mount_point_make(root_fd, path, &point, &err), -code);
	is_int(err.code, code);
}

/* Whatever had to be made, on the way too, belongs to the owner; what was there does not. */
static void test_owner(void)
{
	static const char *const made[] = { "a/b", "a/b/c", "a/f" };
	struct stat st;

	if (geteuid())
		return;
	set_up();
	check_made("/a", false, "a");
	owner = 1234;
	check_made("/a/b/c", false, "a/b/c");
	check_made("/a/f", true, "a/f");
	owner = 0;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		ok(fstatat(root_fd, made[i], &st, 0) == 0 && st.st_uid == 1234 &&
		   st.st_gid == 1234);
	ok(fstatat(root_fd, "a", &st, 0) == 0 && st.st_uid == 0);
	tear_down();
}

static void test_plain(void)
{
	set_up();
	check_made("/", false, ".");
	check_made("/a/b/c", false, "a/b/c");
	check_made("/a/b/c", false, "a/b/c"); /* what exists is used */
	check_made("/a/file", true, "a/file");
	check_made("/a/file", true, "a/file");
	check_made("/x/y/file", true, "x/y/file");
	check_made("//a//d", false, "a/d");
	check_made("/a/./e", false, "a/e");
	check_made("/e/../f", false, "f");
	check_made("/../../g", false, "g");
	tear_down();
}

static void test_kinds(void)
{
	set_up();
	check_made("/file", true, "file");
	check_made("/dir", false, "dir");
	check_refused("/dir", true, EISDIR);
	check_refused("/", true, EISDIR);
	check_refused("/file", false, ENOTDIR);
	check_refused("/file/below", false, ENOTDIR);
	check_refused("/file/below", true, ENOTDIR);
	/* Whatever is no directory can be covered by a file. */
	ok(mkfifoat(root_fd, "fifo", 0600) == 0);
	check_made("/fifo", true, "fifo");
	check_refused("/fifo", false, ENOTDIR);
	check_refused("relative", false, EINVAL);
	check_refused("", false, EINVAL);
	tear_down();
}

/* Links lead where they would lead if the root were "/". */
static void test_links(void)
{
	char absolute[SCRATCH_DIR_SIZE + 16];

	set_up();
	(void)snprintf(absolute, sizeof(absolute), "%s/outside", directory);
	ok(symlinkat("../../../../../outside", root_fd, "up") == 0);
	ok(symlinkat("/target", root_fd, "absolute") == 0);
	ok(symlinkat(absolute, root_fd, "away") == 0);
	ok(symlinkat("target/inner", root_fd, "relative") == 0);
	ok(symlinkat("absolute", root_fd, "chain") == 0);
	ok(mkdirat(root_fd, "target", 0755) == 0 && mkdirat(root_fd, "target/inner", 0755) == 0);

	check_made("/absolute", false, "target");
	check_made("/absolute/new", false, "target/new");
	check_made("/absolute/new-file", true, "target/new-file");
	check_made("/chain/other", false, "target/other");
	check_made("/relative/deep/er", false, "target/inner/deep/er");
	check_made("/relative/../back", false, "target/back");
	/* The directory of that name inside the root, not the one outside. */
	ok(mkdirat(root_fd, "outside", 0755) == 0);
	check_made("/up/new", false, "outside/new");
	/* The host's path means a path below the root too: nothing is made outside. */
	(void)strcat(absolute, "/new");
	check_made("/away/new", false, absolute + 1);
	ok(!exists(AT_FDCWD, absolute));
	tear_down();
}

/* What a dangling link leads to is made, inside the root: images ship such links in /etc. */
static void test_dangling_links_and_loops(void)
{
	set_up();
	ok(symlinkat("/nowhere/file", root_fd, "dangling") == 0);
	ok(symlinkat("../../run/sub", root_fd, "relative-dangling") == 0);
	ok(symlinkat("second", root_fd, "first") == 0 &&
	   symlinkat("third", root_fd, "second") == 0);
	check_made("/dangling", true, "nowhere/file");
	check_made("/relative-dangling/below", false, "run/sub/below");
	check_made("/first", false, "third");
	ok(symlinkat("loop", root_fd, "loop") == 0);
	ok(symlinkat("pong", root_fd, "ping") == 0 && symlinkat("ping", root_fd, "pong") == 0);
	for (int is_file = 0; is_file < 2; is_file++) {
		check_refused("/loop", is_file, ELOOP);
		check_refused("/loop/below", is_file, ELOOP);
		check_refused("/ping/below", is_file, ELOOP);
	}
	tear_down();
}

/* Links of /proc lead anywhere, so they lead nowhere. */
static void test_proc_links(void)
{
	set_up();
	(void)close(root_fd);
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	check_refused("/proc/self/root", false, ELOOP);
	check_refused("/proc/self/root/tmp", false, ELOOP);
	check_refused("/proc/self/cwd", false, ELOOP);
	check_refused("/proc/self/exe", true, ELOOP);
	tear_down();
}

static void test_long_paths(void)
{
	char path[PATH_MAX + 1];

	set_up();
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '.' : '/';
	path[1] = 'a';
	path[PATH_MAX] = 0;
	check_refused(path, false, ENAMETOOLONG);
	path[PATH_MAX - 1] = 0;
	check_refused(path + 1, false, EINVAL);
	path[PATH_MAX - 2] = 0; /* the longest that ends in a component */
	check_made(path, false, "a");
	memset(path + 1, 'b', 255);
	path[256] = 0;
	check_made(path, false, path + 1);
	path[256] = 'b';
	path[257] = 0;
	check_refused(path, false, ENAMETOOLONG);
	tear_down();
}

/* A root without write permission: the error says so, nothing is half made. */
static void test_read_only(void)
{
	if (geteuid() == 0) {
		printf("ok %u - a root that may not be changed # SKIP root may\n", ++tap_checks);
		return;
	}
	set_up();
	ok(fchmodat(top_fd, "root", 0555, 0) == 0);
	check_refused("/new", false, EACCES);
	check_refused("/new/below", true, EACCES);
	ok(fchmodat(top_fd, "root", 0755, 0) == 0);
	tear_down();
}

int main(void)
{
	test_plain();
	test_owner();
	test_kinds();
	test_links();
	test_dangling_links_and_loops();
	test_proc_links();
	test_long_paths();
	test_read_only();
	return tap_done();
}
