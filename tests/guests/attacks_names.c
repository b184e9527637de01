/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways out of the shared tree, and to more than it should give. In it, by the test: a file "plain", a
 * directory "dir", a link "out" to a file of the host; "ro", a volume that is read-only.
 */
#include <asm-generic/errno.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "tests/guests/attack.h"
#include "tests/guests/fuse.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"

#define WRITE_ONLY 1u
#define READ_WRITE 2u
#define CREATE 0100u
#define TRUNCATE 01000u
#define NR_SWAPS 60
#define DEVICE_NUMBER(major, minor) ((major) << 8 | (minor))

static char long_name[4096];

static const char *const bad_names[] = {
	"",
	".",
	"..",
	"/",
	"../canary",
	"a/../../canary",
	"/etc/passwd",
	"dir/x",
	"dir/..",
	"plain/../../x",
	long_name,
};

union arguments {
	struct fuse_mkdir_in mkdir;
	struct fuse_mknod_in mknod;
	struct fuse_rename_in rename;
	struct fuse_rename2_in rename2;
	struct fuse_link_in link;
	struct fuse_create_in create;
};

static const struct {
	uint32_t opcode;
	unsigned int nr_names;
	uint32_t len;
	union arguments in;
} operations[] = {
	{ FUSE_LOOKUP, 1, 0, { .mkdir = { .mode = 0 } } },
	{ FUSE_UNLINK, 1, 0, { .mkdir = { .mode = 0 } } },
	{ FUSE_RMDIR, 1, 0, { .mkdir = { .mode = 0 } } },
	{ FUSE_SYMLINK, 1, 0, { .mkdir = { .mode = 0 } } },
	{ FUSE_MKDIR, 1, sizeof(struct fuse_mkdir_in), { .mkdir = { .mode = 0755 } } },
	{ FUSE_MKNOD, 1, sizeof(struct fuse_mknod_in), { .mknod = { .mode = S_IFREG | 0644 } } },
	{ FUSE_RENAME, 2, sizeof(struct fuse_rename_in), { .rename = { .newdir = 1 } } },
	{ FUSE_RENAME2, 2, sizeof(struct fuse_rename2_in), { .rename2 = { .newdir = 1 } } },
	{ FUSE_LINK, 1, sizeof(struct fuse_link_in), { .link = { .oldnodeid = 1 } } },
	{ FUSE_CREATE, 1, sizeof(struct fuse_create_in), { .create = { .flags = READ_WRITE } } },
};

/* One operation with the bad name in each place, a good one in the other. */
static bool are_refused(size_t operation, const char *name)
{
	static struct fuse_call call;
	bool is_ok = true;

	for (unsigned int place = 0; place < operations[operation].nr_names; place++) {
		fuse_prepare(&call, operations[operation].opcode, FUSE_ROOT_ID);
		fuse_add(&call, &operations[operation].in, operations[operation].len);
		fuse_add_name(&call, place ? "plain" : name);
		/* Of a symbolic link this is what it leads to; others do not look at it. */
		fuse_add_name(&call, place ? name : "other");
		is_ok &= fuse_call(&call) < 0;
	}
	return is_ok;
}

static bool names(void)
{
	bool is_ok = true;

	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		for (size_t j = 0; j < ARRAY_SIZE(bad_names); j++)
			if (!are_refused(i, bad_names[j])) {
				report("# operation %u took name %u\n", operations[i].opcode,
				       (unsigned int)j);
				is_ok = false;
			}
	return is_ok;
}

/* Without a NUL at the end of the request, and with one in the middle. */
static bool names_without_end(void)
{
	static const char stump[] = { 'p', 'l', 'a', 'i', 'n' };

	return fuse_do(FUSE_LOOKUP, 1, stump, sizeof(stump), NULL) < 0 &&
	       fuse_do(FUSE_LOOKUP, 1, "\0plain", 7, NULL) < 0 &&
	       fuse_do(FUSE_UNLINK, 1, NULL, 0, NULL) < 0;
}

/* --- links ------------------------------------------------------------------------------------ */

