/* SPDX-License-Identifier: Apache-2.0 */
/* The file server against a client that lies, and a tree that moves. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fuse_client.h"
#include "tests/unit/tap.h"

#define NR_RACES 20000
#define RACE_SECONDS 20 /* where it never happens */

static struct fuse_client *client;

/* Each operation that takes names, with arguments that would do something. */
static const struct named_operation {
	uint32_t opcode;
	unsigned int nr_names;
	size_t arguments_len;
	union fuse_any {
		struct fuse_mkdir_in mkdir;
		struct fuse_mknod_in mknod;
		struct fuse_rename_in rename;
		struct fuse_rename2_in rename2;
		struct fuse_link_in link;
		struct fuse_create_in create;
	} arguments;
} named_operations[] = {
	{ FUSE_LOOKUP, 1, 0, { .mkdir = { 0 } } },
	{ FUSE_UNLINK, 1, 0, { .mkdir = { 0 } } },
	{ FUSE_RMDIR, 1, 0, { .mkdir = { 0 } } },
	{ FUSE_SYMLINK, 2, 0, { .mkdir = { 0 } } },
	{ FUSE_MKDIR, 1, sizeof(struct fuse_mkdir_in), { .mkdir = { .mode = 0755 } } },
	{ FUSE_MKNOD, 1, sizeof(struct fuse_mknod_in), { .mknod = { .mode = S_IFREG | 0644 } } },
	{ FUSE_RENAME, 2, sizeof(struct fuse_rename_in), { .rename = { .newdir = 1 } } },
	{ FUSE_RENAME2, 2, sizeof(struct fuse_rename2_in), { .rename2 = { .newdir = 1 } } },
	{ FUSE_LINK, 1, sizeof(struct fuse_link_in), { .link = { .oldnodeid = 1 } } },
	{ FUSE_CREATE, 1, sizeof(struct fuse_create_in), { .create = { .flags = O_RDWR } } },
};

#define NR_NAMED_OPERATIONS (sizeof(named_operations) / sizeof(*named_operations))

static void test_bad_names(void)
{
	static char long_name[300];
	const struct {
		const char *name;
		int error;
	} bad[] = {
		{ "", -EINVAL },	  { ".", -EINVAL },	  { "..", -EINVAL },
		{ "/", -EINVAL },	  { "/canary", -EINVAL }, { "../canary", -EINVAL },
		{ "a/../../b", -EINVAL }, { "a/", -EINVAL },	  { long_name, -ENAMETOOLONG },
	};

	memset(long_name, 'n', 256);
	for (size_t op = 0; op < NR_NAMED_OPERATIONS; op++) {
		const struct named_operation *operation = &named_operations[op];

		for (size_t index = 0; index < sizeof(bad) / sizeof(*bad); index++)
			is_int(fuse_client_call(client, operation->opcode, FUSE_ROOT_ID,
						&operation->arguments, operation->arguments_len,
						bad[index].name,
						operation->nr_names > 1 ? "second" : NULL),
			       bad[index].error);
	}
	/* The second name of a rename, and names that do not end. */
	is_int(fuse_client_call(client, FUSE_RENAME, 1, &named_operations[6].arguments, 8, "x",
				"../canary"),
	       -EINVAL);
	is_int(fuse_client_call(client, FUSE_RENAME, 1, &named_operations[6].arguments, 8, "x",
				NULL),
	       -EINVAL);
	is_int(fuse_client_call(client, FUSE_LOOKUP, 1, "endless", 7, NULL, NULL), -EINVAL);
	is_int(fuse_client_call(client, FUSE_SYMLINK, 1, NULL, 0, "only a name", NULL), -EINVAL);
	/* What follows a NUL is not part of the name. */
	is_int(fuse_client_call(client, FUSE_MKDIR, 1, &named_operations[4].arguments, 8, "inside",
				"/../../canary"),
	       0);
	is_int(faccessat(client->export_fd, "inside", F_OK, 0), 0);
}

static void test_short_requests(void)
{
	int worst = 0;

	for (uint32_t opcode = 0; opcode <= FUSE_TMPFILE + 1; opcode++) {
		for (size_t len = 0; len < 160; len++) {
			static const uint8_t zeros[160];
			int ret;

			if (opcode == FUSE_INIT || opcode == FUSE_DESTROY)
				continue;
			fuse_client_begin(client, opcode, FUSE_ROOT_ID);
			fuse_client_add(client, zeros, len);
			ret = fuse_client_send(client);
			if (ret == -EBADMSG)
				worst = ret;
			/* And a header that claims another length. */
			client->request[0] ^= 4;
			ret = fuse_client_send_raw(client);
			if (ret != -EINVAL && ret != 1)
				worst = -1;
		}
	}
	is_int(worst, 0);
	for (size_t len = 0; len < sizeof(struct fuse_in_header); len++) {
		client->request_len = len;
		is_int(fuse_client_send_raw(client), 1);
	}
}

