/* SPDX-License-Identifier: Apache-2.0 */
/* Directories large and small, mounts in the tree, attributes by name, and descriptors running out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/fuse_client.h"
#include "tests/unit/tap.h"

#define MANY 100000

static struct fuse_client *client;
static bool has_mounts; /* of our own */
static uint8_t seen[MANY];

static void make_many(const char *directory, unsigned int count)
{
	unsigned int nr_made = 0;
	char name[32];
	int fd;

	(void)mkdirat(client->export_fd, directory, 0755);
	fd = openat(client->export_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int index = 0; index < count; index++) {
		(void)snprintf(name, sizeof(name), "n%u", index);
		nr_made += mknodat(fd, name, S_IFREG | 0644, 0) == 0;
	}
	is_int(nr_made, count);
	(void)close(fd);
}

struct walk {
	unsigned int nr_names;
	unsigned int nr_dots;
	unsigned int nr_nodes;
	unsigned int nr_wrong;
	uint64_t offset; /* where to go on */
};

/* Take the names of one reply into @walk. Forgets the nodes of a READDIRPLUS reply. */
static void take_names(struct walk *walk, bool is_plus, size_t len)
{
	static uint8_t copy[65536];

	memcpy(copy, fuse_client_payload(client), len);
	for (size_t at = 0; at < len;) {
		struct fuse_entry_out entry = { 0 };
		struct fuse_dirent dirent;
		char name[NAME_MAX + 1] = { 0 };
		unsigned int index;

		if (is_plus) {
			memcpy(&entry, copy + at, sizeof(entry));
			at += sizeof(entry);
		}
		memcpy(&dirent, copy + at, FUSE_NAME_OFFSET);
		memcpy(name, copy + at + FUSE_NAME_OFFSET, dirent.namelen);
		at += FUSE_DIRENT_SIZE(&dirent);
		walk->offset = dirent.off;
		walk->nr_nodes += entry.nodeid != 0;
		if (entry.nodeid != 0) {
			walk->nr_wrong += entry.attr.ino != dirent.ino;
			fuse_client_forget(client, entry.nodeid, 1);
		}
		if (name[0] == '.') {
			walk->nr_dots++;
			walk->nr_wrong += entry.nodeid != 0;
		} else if (sscanf(name, "n%u", &index) == 1 && index < MANY) {
			walk->nr_names++;
			walk->nr_wrong += seen[index]++ != 0;
			walk->nr_wrong += dirent.type != DT_REG;
		}
	}
}

/* Read a whole directory in replies of @size bytes. */
static struct walk walk_directory(const char *name, uint32_t opcode, uint32_t size)
{
	struct walk walk = { 0 };
	struct fuse_entry_out directory;
	uint64_t fh;
	int len;

	memset(seen, 0, sizeof(seen));
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, name, &directory), 0);
	is_int(fuse_client_open(client, FUSE_OPENDIR, directory.nodeid, O_RDONLY, &fh), 0);
	while ((len = fuse_client_read(client, opcode, directory.nodeid, fh, walk.offset, size)) >
	       0)
		take_names(&walk, opcode == FUSE_READDIRPLUS, (size_t)len);
	is_int(len, 0);
	is_int(fuse_client_release(client, FUSE_RELEASEDIR, fh), 0);
	return walk;
}

static void test_small_directories(void)
{
	const uint32_t sizes[] = { 32, 100, 280, 512, 1000, 4096, 65536 };

	make_many("small", 300);
	for (size_t index = 0; index < sizeof(sizes) / sizeof(*sizes); index++) {
		struct walk walk = walk_directory("small", FUSE_READDIR, sizes[index]);

		ok(walk.nr_names == 300 && walk.nr_dots == 2 && walk.nr_wrong == 0);
		if (sizes[index] < 160)
			continue;
		walk = walk_directory("small", FUSE_READDIRPLUS, sizes[index]);
		ok(walk.nr_names == 300 && walk.nr_dots == 2 && walk.nr_wrong == 0);
		is_int(walk.nr_nodes, 300);
	}
}

static void test_long_names(void)
{
	struct fuse_entry_out root;
	char name[NAME_MAX + 1] = { 0 };
	unsigned int nr_found = 0;
	uint64_t offset = 0;
	uint64_t fh;
	int len;

	is_int(mkdirat(client->export_fd, "long", 0755), 0);
	memset(name, '\xff', NAME_MAX);
	for (unsigned int index = 0; index < 20; index++) {
		int fd = openat(client->export_fd, "long", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		name[0] = (char)(1 + index);
		(void)mkdirat(fd, name, 0755);
		(void)close(fd);
	}
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "long", &root), 0);
	is_int(fuse_client_lookup(client, root.nodeid, name, &root), 0);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "long", &root), 0);
	is_int(fuse_client_open(client, FUSE_OPENDIR, root.nodeid, O_RDONLY, &fh), 0);
	/* No room for one name is an error, not the end. */
	is_int(fuse_client_read(client, FUSE_READDIR, root.nodeid, fh, 0, 8), -EINVAL);
	while ((len = fuse_client_read(client, FUSE_READDIR, root.nodeid, fh, offset, 1024)) > 0) {
		const uint8_t *payload = fuse_client_payload(client);

		for (int at = 0; at < len;) {
			struct fuse_dirent dirent;

			memcpy(&dirent, payload + at, FUSE_NAME_OFFSET);
			nr_found += dirent.namelen == NAME_MAX && dirent.type == DT_DIR;
			offset = dirent.off;
			at += (int)FUSE_DIRENT_SIZE(&dirent);
		}
	}
	is_int(nr_found, 20);
	is_int(fuse_client_release(client, FUSE_RELEASEDIR, fh), 0);
}