/* Nothing follows the link with that name. */
static bool is_never_followed(const char *name)
{
	struct fuse_open_in open = { .flags = READ_WRITE | TRUNCATE };
	struct fuse_setattr_in set = { .valid = FATTR_SIZE, .size = 0 };
	struct fuse_create_in create = { .flags = READ_WRITE | TRUNCATE, .mode = 0644 };
	struct fuse_getxattr_in attribute = { .size = 256 };
	struct fuse_entry_out entry;

	if (fuse_look_up(FUSE_ROOT_ID, name, &entry) != 0 || (entry.attr.mode & S_IFMT) != S_IFLNK)
		return false;
	(void)fuse_do(FUSE_GETXATTR, entry.nodeid, &attribute, sizeof(attribute), "user.secret");
	return fuse_do(FUSE_OPEN, entry.nodeid, &open, sizeof(open), NULL) == -ELOOP &&
	       fuse_do(FUSE_OPENDIR, entry.nodeid, &open, sizeof(open), NULL) < 0 &&
	       fuse_do(FUSE_LOOKUP, entry.nodeid, NULL, 0, "plain") == -ENOTDIR &&
	       fuse_do(FUSE_SETATTR, entry.nodeid, &set, sizeof(set), NULL) < 0 &&
	       fuse_do(FUSE_CREATE, FUSE_ROOT_ID, &create, sizeof(create), name) < 0 &&
	       fuse_do(FUSE_READLINK, entry.nodeid, NULL, 0, NULL) == 0;
}

static bool make_link(const char *name, const char *target)
{
	static struct fuse_call call;

	fuse_prepare(&call, FUSE_SYMLINK, FUSE_ROOT_ID);
	fuse_add_name(&call, name);
	fuse_add_name(&call, target);
	return fuse_call(&call) == 0;
}

static bool links(void)
{
	static const char *const targets[] = { "/", "..", "/proc/self/root", "../canary", "." };
	char name[] = "link-0";
	bool is_ok = is_never_followed("out");

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		name[5] = (char)('0' + i);
		is_ok &= make_link(name, targets[i]) && is_never_followed(name);
	}
	return is_ok;
}

/* --- what is read-only ------------------------------------------------------------------------ */

static int move_to_root(uint64_t dir)
{
	static struct fuse_call call;
	struct fuse_rename_in rename = { .newdir = FUSE_ROOT_ID };

	fuse_prepare(&call, FUSE_RENAME, dir);
	fuse_add(&call, &rename, sizeof(rename));
	fuse_add_name(&call, "file");
	fuse_add_name(&call, "stolen");
	return fuse_call(&call);
}

static bool read_only_volume(void)
{
	struct fuse_mkdir_in mkdir = { .mode = 0755 };
	struct fuse_mknod_in mknod = { .mode = S_IFREG | 0644 };
	struct fuse_create_in create = { .flags = READ_WRITE | CREATE, .mode = 0644 };
	struct fuse_open_in open = { .flags = WRITE_ONLY };
	struct fuse_open_in truncate = { .flags = TRUNCATE };
	struct fuse_setattr_in set = { .valid = FATTR_MODE, .mode = 04777 };
	struct fuse_setattr_in resize = { .valid = FATTR_SIZE };
	struct fuse_setxattr_in attribute = { .size = 0 };
	struct fuse_link_in link;
	struct fuse_entry_out volume, file;
	uint64_t dir, node;

	if (fuse_look_up(FUSE_ROOT_ID, "ro", &volume) != 0 ||
	    fuse_look_up(volume.nodeid, "file", &file) != 0)
		return false;
	dir = volume.nodeid;
	node = file.nodeid;
	link = (struct fuse_link_in){ .oldnodeid = node };
	return fuse_do(FUSE_MKDIR, dir, &mkdir, sizeof(mkdir), "new") == -EROFS &&
	       fuse_do(FUSE_MKNOD, dir, &mknod, sizeof(mknod), "new") == -EROFS &&
	       fuse_do(FUSE_CREATE, dir, &create, sizeof(create), "new") == -EROFS &&
	       fuse_do(FUSE_UNLINK, dir, NULL, 0, "file") == -EROFS &&
	       fuse_do(FUSE_OPEN, node, &open, sizeof(open), NULL) == -EROFS &&
	       fuse_do(FUSE_OPEN, node, &truncate, sizeof(truncate), NULL) == -EROFS &&
	       fuse_do(FUSE_SETATTR, node, &set, sizeof(set), NULL) == -EROFS &&
	       fuse_do(FUSE_SETATTR, node, &resize, sizeof(resize), NULL) == -EROFS &&
	       fuse_do(FUSE_SETXATTR, node, &attribute, FUSE_COMPAT_SETXATTR_IN_SIZE, "user.a") ==
		       -EROFS &&
	       fuse_do(FUSE_LINK, FUSE_ROOT_ID, &link, sizeof(link), "stolen") == -EXDEV &&
	       move_to_root(dir) < 0;
}

/* --- what is more than a file ----------------------------------------------------------------- */