static void test_counts_that_lie(void)
{
	const struct fuse_batch_forget_in batch = { .count = UINT32_MAX };
	struct fuse_setxattr_in xattr = { .size = UINT32_MAX };
	struct fuse_entry_out entry;
	struct fuse_attr attr;
	struct fuse_write_in write_in = { .size = UINT32_MAX };
	struct fuse_forget_one one = { .nlookup = UINT64_MAX };
	uint64_t fh;

	is_int(fuse_client_create(client, 1, "counts", O_RDWR, 0644, &entry, &fh), 0);
	write_in.fh = fh;
	one.nodeid = entry.nodeid;
	is_int(fuse_client_call(client, FUSE_WRITE, 1, &write_in, sizeof(write_in), "data", NULL),
	       -EINVAL);
	is_int(fuse_client_call(client, FUSE_SETXATTR, entry.nodeid, &xattr, sizeof(xattr),
				"user.x", "v"),
	       -EINVAL);
	fuse_client_begin(client, FUSE_BATCH_FORGET, 0);
	fuse_client_add(client, &batch, sizeof(batch));
	fuse_client_add(client, &one, sizeof(one));
	is_int(fuse_client_send(client), 1);
	is_int(fuse_client_getattr(client, entry.nodeid, &attr), -ESTALE);
	fuse_client_forget(client, FUSE_ROOT_ID, UINT64_MAX);
	fuse_client_forget(client, 0, 1);
	fuse_client_forget(client, UINT64_MAX, 1);
	is_int(fuse_client_getattr(client, FUSE_ROOT_ID, &attr), 0);
	/* The handle is good without its node. */
	is_int(fuse_client_write(client, fh, 0, "x", 0, 0), 1);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), 0);
}

static void test_numbers_that_lie(void)
{
	const uint64_t wrong[] = {
		0, 2, 1000, UINT32_MAX, 1ull << 32, (1ull << 32) + 1, UINT64_MAX
	};
	struct fuse_entry_out entry;
	struct fuse_attr attr;
	uint64_t file;
	uint64_t directory;

	is_int(fuse_client_create(client, 1, "kinds", O_RDWR, 0644, &entry, &file), 0);
	is_int(fuse_client_open(client, FUSE_OPENDIR, 1, O_RDONLY, &directory), 0);
	for (size_t index = 0; index < sizeof(wrong) / sizeof(*wrong); index++) {
		is_int(fuse_client_read(client, FUSE_READ, 1, file + wrong[index], 0, 1),
		       wrong[index] ? -EBADF : 0);
		is_int(fuse_client_getattr(client, (1ull << 40) + wrong[index], &attr), -ESTALE);
	}
	is_int(fuse_client_read(client, FUSE_READ, 1, directory, 0, 100), -EBADF);
	is_int(fuse_client_read(client, FUSE_READDIR, 1, file, 0, 4096), -EBADF);
	is_int(fuse_client_release(client, FUSE_RELEASE, directory), -EBADF);
	is_int(fuse_client_release(client, FUSE_RELEASEDIR, file), -EBADF);
	is_int(fuse_client_open(client, FUSE_OPEN, 1, O_RDONLY, &file), -EISDIR);
	is_int(fuse_client_open(client, FUSE_OPENDIR, entry.nodeid, O_RDONLY, &file), -ENOTDIR);
	is_int(fuse_client_lookup(client, entry.nodeid, "x", &entry), -ENOTDIR);
	/* A closed handle's number does not reach the next one in its place. */
	is_int(fuse_client_release(client, FUSE_RELEASEDIR, directory), 0);
	is_int(fuse_client_open(client, FUSE_OPENDIR, 1, O_RDONLY, &file), 0);
	ok(file != directory);
	is_int(fuse_client_read(client, FUSE_READDIR, 1, directory, 0, 4096), -EBADF);
	is_int(fuse_client_release(client, FUSE_RELEASEDIR, file), 0);
}

