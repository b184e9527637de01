/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_ops DIR [COUNT] - every operation on names and directories, below DIR
 *
 * COUNT: files in the large directory (default 2000). To be run as root, in a guest and on the
 * host; the outputs are the same. Attributes and access are in fs_access.c, content in fs_data.c.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "tests/guest/fs_check.h"

#define OTHER_ID 1234

static void test_create_and_look_up(void)
{
	struct stat stat_now;

	FAILS("stat absent", stat("absent", &stat_now), ENOENT);
	SUCCEEDS("create", check_make_file("file", "hello"));
	SUCCEEDS("stat", stat("file", &stat_now));
	EQUALS("size", stat_now.st_size, 5);
	EQUALS("mode", stat_now.st_mode, S_IFREG | 0644);
	EQUALS("links", stat_now.st_nlink, 1);
	EQUALS("owner", stat_now.st_uid, geteuid());
	EQUALS("group", stat_now.st_gid, getegid());
	FAILS("create exclusively", open("file", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
	FAILS("open directory flag", open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS("name below a file", stat("file/x", &stat_now), ENOTDIR);
	FAILS("slash after a file", stat("file/", &stat_now), ENOTDIR);
	FAILS("write a directory", open(".", O_WRONLY), EISDIR);
	FAILS("empty name", stat("", &stat_now), ENOENT);
	SUCCEEDS("dot", stat("./././file", &stat_now));
	SUCCEEDS("dot dot", stat("../fs_ops.work/file", &stat_now));
}

static void test_names_of_all_bytes(void)
{
	char name[NAME_MAX + 2] = { 0 };

	for (int byte = 1; byte < 256; byte++)
		name[byte - 1] = (char)(byte == '/' ? '?' : byte);
	SUCCEEDS("255 bytes of every value", mkdir(name, 0755));
	EQUALS("its mode", check_mode(name), S_IFDIR | 0755);
	SUCCEEDS("rmdir it", rmdir(name));
	memset(name, 'n', NAME_MAX + 1);
	FAILS("256 bytes", mkdir(name, 0755), ENAMETOOLONG);
	FAILS("stat 256 bytes", access(name, F_OK), ENAMETOOLONG);
}

static void test_directories(void)
{
	struct stat stat_now;

	SUCCEEDS("mkdir", mkdir("dir", 0750));
	EQUALS("its mode", check_mode("dir"), S_IFDIR | 0750);
	FAILS("mkdir again", mkdir("dir", 0755), EEXIST);
	SUCCEEDS("file in it", check_make_file("dir/file", "x"));
	FAILS("rmdir not empty", rmdir("dir"), ENOTEMPTY);
	FAILS("rmdir a file", rmdir("dir/file"), ENOTDIR);
	AGREES("unlink a directory", unlink("dir"));
	FAILS("rmdir dot", rmdir("dir/."), EINVAL);
	SUCCEEDS("unlink", unlink("dir/file"));
	FAILS("unlink again", unlink("dir/file"), ENOENT);
	SUCCEEDS("stat directory", stat("dir", &stat_now));
	printf("links of a directory: %lu\n", (unsigned long)stat_now.st_nlink);
	SUCCEEDS("rmdir", rmdir("dir"));
}

static void test_special_files(void)
{
	struct stat stat_now;

	SUCCEEDS("mkfifo", mkfifo("fifo", 0620));
	EQUALS("fifo mode", check_mode("fifo"), S_IFIFO | 0600);
	SUCCEEDS("socket node", mknod("socket", S_IFSOCK | 0666, 0));
	EQUALS("socket mode", check_mode("socket"), S_IFSOCK | 0644);
	SUCCEEDS("regular node", mknod("regular", S_IFREG | 0600, 0));
	EQUALS("regular mode", check_mode("regular"), S_IFREG | 0600);
	if (mknod("device", S_IFCHR | 0600, makedev(259, 70000)) == 0) {
		(void)stat("device", &stat_now);
		HOLDS("device number",
		      stat_now.st_rdev == makedev(259, 70000) && S_ISCHR(stat_now.st_mode));
		SUCCEEDS("unlink device", unlink("device"));
	} else {
		EQUALS("device number", errno, EPERM);
	}
}

static void test_symbolic_links(void)
{
	static char target[PATH_MAX];
	static char buffer[PATH_MAX];
	const struct timespec times[2] = { { 111, 5 }, { 222, 6 } };
	struct stat stat_now;

	SUCCEEDS("symlink", symlink("file", "link"));
	EQUALS("readlink", readlink("link", buffer, sizeof(buffer)), 4);
	HOLDS("its target", !memcmp(buffer, "file", 4));
	HOLDS("through it", check_content_is("link", "hello"));
	FAILS("symlink again", symlink("x", "link"), EEXIST);
	FAILS("readlink a file", readlink("file", buffer, sizeof(buffer)), EINVAL);
	SUCCEEDS("dangling", symlink("/nowhere/../at all", "dangling"));
	FAILS("open dangling", open("dangling", O_RDONLY), ENOENT);
	SUCCEEDS("loop", symlink("loop", "loop"));
	FAILS("open loop", open("loop", O_RDONLY), ELOOP);
	FAILS("no follow", open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	SUCCEEDS("times of a link", utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW));
	(void)lstat("link", &stat_now);
	HOLDS("they are set", stat_now.st_mtim.tv_sec == 222 && stat_now.st_mtim.tv_nsec == 6);
	SUCCEEDS("owner of a link", lchown("link", OTHER_ID, OTHER_ID));
	(void)lstat("link", &stat_now);
	EQUALS("it is set", stat_now.st_uid, OTHER_ID);
	memset(target, 't', PATH_MAX - 1);
	SUCCEEDS("longest target", symlink(target, "long"));
	EQUALS("its length", readlink("long", buffer, sizeof(buffer)), PATH_MAX - 1);
	SUCCEEDS("unlink link", unlink("link"));
	HOLDS("its target stays", check_content_is("file", "hello"));
}

static void test_hard_links(void)
{
	struct stat first;
	struct stat second;
	char path[32];
	int fd;

	SUCCEEDS("link", link("file", "hard"));
	(void)stat("file", &first);
	(void)stat("hard", &second);
	HOLDS("same inode", first.st_ino == second.st_ino && first.st_dev == second.st_dev);
	EQUALS("link count", first.st_nlink, 2);
	FAILS("link exists", link("file", "hard"), EEXIST);
	FAILS("link a directory", link(".", "hard2"), EPERM);
	SUCCEEDS("write one", check_make_file("hard", "changed"));
	HOLDS("read the other", check_content_is("file", "changed"));
	SUCCEEDS("link a symlink", link("dangling", "hardlink"));
	HOLDS("it is one", S_ISLNK(check_mode("hardlink")));
	SUCCEEDS("unlink one", unlink("hard"));
	(void)stat("file", &first);
	EQUALS("link count after", first.st_nlink, 1);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	SUCCEEDS("nameless file", fd);
	SUCCEEDS("write it", write(fd, "named", 5));
	(void)fstat(fd, &first);
	EQUALS("its links", first.st_nlink, 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SUCCEEDS("name it", linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	HOLDS("its content", check_content_is("named", "named"));
	(void)close(fd);
}

static void test_rename(void)
{
	SUCCEEDS("make a", check_make_file("a", "a"));
	SUCCEEDS("make b", check_make_file("b", "b"));
	SUCCEEDS("rename", rename("a", "c"));
	FAILS("old name is gone", access("a", F_OK), ENOENT);
	SUCCEEDS("rename over", rename("c", "b"));
	HOLDS("new content", check_content_is("b", "a"));
	SUCCEEDS("make c", check_make_file("c", "c"));
	FAILS("no replace", renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE), EEXIST);
	SUCCEEDS("exchange", renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE));
	HOLDS("exchanged", check_content_is("b", "c") && check_content_is("c", "a"));
	FAILS("exchange with none", renameat2(AT_FDCWD, "b", AT_FDCWD, "a", RENAME_EXCHANGE),
	      ENOENT);
	AGREES("whiteout", renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_WHITEOUT));
	printf("type of whiteout: %o\n", check_mode("b") & S_IFMT);
	(void)unlink("b");
	SUCCEEDS("directories", mkdir("x", 0755) + mkdir("x/y", 0755) + mkdir("z", 0755));
	FAILS("into itself", rename("x", "x/y/x"), EINVAL);
	FAILS("file over directory", rename("c", "x"), EISDIR);
	FAILS("directory over file", rename("x", "c"), ENOTDIR);
	FAILS("over a full one", rename("z", "x"), ENOTEMPTY);
	SUCCEEDS("over an empty one", rename("x", "z"));
	SUCCEEDS("to another parent", rename("z/y", "y"));
	SUCCEEDS("it moved", rmdir("y"));
	FAILS("absent", rename("nothing", "y"), ENOENT);
	SUCCEEDS("same name", rename("c", "c"));
}

static void test_open_and_moved(void)
{
	char path[PATH_MAX];
	struct stat stat_now;
	int dir_fd;
	int fd;

	SUCCEEDS("mkdirs", mkdir("p", 0755) + mkdir("p/q", 0755));
	SUCCEEDS("file below", check_make_file("p/q/f", "deep"));
	dir_fd = open("p/q", O_RDONLY | O_DIRECTORY);
	SUCCEEDS("rename an open directory", rename("p", "r"));
	fd = openat(dir_fd, "f", O_RDWR);
	SUCCEEDS("open below it", fd);
	SUCCEEDS("fchdir", fchdir(dir_fd));
	HOLDS("getcwd", getcwd(path, sizeof(path)) && strlen(path) > 4 &&
				!strcmp(path + strlen(path) - 4, "/r/q"));
	SUCCEEDS("back", chdir("../.."));
	SUCCEEDS("unlink an open file", unlink("r/q/f"));
	SUCCEEDS("fstat it", fstat(fd, &stat_now));
	EQUALS("its links", stat_now.st_nlink, 0);
	EQUALS("write it", pwrite(fd, "still", 5, 0), 5);
	EQUALS("read it", pread(fd, path, 5, 0), 5);
	SUCCEEDS("fchmod it", fchmod(fd, 0600));
	SUCCEEDS("ftruncate it", ftruncate(fd, 100));
	(void)fstat(fd, &stat_now);
	EQUALS("its size", stat_now.st_size, 100);
	(void)close(fd);
	SUCCEEDS("into it", chdir("r/q"));
	SUCCEEDS("remove the working directory", rmdir("../q"));
	FAILS("create there", check_make_file("f", "x"), ENOENT);
	HOLDS("no getcwd", !getcwd(path, sizeof(path)) && errno == ENOENT);
	SUCCEEDS("out of it", fchdir(check_top));
	(void)close(dir_fd);
}

static unsigned int count_names(DIR *dir, unsigned char *seen, unsigned int count)
{
	unsigned int nr_names = 0;
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		unsigned int index;

		if (sscanf(entry->d_name, "f%u", &index) != 1 || index >= count)
			continue;
		nr_names++;
		seen[index]++;
	}
	return nr_names;
}

static void test_large_directory(unsigned int count)
{
	unsigned char *seen = calloc(count, 1);
	struct stat stat_now;
	bool is_consistent = true;
	unsigned int nr_wrong = 0;
	struct dirent *entry;
	char name[NAME_MAX + 1];
	long place = 0;
	DIR *dir;

	SUCCEEDS("large directory", mkdir("large", 0755));
	for (unsigned int index = 0; index < count; index++) {
		(void)snprintf(name, sizeof(name), "large/f%u", index);
		if (mknod(name, S_IFREG | 0644, 0) < 0)
			nr_wrong++;
	}
	EQUALS("not created", nr_wrong, 0);
	dir = opendir("large");
	if (!dir || !seen) {
		EQUALS("open it", 0, 1);
		return;
	}
	EQUALS("names", count_names(dir, seen, count), count);
	for (unsigned int index = 0; index < count; index++)
		nr_wrong += seen[index] != 1;
	EQUALS("skipped or told twice", nr_wrong, 0);
	rewinddir(dir);
	EQUALS("names after rewind", count_names(dir, seen, count), count);
	rewinddir(dir);
	for (unsigned int index = 0; index < count / 2 && (entry = readdir(dir)); index++)
		place = telldir(dir);
	entry = readdir(dir);
	(void)snprintf(name, sizeof(name), "%s", entry ? entry->d_name : "");
	(void)count_names(dir, seen, count);
	seekdir(dir, place);
	entry = readdir(dir);
	HOLDS("seek to a place", entry && !strcmp(name, entry->d_name));
	rewinddir(dir);
	for (unsigned int index = 0; index < 100 && (entry = readdir(dir)); index++)
		is_consistent =
			is_consistent && fstatat(dirfd(dir), entry->d_name, &stat_now, 0) == 0 &&
			(!strcmp(entry->d_name, "..") || stat_now.st_ino == entry->d_ino) &&
			(entry->d_type == DT_UNKNOWN || entry->d_type == IFTODT(stat_now.st_mode));
	HOLDS("inode and type agree", is_consistent);
	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] == 'f' && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			nr_wrong++;
	EQUALS("not removed while reading", nr_wrong, 0);
	(void)closedir(dir);
	SUCCEEDS("empty now", rmdir("large"));
	free(seen);
}

