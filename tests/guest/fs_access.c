/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_access DIR - every operation on attributes, and who may do what, below DIR
 *
 * To be run as root, in a guest and on the host; the outputs are the same.
 */
#include <sys/xattr.h>
#include <time.h>

#include "tests/guest/fs_check.h"

#define OTHER_ID 1234
#define ACL_SIZE 44

static void test_times_and_modes(void)
{
	const struct timespec times[2] = { { 1234567890, 123456789 }, { -1, 999999999 } };
	const struct timespec omit[2] = { { 0, UTIME_OMIT }, { 2000000000, 1 } };
	struct stat before;
	struct stat after;
	int fd;

	SUCCEEDS("utimensat", utimensat(AT_FDCWD, "file", times, 0));
	(void)stat("file", &before);
	printf("atime: %ld.%09ld\n", (long)before.st_atim.tv_sec, before.st_atim.tv_nsec);
	printf("mtime: %ld.%09ld\n", (long)before.st_mtim.tv_sec, before.st_mtim.tv_nsec);
	SUCCEEDS("omit", utimensat(AT_FDCWD, "file", omit, 0));
	(void)stat("file", &after);
	HOLDS("only mtime",
	      after.st_atim.tv_sec == 1234567890 && after.st_mtim.tv_sec == 2000000000);
	(void)usleep(20000); /* the clock behind ctime ticks a hundred times a second */
	SUCCEEDS("now", utimensat(AT_FDCWD, "file", NULL, 0));
	(void)stat("file", &after);
	HOLDS("time of today", labs((long)after.st_mtim.tv_sec - (long)time(NULL)) < 60);
	HOLDS("ctime moves", after.st_ctim.tv_sec > before.st_ctim.tv_sec ||
				     after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
	SUCCEEDS("chmod", chmod("file", 07777));
	EQUALS("all bits", check_mode("file"), S_IFREG | 07777);
	SUCCEEDS("chown", chown("file", OTHER_ID, OTHER_ID + 1));
	EQUALS("suid and sgid are gone", check_mode("file"), S_IFREG | 01777);
	(void)stat("file", &after);
	HOLDS("owner and group", after.st_uid == OTHER_ID && after.st_gid == OTHER_ID + 1);
	SUCCEEDS("group only", chown("file", (uid_t)-1, 0));
	fd = open("file", O_RDWR);
	SUCCEEDS("fchown", fchown(fd, 0, 0));
	SUCCEEDS("fchmod", fchmod(fd, 0644));
	SUCCEEDS("futimens", futimens(fd, times));
	(void)close(fd);
	SUCCEEDS("truncate", truncate("file", 3));
	EQUALS("shorter", check_size("file"), 3);
	SUCCEEDS("truncate up", truncate("file", 70000));
	EQUALS("longer", check_size("file"), 70000);
	FAILS("truncate a directory", truncate(".", 0), EISDIR);
	FAILS("truncate negative", truncate("file", -1), EINVAL);
}

static int open_read(const char *path)
{
	return open(path, O_RDONLY);
}

static int open_write(const char *path)
{
	return open(path, O_WRONLY);
}

static int write_byte(const char *path)
{
	int fd = open(path, O_WRONLY);

	return fd < 0 ? -1 : (int)write(fd, "x", 1);
}

static int truncate_to_one(const char *path)
{
	return truncate(path, 1);
}

static int make_setgid(const char *path)
{
	return chmod(path, 02755);
}

static int make_file_in(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL, 0664);
}

static int make_directory(const char *path)
{
	return mkdir(path, 0775);
}