static void test_huge_directory(void)
{
	struct fuse_client *on_disk = client;
	struct walk walk;

	/* In memory: it is the count that matters. */
	client = fuse_client_new("/dev/shm");
	if (!ok(client && fuse_client_init(client, UINT32_MAX) == 0))
		return;
	make_many("huge", MANY);
	walk = walk_directory("huge", FUSE_READDIR, 4096);
	ok(walk.nr_names == MANY && walk.nr_dots == 2 && walk.nr_wrong == 0);
	walk = walk_directory("huge", FUSE_READDIRPLUS, 4096);
	ok(walk.nr_names == MANY && walk.nr_dots == 2 && walk.nr_wrong == 0);
	is_int(walk.nr_nodes, MANY);
	fuse_client_free(client);
	client = on_disk;
}

static void test_dot_dot_of_the_root(void)
{
	struct stat above;
	const uint8_t *payload = fuse_client_payload(client);
	unsigned int nr_above = 0;
	uint64_t fh;
	int len;

	is_int(stat(client->directory, &above), 0);
	is_int(fuse_client_open(client, FUSE_OPENDIR, FUSE_ROOT_ID, O_RDONLY, &fh), 0);
	len = fuse_client_read(client, FUSE_READDIR, FUSE_ROOT_ID, fh, 0, 65536);
	ok(len > 0);
	for (int at = 0; at < len;) {
		struct fuse_dirent dirent;

		memcpy(&dirent, payload + at, FUSE_NAME_OFFSET);
		nr_above += dirent.ino == above.st_ino;
		at += (int)FUSE_DIRENT_SIZE(&dirent);
	}
	is_int(nr_above, 0);
}

static int set_attribute(uint64_t node, const char *name, const char *value)
{
	const struct fuse_setxattr_in in = { .size = (uint32_t)strlen(value) };

	fuse_client_begin(client, FUSE_SETXATTR, node);
	fuse_client_add(client, &in, sizeof(in));
	fuse_client_add_string(client, name);
	fuse_client_add(client, value, strlen(value));
	return fuse_client_send(client);
}

static int get_attribute(uint64_t node, uint32_t opcode, const char *name, uint32_t size)
{
	const struct fuse_getxattr_in in = { .size = size };

	return fuse_client_call(client, opcode, node, &in, sizeof(in), name, NULL);
}

static void test_extended_attributes(void)
{
	struct fuse_entry_out entry;
	struct fuse_getxattr_out out;
	uint64_t fh;
	int fd;

	is_int(fuse_client_create(client, 1, "attributed", O_RDWR, 0644, &entry, &fh), 0);
	is_int(set_attribute(entry.nodeid, "user.one", "value"), 0);
	is_int(set_attribute(entry.nodeid, "security.selinux", "label"), -EOPNOTSUPP);
	is_int(set_attribute(entry.nodeid, "security.ima", "x"), -EOPNOTSUPP);
	is_int(set_attribute(entry.nodeid, "system.other", "x"), -EOPNOTSUPP);
	is_int(set_attribute(entry.nodeid, "", "x"), -EINVAL);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "user.one", 100), 0);
	ok(client->reply_len == 5 && !memcmp(fuse_client_payload(client), "value", 5));
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "user.one", 0), 0);
	memcpy(&out, fuse_client_payload(client), sizeof(out));
	is_int(out.size, 5);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "user.one", 2), -ERANGE);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "user.none", 2), -ENODATA);
	/* A label that the host has put there is not shown either. */
	fd = openat(client->export_fd, "attributed", O_RDONLY | O_CLOEXEC);
	ok(fsetxattr(fd, "security.bulkhead", "label", 5, 0) == 0 || errno == EPERM);
	(void)close(fd);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "security.bulkhead", 100), -EOPNOTSUPP);
	is_int(get_attribute(entry.nodeid, FUSE_LISTXATTR, NULL, 100), 0);
	ok(client->reply_len == 9 && !memcmp(fuse_client_payload(client), "user.one", 9));
	is_int(get_attribute(entry.nodeid, FUSE_LISTXATTR, NULL, 8), -ERANGE);
	is_int(fuse_client_call(client, FUSE_REMOVEXATTR, entry.nodeid, NULL, 0, "user.one", NULL),
	       0);
	is_int(fuse_client_call(client, FUSE_REMOVEXATTR, entry.nodeid, NULL, 0, "security.ima",
				NULL),
	       -EOPNOTSUPP);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), 0);
}