/* Refused, or made and never opened. */
static bool device_nodes(void)
{
	static const struct {
		const char *name;
		uint32_t type, number;
	} nodes[] = {
		{ "node-disk", S_IFBLK, DEVICE_NUMBER(8u, 0u) },
		{ "node-memory", S_IFCHR, DEVICE_NUMBER(1u, 1u) },
		{ "node-console", S_IFCHR, DEVICE_NUMBER(5u, 1u) },
		{ "node-kvm", S_IFCHR, DEVICE_NUMBER(10u, 232u) },
		{ "node-fifo", S_IFIFO, 0 },
		{ "node-socket", S_IFSOCK, 0 },
	};
	bool is_ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct fuse_mknod_in mknod = { .mode = nodes[i].type | 0666,
					       .rdev = nodes[i].number };
		struct fuse_open_in open = { .flags = READ_WRITE };
		struct fuse_entry_out entry;

		(void)fuse_do(FUSE_MKNOD, FUSE_ROOT_ID, &mknod, sizeof(mknod), nodes[i].name);
		if (fuse_look_up(FUSE_ROOT_ID, nodes[i].name, &entry) == 0)
			is_ok &= fuse_do(FUSE_OPEN, entry.nodeid, &open, sizeof(open), NULL) ==
				 -ENXIO;
	}
	return is_ok;
}

static bool privileged_files(void)
{
	static const char *const refused[] = {
		"security.selinux", "security.ima", "system.nfs4_acl", "security.evm", "bad", ""
	};
	struct fuse_create_in create = { .flags = READ_WRITE | CREATE, .mode = S_IFREG | 06777 };
	struct fuse_setxattr_in attribute = { .size = 0 };
	struct fuse_entry_out entry;
	bool is_ok = fuse_do(FUSE_CREATE, FUSE_ROOT_ID, &create, sizeof(create), "set-id") == 0 &&
		     fuse_look_up(FUSE_ROOT_ID, "set-id", &entry) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(refused) && is_ok; i++)
		is_ok = fuse_do(FUSE_SETXATTR, entry.nodeid, &attribute,
				FUSE_COMPAT_SETXATTR_IN_SIZE, refused[i]) < 0;
	return is_ok;
}

/* --- two at a time ---------------------------------------------------------------------------- */

/* A directory and a link to a directory of the host exchange their names, again and again. */
static void exchange_names(void)
{
	static struct fuse_call call;
	static uint8_t reply[64];
	struct fuse_rename2_in rename = { .newdir = FUSE_ROOT_ID, .flags = RENAME_EXCHANGE };
	uint32_t written;

	fuse_prepare(&call, FUSE_RENAME2, FUSE_ROOT_ID);
	fuse_add(&call, &rename, sizeof(rename));
	fuse_add_name(&call, "swap-dir");
	fuse_add_name(&call, "swap-link");
	((struct fuse_in_header *)call.bytes)->len = call.len;
	(void)device_request(&devices[DEVICE_FS], 0, call.bytes, call.len, reply, sizeof(reply),
			     &written);
}

static void go_through(const char *name)
{
	struct fuse_open_in open = { .flags = 0 };
	struct fuse_create_in create = { .flags = READ_WRITE | CREATE, .mode = 0644 };
	struct fuse_read_in read = { .size = 4096 };
	const struct fuse_open_out *out = fuse_answer();
	struct fuse_entry_out entry, inner;

	if (fuse_look_up(FUSE_ROOT_ID, name, &entry) != 0)
		return;
	(void)fuse_do(FUSE_CREATE, entry.nodeid, &create, sizeof(create), "planted");
	if (fuse_look_up(entry.nodeid, "canary", &inner) != 0 ||
	    fuse_do(FUSE_OPEN, inner.nodeid, &open, sizeof(open), NULL) != 0)
		return;
	read.fh = out->fh;
	(void)fuse_do(FUSE_READ, inner.nodeid, &read, sizeof(read), NULL);
}

static bool exchanged_directories(void)
{
	struct device *device = &devices[DEVICE_FS];
	struct fuse_mkdir_in mkdir = { .mode = 0755 };

	if (fuse_do(FUSE_MKDIR, FUSE_ROOT_ID, &mkdir, sizeof(mkdir), "swap-dir") != 0 ||
	    !make_link("swap-link", ".."))
		return false;
	device_negotiate(device, device->features);
	device_place_properly(device, 0);
	device_place_properly(device, 1);
	device_set_status(device, STATUS_DRIVER_OK);
	if (!second_processor_work(exchange_names))
		return false;
	for (unsigned int i = 0; i < NR_SWAPS; i++)
		go_through("swap-dir");
	second_processor_rest();
	return true;
}

void attack_names(void)
{
	static const struct file_attack attacks[] = {
		{ "names that are none", names },
		{ "names without an end", names_without_end },
		{ "links to the host", links },
		{ "writing to what is read-only", read_only_volume },
		{ "device nodes", device_nodes },
		{ "set-user-ID files, attributes of the host's", privileged_files },
		{ "directories that are exchanged meanwhile", exchanged_directories },
	};

	attack_server(attacks, ARRAY_SIZE(attacks));
}