static void test_what_is_never_opened(void)
{
	const struct {
		const char *name;
		mode_t mode;
	} nodes[] = { { "pipe", S_IFIFO }, { "sock", S_IFSOCK }, { "null", S_IFCHR } };
	const struct fuse_setattr_in shrink = { .valid = FATTR_SIZE };
	struct fuse_entry_out entry;
	uint64_t fh;

	for (size_t index = 0; index < 3; index++) {
		/* Major 1, minor 3 is /dev/null: opening it would succeed. */
		if (mknodat(client->export_fd, nodes[index].name, nodes[index].mode | 0666, 0x103))
			continue;
		is_int(fuse_client_lookup(client, 1, nodes[index].name, &entry), 0);
		is_int(fuse_client_open(client, FUSE_OPEN, entry.nodeid, O_RDONLY, &fh), -ENXIO);
		is_int(fuse_client_open(client, FUSE_OPEN, entry.nodeid, O_RDWR, &fh), -ENXIO);
		is_int(fuse_client_call(client, FUSE_SETATTR, entry.nodeid, &shrink, sizeof(shrink),
					NULL, NULL),
		       -EINVAL);
		is_int(fuse_client_call(client, FUSE_SYNCFS, entry.nodeid, NULL, 0, NULL, NULL), 0);
		is_int(fuse_client_create(client, 1, nodes[index].name, O_RDWR, 0644, &entry, &fh),
		       -ESTALE);
	}
	is_int(symlinkat("../canary", client->export_fd, "out"), 0);
	is_int(fuse_client_lookup(client, 1, "out", &entry), 0);
	ok(S_ISLNK(entry.attr.mode));
	is_int(fuse_client_open(client, FUSE_OPEN, entry.nodeid, O_RDWR, &fh), -ELOOP);
	is_int(fuse_client_open(client, FUSE_OPENDIR, entry.nodeid, O_RDONLY, &fh), -ENOTDIR);
	is_int(fuse_client_create(client, 1, "out", O_RDWR | O_TRUNC, 0644, &entry, &fh), -ESTALE);
	ok(fuse_client_canary_lives(client));
}

static void test_directory_swapped_for_a_link(void)
{
	struct fuse_entry_out directory;
	struct fuse_entry_out entry;
	uint64_t fh;

	is_int(mkdirat(client->export_fd, "swap", 0755), 0);
	is_int(fuse_client_lookup(client, 1, "swap", &directory), 0);
	is_int(renameat(client->export_fd, "swap", client->export_fd, "moved"), 0);
	is_int(symlinkat("..", client->export_fd, "swap"), 0);
	/* The node is the directory it was, whatever its name has become. */
	is_int(fuse_client_lookup(client, directory.nodeid, "canary", &entry), -ENOENT);
	is_int(fuse_client_create(client, directory.nodeid, "canary", O_RDWR | O_TRUNC, 0644,
				  &entry, &fh),
	       0);
	is_int(faccessat(client->export_fd, "moved/canary", F_OK, 0), 0);
	is_int(fuse_client_lookup(client, 1, "swap", &entry), 0);
	is_int(fuse_client_lookup(client, entry.nodeid, "canary", &entry), -ENOTDIR);
	ok(fuse_client_canary_lives(client));
}

static atomic_bool is_racing;
static atomic_uint nr_flips;
static uint8_t *raced_name;

/* The other side of the shared memory: a name that is good one moment and bad the next. */
static void *flip_name(void *unused)
{
	(void)unused;
	while (atomic_load(&is_racing)) {
		__atomic_store_n((uint32_t *)(void *)raced_name, 0x632f2e2e, __ATOMIC_RELAXED);
		__atomic_store_n((uint32_t *)(void *)raced_name, 0x6e616e69, __ATOMIC_RELAXED);
		atomic_fetch_add(&nr_flips, 1);
	}
	return NULL;
}

static void test_name_that_changes_while_it_is_read(void)
{
	/* "../canary" or "inananary", by which four bytes are first. */
	struct fuse_in_header header = { .opcode = FUSE_UNLINK, .nodeid = FUSE_ROOT_ID };
	uint8_t *shared = aligned_alloc(8, 64);
	unsigned int nr_refused = 0;
	unsigned int nr_absent = 0;
	unsigned int nr_done = 0;
	time_t latest = time(NULL) + RACE_SECONDS;
	pthread_t thread;

	header.len = sizeof(header) + 10;
	memcpy(shared, &header, sizeof(header));
	raced_name = shared + sizeof(header);
	memcpy(raced_name, "../canary", 10);
	atomic_store(&is_racing, true);
	if (!ok(pthread_create(&thread, NULL, flip_name, NULL) == 0))
		return;
	fuse_client_confine(client);
	/* A race is one in which the other side ran, too: with one processor for both, few are. */
	for (unsigned int race = 0; race < NR_RACES && time(NULL) < latest; nr_done++) {
		unsigned int flips = atomic_load(&nr_flips);
		struct fuse_out_header reply;

		(void)file_server_handle(client->server, shared, header.len, client->reply,
					 sizeof(client->reply));
		memcpy(&reply, client->reply, sizeof(reply));
		nr_refused += reply.error == -EINVAL;
		nr_absent += reply.error == -ENOENT;
		race += atomic_load(&nr_flips) != flips;
	}
	fuse_client_release_confined(client);
	atomic_store(&is_racing, false);
	(void)pthread_join(thread, NULL);
	is_int(nr_refused + nr_absent, nr_done);
	ok(fuse_client_canary_lives(client));
	free(shared);
}

int main(void)
{
	client = fuse_client_start();
	if (!ok(client != NULL))
		return tap_done();
	test_bad_names();
	test_short_requests();
	test_counts_that_lie();
	test_numbers_that_lie();
	test_what_is_never_opened();
	test_directory_swapped_for_a_link();
	test_name_that_changes_while_it_is_read();
	ok(fuse_client_canary_lives(client));
	fuse_client_free(client);
	return tap_done();
}