/* The numbers of one file system stay apart from those of another, in names and in attributes. */
static void test_mounts(void)
{
	struct fuse_entry_out entry;
	struct walk walk;
	struct stat host;
	uint64_t mark;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/export/volume", client->directory);
	is_int(mkdir(path, 0755), 0);
	if (!has_mounts || mount("volume", path, "tmpfs", 0, NULL) < 0) {
		printf("# no mounts here: %s\n", strerrorname_np(errno));
		return;
	}
	is_int(stat(path, &host), 0);
	is_int(fuse_client_lookup(client, 1, "volume", &entry), 0);
	mark = entry.attr.ino ^ host.st_ino;
	ok(mark != 0 && (mark & 0xffffffffffff) == 0);
	is_int(mkdirat(client->export_fd, "volume/inner", 0755), 0);
	is_int(fstatat(client->export_fd, "volume/inner", &host, 0), 0);
	is_int(fuse_client_lookup(client, entry.nodeid, "inner", &entry), 0);
	is_int(entry.attr.ino, host.st_ino ^ mark);
	is_int(set_attribute(entry.nodeid, "trusted.endless", "x"), -EOPNOTSUPP);
	is_int(fuse_client_call(client, FUSE_SYNCFS, FUSE_ROOT_ID, NULL, 0, NULL, NULL), 0);
	walk = walk_directory("volume", FUSE_READDIRPLUS, 4096);
	ok(walk.nr_nodes == 1 && walk.nr_wrong == 0);
	/* A file system without access lists: there are none, which is no failure. */
	is_int(mount("bare", path, "ramfs", 0, NULL), 0);
	is_int(fuse_client_lookup(client, 1, "volume", &entry), 0);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "system.posix_acl_access", 100),
	       -ENODATA);
	is_int(get_attribute(entry.nodeid, FUSE_GETXATTR, "user.none", 100), -EOPNOTSUPP);
	is_int(umount2(path, MNT_DETACH), 0);
	is_int(mount("proc", path, "proc", 0, NULL), 0);
	is_int(fuse_client_lookup(client, 1, "volume", &entry), -EACCES);
	is_int(umount(path), 0);
	is_int(umount2(path, MNT_DETACH), 0);
	is_int(fuse_client_lookup(client, 1, "volume", &entry), 0);
	is_int(stat(path, &host), 0);
	is_int(entry.attr.ino, host.st_ino);
}

static void test_running_out_of_descriptors(void)
{
	struct rlimit limit = { .rlim_cur = 300, .rlim_max = 300 };
	struct fuse_entry_out entry;
	uint64_t first = 0;
	unsigned int nr_known = 0;
	uint64_t fh = 0;
	char name[32];
	int ret = 0;
	int fd;

	fuse_client_free(client);
	is_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 300;
	is_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
	client = fuse_client_start();
	if (!ok(client != NULL))
		return;
	make_many("many", 400);
	for (unsigned int index = 0; index < 400 && ret == 0; index++) {
		struct fuse_entry_out directory;

		(void)snprintf(name, sizeof(name), "n%u", index);
		ret = fuse_client_lookup(client, 1, "many", &directory);
		if (ret == 0)
			ret = fuse_client_lookup(client, directory.nodeid, name, &entry);
		if (ret != 0)
			break;
		/* From half of the descriptors on the client is told not to keep names. */
		if (nr_known == 0 || nr_known == 150)
			is_int(entry.entry_valid, nr_known == 0 ? 1 : 0);
		if (first == 0)
			first = entry.nodeid;
		nr_known++;
	}
	is_int(ret, -ENFILE);
	ok(nr_known > 200 && nr_known < 250);
	is_int(fuse_client_open(client, FUSE_OPEN, first, O_RDONLY, &fh), -ENFILE);
	is_int(fuse_client_create(client, 1, "new", O_RDWR, 0644, &entry, &fh), -ENFILE);
	is_int(faccessat(client->export_fd, "new", F_OK, 0), -1);
	/* The rest of the process is not affected, and neither is what is known already. */
	fd = open("/", O_RDONLY | O_CLOEXEC);
	ok(fd >= 0);
	(void)close(fd);
	is_int(fuse_client_lookup(client, 1, "many", &entry), 0);
	fuse_client_forget(client, first, 1);
	is_int(fuse_client_open(client, FUSE_OPENDIR, 1, O_RDONLY, &fh), 0);
	/* READDIRPLUS now tells names without making them known. */
	ok(fuse_client_read(client, FUSE_READDIRPLUS, 1, fh, 0, 4096) > 0);
	memcpy(&entry, fuse_client_payload(client), sizeof(entry));
	is_int(entry.nodeid, 0);
}

int main(void)
{
	/* Before anything is opened: a descriptor belongs to the mounts it was opened in. */
	has_mounts =
		unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	client = fuse_client_start();
	if (!ok(client != NULL))
		return tap_done();
	test_small_directories();
	test_long_names();
	test_huge_directory();
	test_dot_dot_of_the_root();
	test_extended_attributes();
	test_mounts();
	test_running_out_of_descriptors();
	ok(fuse_client_canary_lives(client));
	fuse_client_free(client);
	return tap_done();
}