static void test_other_user(void)
{
	struct stat stat_now;

	SUCCEEDS("private file", check_make_file("private", "secret") + chmod("private", 0600));
	FAILS("read it as other", check_as_user(OTHER_ID, OTHER_ID, open_read, "private"), EACCES);
	SUCCEEDS("make it readable", chmod("private", 0644));
	SUCCEEDS("read it", check_as_user(OTHER_ID, OTHER_ID, open_read, "private"));
	FAILS("write it", check_as_user(OTHER_ID, OTHER_ID, open_write, "private"), EACCES);
	FAILS("chmod it", check_as_user(OTHER_ID, OTHER_ID, make_setgid, "private"), EPERM);
	FAILS("create beside it", check_as_user(OTHER_ID, OTHER_ID, make_file_in, "o"), EACCES);
	FAILS("unlink it", check_as_user(OTHER_ID, OTHER_ID, unlink, "private"), EACCES);
	SUCCEEDS("unreadable to the owner", chmod("private", 0));
	SUCCEEDS("root reads it", open_read("private"));
	SUCCEEDS("sticky directory", mkdir("sticky", 0777) + chmod("sticky", 01777));
	SUCCEEDS("create as other", check_as_user(OTHER_ID, OTHER_ID, make_file_in, "sticky/o"));
	(void)stat("sticky/o", &stat_now);
	HOLDS("it is the other's", stat_now.st_uid == OTHER_ID && stat_now.st_gid == OTHER_ID);
	FAILS("unlink as a third", check_as_user(99, 99, unlink, "sticky/o"), EPERM);
	SUCCEEDS("unlink as owner", check_as_user(OTHER_ID, OTHER_ID, unlink, "sticky/o"));
	SUCCEEDS("mkdir as other", check_as_user(OTHER_ID, OTHER_ID, make_directory, "sticky/d"));
	(void)stat("sticky/d", &stat_now);
	HOLDS("it is the other's", stat_now.st_uid == OTHER_ID);
	SUCCEEDS("rmdir as owner", check_as_user(OTHER_ID, OTHER_ID, rmdir, "sticky/d"));
}

static void test_suid_and_sgid(void)
{
	struct stat stat_now;

	SUCCEEDS("program", check_make_file("suid", "12345") + chmod("suid", 06777));
	SUCCEEDS("write as other", check_as_user(OTHER_ID, OTHER_ID, write_byte, "suid"));
	EQUALS("bits are gone", check_mode("suid"), S_IFREG | 0777);
	SUCCEEDS("again", chmod("suid", 06777));
	SUCCEEDS("truncate as other", check_as_user(OTHER_ID, OTHER_ID, truncate_to_one, "suid"));
	EQUALS("bits are gone too", check_mode("suid"), S_IFREG | 0777);
	SUCCEEDS("and again", chmod("suid", 06777));
	SUCCEEDS("write as root", write_byte("suid"));
	EQUALS("bits stay", check_mode("suid"), S_IFREG | 06777);
	SUCCEEDS("foreign group", chown("suid", OTHER_ID, 77));
	SUCCEEDS("setgid by owner outside the group",
		 check_as_user(OTHER_ID, OTHER_ID, make_setgid, "suid"));
	EQUALS("is not set", check_mode("suid"), S_IFREG | 0755);
	SUCCEEDS("setgid directory",
		 mkdir("group", 0755) + chown("group", 0, 77) + chmod("group", 02777));
	SUCCEEDS("file in it", check_as_user(OTHER_ID, OTHER_ID, make_file_in, "group/f"));
	(void)stat("group/f", &stat_now);
	HOLDS("has its group", stat_now.st_uid == OTHER_ID && stat_now.st_gid == 77);
	SUCCEEDS("directory in it", check_as_user(OTHER_ID, OTHER_ID, make_directory, "group/d"));
	(void)stat("group/d", &stat_now);
	HOLDS("has its group and bit", stat_now.st_gid == 77 && stat_now.st_mode & S_ISGID);
}

static void test_umask(void)
{
	(void)umask(077);
	SUCCEEDS("create with umask 077", check_make_file("masked", "x"));
	EQUALS("mode", check_mode("masked"), S_IFREG | 0600);
	SUCCEEDS("mkdir", mkdir("masked dir", 01777));
	EQUALS("mode of directory", check_mode("masked dir"), S_IFDIR | 01700);
	SUCCEEDS("mknod", mknod("masked fifo", S_IFIFO | 0666, 0));
	EQUALS("mode of fifo", check_mode("masked fifo"), S_IFIFO | 0600);
	(void)umask(0);
	SUCCEEDS("suid at birth", close(open("born", O_CREAT | O_WRONLY, 04755)));
	EQUALS("it has it", check_mode("born"), S_IFREG | 04755);
	(void)umask(022);
}

/* user::rw- user:OTHER_ID:@other group::r-- mask::rw- other::---, as the kernel stores it. */
static void make_acl(unsigned char acl[ACL_SIZE], unsigned char other)
{
	const unsigned char entries[5][4] = {
		{ 1, 0, 6, 0 },	 { 2, 0, other, 0 }, { 4, 0, 4, 0 },
		{ 16, 0, 6, 0 }, { 32, 0, 0, 0 },
	};

	memset(acl, 0xff, ACL_SIZE);
	memcpy(acl, "\2\0\0\0", 4);
	for (int index = 0; index < 5; index++)
		memcpy(acl + 4 + 8 * index, entries[index], 4);
	memcpy(acl + 4 + 8 + 4, "\322\4\0\0", 4);
}