static void test_deep_directory(void)
{
	char path[PATH_MAX];
	int nr_made = 0;

	for (; nr_made < 100 && mkdir("level", 0755) == 0 && chdir("level") == 0; nr_made++)
		;
	EQUALS("levels down", nr_made, 100);
	HOLDS("getcwd", getcwd(path, sizeof(path)) && strlen(path) > 600);
	SUCCEEDS("file there", check_make_file("bottom", "deep"));
	SUCCEEDS("unlink", unlink("bottom"));
	for (nr_made = 0; nr_made < 100 && chdir("..") == 0 && rmdir("level") == 0; nr_made++)
		;
	EQUALS("levels up", nr_made, 100);
}

static void test_inotify(void)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} buffer;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	SUCCEEDS("watch", inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE));
	SUCCEEDS("create", check_make_file("watched", "x"));
	HOLDS("event", read(fd, &buffer, sizeof(buffer)) > 0 && buffer.event.mask & IN_CREATE &&
			       !strcmp(buffer.event.name, "watched"));
	SUCCEEDS("unlink", unlink("watched"));
	HOLDS("event", read(fd, &buffer, sizeof(buffer)) > 0 && buffer.event.mask & IN_DELETE);
	(void)close(fd);
}

static void test_file_system(void)
{
	struct statfs stat_now = { 0 };
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	SUCCEEDS("statfs", statfs(".", &stat_now));
	EQUALS("longest name", stat_now.f_namelen, NAME_MAX);
	HOLDS("blocks", stat_now.f_blocks >= stat_now.f_bfree && stat_now.f_bsize > 0);
	SUCCEEDS("fsync directory", fsync(fd));
	SUCCEEDS("syncfs", syncfs(fd));
	FAILS("read a directory", read(fd, &stat_now, 1), EISDIR);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	static char home[PATH_MAX];

	if (argc < 2) {
		(void)fprintf(stderr, "usage: fs_ops DIR [COUNT]\n");
		return 2;
	}
	check_begin(argv[1], "fs_ops.work");
	test_create_and_look_up();
	test_names_of_all_bytes();
	test_directories();
	test_special_files();
	test_symbolic_links();
	test_hard_links();
	test_rename();
	if (!getcwd(home, sizeof(home)))
		return 2;
	test_open_and_moved();
	if (chdir(home) < 0)
		return 2;
	test_large_directory(argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 2000);
	test_deep_directory();
	test_inotify();
	test_file_system();
	return check_end("fs_ops.work");
}