static void test_access_lists(void)
{
	unsigned char acl[ACL_SIZE];

	SUCCEEDS("file", check_make_file("listed", "x") + chmod("listed", 0640));
	make_acl(acl, 6);
	if (setxattr("listed", "system.posix_acl_access", acl, sizeof(acl), 0) < 0) {
		printf("access list: %s\n", check_errno_name(errno));
		return;
	}
	EQUALS("mask shows as group", check_mode("listed"), S_IFREG | 0660);
	SUCCEEDS("named user writes", check_as_user(OTHER_ID, OTHER_ID, open_write, "listed"));
	FAILS("a third does not read", check_as_user(99, 99, open_read, "listed"), EACCES);
	make_acl(acl, 0);
	SUCCEEDS("shut out", setxattr("listed", "system.posix_acl_access", acl, sizeof(acl), 0));
	FAILS("named user", check_as_user(OTHER_ID, OTHER_ID, open_read, "listed"), EACCES);
	make_acl(acl, 6);
	SUCCEEDS("directory", mkdir("inherit", 0755));
	SUCCEEDS("default list",
		 setxattr("inherit", "system.posix_acl_default", acl, sizeof(acl), 0));
	(void)umask(077);
	SUCCEEDS("create there", close(open("inherit/f", O_CREAT | O_WRONLY, 0666)));
	(void)umask(022);
	EQUALS("list, not umask, decides", check_mode("inherit/f"), S_IFREG | 0660);
	EQUALS("list is inherited", getxattr("inherit/f", "system.posix_acl_access", NULL, 0),
	       ACL_SIZE);
	SUCCEEDS("remove list", removexattr("inherit", "system.posix_acl_default"));
}

static void test_extended_attributes(void)
{
	static char big[60000];
	char buffer[256];

	SUCCEEDS("file", check_make_file("attributed", "x"));
	if (setxattr("attributed", "user.one", "first", 5, 0) < 0) {
		printf("user attributes: %s\n", check_errno_name(errno));
	} else {
		FAILS("create existing", setxattr("attributed", "user.one", "x", 1, XATTR_CREATE),
		      EEXIST);
		FAILS("replace absent", setxattr("attributed", "user.two", "x", 1, XATTR_REPLACE),
		      ENODATA);
		SUCCEEDS("empty value", setxattr("attributed", "user.empty", "", 0, 0));
		EQUALS("size", getxattr("attributed", "user.one", NULL, 0), 5);
		EQUALS("value", getxattr("attributed", "user.one", buffer, sizeof(buffer)), 5);
		HOLDS("is right", !memcmp(buffer, "first", 5));
		FAILS("too small", getxattr("attributed", "user.one", buffer, 2), ERANGE);
		FAILS("absent", getxattr("attributed", "user.none", buffer, 9), ENODATA);
		EQUALS("list", listxattr("attributed", buffer, sizeof(buffer)), 20);
		SUCCEEDS("remove", removexattr("attributed", "user.one"));
		FAILS("remove again", removexattr("attributed", "user.one"), ENODATA);
		FAILS("on a link", lsetxattr("dangling", "user.one", "x", 1, 0), EPERM);
		FAILS("on a fifo", setxattr("fifo", "user.one", "x", 1, 0), EPERM);
		SUCCEEDS("on a directory", setxattr(".", "user.one", "x", 1, 0));
		AGREES("large", setxattr("attributed", "user.big", big, sizeof(big), 0));
		AGREES("large back", getxattr("attributed", "user.big", big, sizeof(big)));
	}
	/* CAP_NET_BIND_SERVICE, permitted and effective. */
	AGREES("file capability", setxattr("attributed", "security.capability",
					   "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
	SUCCEEDS("write", write_byte("attributed"));
	FAILS("capability is gone", getxattr("attributed", "security.capability", buffer, 64),
	      ENODATA);
	MAY_REFUSE("trusted", setxattr("attributed", "trusted.x", "x", 1, 0), EPERM, EOPNOTSUPP);
	FAILS("unknown kind", setxattr("attributed", "nonsense.x", "x", 1, 0), EOPNOTSUPP);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "usage: fs_access DIR\n");
		return 2;
	}
	check_begin(argv[1], "fs_access.work");
	SUCCEEDS("files to work on", check_make_file("file", "hello") + mkfifo("fifo", 0600) +
					     symlink("nowhere", "dangling"));
	test_times_and_modes();
	test_other_user();
	test_suid_and_sgid();
	test_umask();
	test_access_lists();
	test_extended_attributes();
	return check_end("fs_access.work");
}
