/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the file server, as a well-behaved client uses them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fuse_client.h"
#include "tests/unit/tap.h"

static struct fuse_client *client;

static mode_t host_mode(const char *name)
{
	struct stat stat = { 0 };

	return fstatat(client->export_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : stat.st_mode;
}

/* A file on the host with @text as its content; returns its node. */
static uint64_t host_file(const char *name, const char *text, mode_t mode)
{
	struct fuse_entry_out entry = { 0 };
	int fd = openat(client->export_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)fchmod(fd, mode);
	(void)close(fd);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, name, &entry), 0);
	return entry.nodeid;
}

static bool host_content_is(const char *name, const char *text)
{
	char buffer[256];
	int fd = openat(client->export_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, buffer, sizeof(buffer));

	(void)close(fd);
	return len == (ssize_t)strlen(text) && !memcmp(buffer, text, strlen(text));
}

static void test_session(void)
{
	struct fuse_client *fresh = fuse_client_new("/tmp");
	struct fuse_init_in in = { .major = 7, .minor = 30, .flags = UINT32_MAX };
	struct fuse_init_out out;
	struct fuse_entry_out entry;

	is_int(fuse_client_lookup(fresh, FUSE_ROOT_ID, "x", &entry), -EIO);
	is_int(fuse_client_call(fresh, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), -EPROTO);
	in.major = 8;
	is_int(fuse_client_call(fresh, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), 0);
	is_int(fuse_client_lookup(fresh, FUSE_ROOT_ID, "x", &entry), -EIO);
	in = (struct fuse_init_in){ .major = 7, .minor = 37, .flags = UINT32_MAX };
	is_int(fuse_client_call(fresh, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL), 0);
	is_int(fresh->reply_len, sizeof(out));
	memcpy(&out, fuse_client_payload(fresh), sizeof(out));
	is_int(out.major, 7);
	is_int(out.max_write, FS_CHANNEL_DATA_MAX);
	is_int(out.max_pages, FS_CHANNEL_DATA_MAX / 4096);
	ok(out.flags & FUSE_AUTO_INVAL_DATA && out.flags & FUSE_HANDLE_KILLPRIV_V2);
	ok(!(out.flags & (FUSE_WRITEBACK_CACHE | FUSE_EXPORT_SUPPORT | FUSE_POSIX_LOCKS)));
	is_int(mkdirat(fresh->export_fd, "d", 0755), 0);
	is_int(fuse_client_lookup(fresh, FUSE_ROOT_ID, "d", &entry), 0);
	/* A new INIT ends the old session, and only flags offered are agreed on. */
	is_int(fuse_client_init(fresh, FUSE_MAX_PAGES), 0);
	memcpy(&out, fuse_client_payload(fresh), sizeof(out));
	is_int(out.flags, FUSE_MAX_PAGES);
	is_int(fuse_client_lookup(fresh, entry.nodeid, "x", &entry), -ESTALE);
	is_int(fuse_client_call(fresh, FUSE_DESTROY, 0, NULL, 0, NULL, NULL), 0);
	is_int(fuse_client_lookup(fresh, FUSE_ROOT_ID, "d", &entry), -EIO);
	fuse_client_free(fresh);
}

static void test_what_is_left_to_the_client(void)
{
	const uint32_t opcodes[] = { FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW,	FUSE_ACCESS,
				     FUSE_BMAP,	 FUSE_POLL,  FUSE_SETUPMAPPING, 0,
				     CUSE_INIT,	 52,	     UINT32_MAX,	FUSE_NOTIFY_REPLY };
	const uint8_t arguments[64] = { 0 };

	for (size_t index = 0; index < sizeof(opcodes) / sizeof(*opcodes); index++)
		is_int(fuse_client_call(client, opcodes[index], FUSE_ROOT_ID, arguments,
					sizeof(arguments), NULL, NULL),
		       -ENOSYS);
	is_int(fuse_client_call(client, FUSE_IOCTL, 1, arguments, 32, NULL, NULL), -ENOTTY);
	is_int(fuse_client_call(client, FUSE_INTERRUPT, 1, arguments, 8, NULL, NULL), 1);
}

static void test_lookup_and_forget(void)
{
	struct fuse_entry_out entry;
	struct fuse_entry_out again;
	struct fuse_attr attr;
	uint64_t node = host_file("found", "12345", 0640);

	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "absent", &entry), -ENOENT);
	is_int(entry.entry_valid, 1);
	is_int(entry.entry_valid_nsec, 500000000);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "found", &entry), 0);
	is_int(entry.nodeid, node);
	is_int(entry.attr.size, 5);
	is_int(entry.attr.mode, S_IFREG | 0640);
	is_int(linkat(client->export_fd, "found", client->export_fd, "hard", 0), 0);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "hard", &again), 0);
	is_int(again.nodeid, node);
	is_int(again.attr.nlink, 2);
	fuse_client_forget(client, node, 2);
	is_int(fuse_client_getattr(client, node, &attr), 0);
	fuse_client_forget(client, node, 1);
	is_int(fuse_client_getattr(client, node, &attr), -ESTALE);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, "found", &entry), 0);
	ok(entry.nodeid != node);
}

static void test_read_and_write(void)
{
	struct fuse_entry_out entry;
	struct fuse_attr attr;
	uint64_t fh;

	is_int(fuse_client_create(client, FUSE_ROOT_ID, "data", O_RDWR | O_EXCL, 0644, &entry, &fh),
	       0);
	is_int(fuse_client_write(client, fh, 0, "0123456789", O_RDWR, 0), 10);
	is_int(fuse_client_write(client, fh, 4, "xy", O_RDWR, 0), 2);
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, 3, 4), 4);
	ok(!memcmp(fuse_client_payload(client), "3xy6", 4));
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, 8, 100), 2);
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, 10, 100), 0);
	/* O_APPEND is a matter of each write; pages of a mapping go where they belong. */
	is_int(fuse_client_write(client, fh, 0, "A", O_RDWR | O_APPEND, 0), 1);
	is_int(fuse_client_write(client, fh, 1, "M", O_RDWR | O_APPEND, FUSE_WRITE_CACHE), 1);
	ok(host_content_is("data", "0M23xy6789A"));
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, 0, FS_CHANNEL_DATA_MAX + 1), -EINVAL);
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, INT64_MAX, 10), -EINVAL);
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, UINT64_MAX, 10), -EINVAL);
	is_int(fuse_client_write(client, fh, UINT64_MAX, "x", 0, 0), -EINVAL);
	/* An unlinked file stays what it is for node and handle. */
	is_int(fuse_client_call(client, FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, "data", NULL), 0);
	is_int(fuse_client_read(client, FUSE_READ, 1, fh, 0, 100), 11);
	is_int(fuse_client_getattr(client, entry.nodeid, &attr), 0);
	is_int(attr.nlink, 0);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), 0);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), -EBADF);
	is_int(fuse_client_open(client, FUSE_OPEN, entry.nodeid, O_RDONLY, &fh), 0);
	is_int(fuse_client_write(client, fh, 0, "x", 0, 0), -EBADF);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), 0);
}

static void test_file_operations(void)
{
	struct fuse_entry_out entry;
	struct fuse_lseek_in seek = { .whence = SEEK_HOLE };
	struct fuse_fallocate_in allocate = { .length = 2 << 20 };
	struct fuse_copy_file_range_in range = { .len = UINT64_MAX };
	struct fuse_fsync_in sync = { 0 };
	struct fuse_flush_in flush = { 0 };
	uint64_t fh;

	is_int(fuse_client_create(client, FUSE_ROOT_ID, "copy", O_RDWR, 0644, &entry,
				  &range.fh_out),
	       0);
	is_int(fuse_client_create(client, FUSE_ROOT_ID, "ops", O_RDWR, 0644, &entry, &fh), 0);
	is_int(fuse_client_write(client, fh, 1 << 20, "end", 0, 0), 3);
	seek.fh = allocate.fh = range.fh_in = sync.fh = flush.fh = fh;

	is_int(fuse_client_call(client, FUSE_LSEEK, 1, &seek, sizeof(seek), NULL, NULL), 0);
	is_int(client->reply_len, sizeof(struct fuse_lseek_out));
	seek.whence = SEEK_CUR;
	is_int(fuse_client_call(client, FUSE_LSEEK, 1, &seek, sizeof(seek), NULL, NULL), -EINVAL);
	is_int(fuse_client_call(client, FUSE_FALLOCATE, 1, &allocate, sizeof(allocate), NULL, NULL),
	       0);
	allocate.mode = UINT32_MAX;
	is_int(fuse_client_call(client, FUSE_FALLOCATE, 1, &allocate, sizeof(allocate), NULL, NULL),
	       -EOPNOTSUPP);
	is_int(fuse_client_call(client, FUSE_FSYNC, 1, &sync, sizeof(sync), NULL, NULL), 0);
	is_int(fuse_client_call(client, FUSE_FLUSH, 1, &flush, sizeof(flush), NULL, NULL), 0);
	is_int(fuse_client_call(client, FUSE_SYNCFS, 1, NULL, 0, NULL, NULL), 0);
	is_int(fuse_client_call(client, FUSE_STATFS, 1, NULL, 0, NULL, NULL), 0);
	is_int(client->reply_len, sizeof(struct fuse_statfs_out));
	is_int(fuse_client_call(client, FUSE_COPY_FILE_RANGE, 1, &range, sizeof(range), NULL, NULL),
	       0);
	is_int(fuse_client_read(client, FUSE_READ, 1, range.fh_out, 1 << 20, 3), 3);
	ok(!memcmp(fuse_client_payload(client), "end", 3));
	range.flags = 1;
	is_int(fuse_client_call(client, FUSE_COPY_FILE_RANGE, 1, &range, sizeof(range), NULL, NULL),
	       -EINVAL);
}

static int set_attributes(uint64_t node, struct fuse_setattr_in in)
{
	return fuse_client_call(client, FUSE_SETATTR, node, &in, sizeof(in), NULL, NULL);
}

static void test_attributes(void)
{
	uint64_t node = host_file("attr", "12345", 0600);
	struct fuse_entry_out link;
	struct fuse_attr attr;

	is_int(set_attributes(node, (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 07751 }),
	       0);
	is_int(host_mode("attr"), S_IFREG | 07751);
	is_int(set_attributes(node, (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 3 }), 0);
	ok(host_content_is("attr", "123"));
	is_int(host_mode("attr"), S_IFREG | 07751);
	is_int(set_attributes(node,
			      (struct fuse_setattr_in){ .valid = FATTR_SIZE | FATTR_KILL_SUIDGID }),
	       0);
	is_int(host_mode("attr"), S_IFREG | 01751);
	is_int(set_attributes(node,
			      (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID | FATTR_MODE,
							.uid = 12,
							.gid = 34,
							.mode = 06711 }),
	       0);
	is_int(fuse_client_getattr(client, node, &attr), 0);
	ok(attr.uid == 12 && attr.gid == 34 && attr.mode == (S_IFREG | 06711));
	is_int(set_attributes(node, (struct fuse_setattr_in){ .valid = FATTR_ATIME | FATTR_MTIME,
							      .atime = (uint64_t)-5,
							      .mtime = 7,
							      .mtimensec = 8 }),
	       0);
	is_int(fuse_client_getattr(client, node, &attr), 0);
	ok((int64_t)attr.atime == -5 && attr.mtime == 7 && attr.mtimensec == 8);
	is_int(set_attributes(node, (struct fuse_setattr_in){ .valid = FATTR_MTIME,
							      .mtimensec = 1000000000 }),
	       -EINVAL);
	is_int(set_attributes(node,
			      (struct fuse_setattr_in){ .valid = FATTR_SIZE | FATTR_FH, .fh = 99 }),
	       -EBADF);
	is_int(set_attributes(FUSE_ROOT_ID, (struct fuse_setattr_in){ .valid = FATTR_SIZE }),
	       -EISDIR);
	is_int(fuse_client_call(client, FUSE_SYMLINK, 1, NULL, 0, "attrlink", "/nowhere"), 0);
	is_int(fuse_client_lookup(client, 1, "attrlink", &link), 0);
	is_int(set_attributes(link.nodeid,
			      (struct fuse_setattr_in){ .valid = FATTR_UID, .uid = 5 }),
	       0);
	is_int(fuse_client_getattr(client, link.nodeid, &attr), 0);
	ok(attr.uid == 5 && S_ISLNK(attr.mode));
}

static void test_killing_suid(void)
{
	uint64_t node = host_file("suid", "12345", 06755);
	struct fuse_open_in open_in = { .flags = O_RDWR | O_TRUNC,
					.open_flags = FUSE_OPEN_KILL_SUIDGID };
	uint64_t fh;

	is_int(fuse_client_open(client, FUSE_OPEN, node, O_RDWR, &fh), 0);
	is_int(fuse_client_write(client, fh, 0, "x", 0, 0), 1);
	is_int(host_mode("suid"), S_IFREG | 06755);
	is_int(fuse_client_write(client, fh, 0, "x", 0, FUSE_WRITE_KILL_SUIDGID), 1);
	is_int(host_mode("suid"), S_IFREG | 0755);
	/* Without group execute permission the sgid bit means something else, and stays. */
	is_int(fchmodat(client->export_fd, "suid", 06745, 0), 0);
	is_int(fuse_client_write(client, fh, 0, "x", 0, FUSE_WRITE_KILL_SUIDGID), 1);
	is_int(host_mode("suid"), S_IFREG | 02745);
	is_int(fchmodat(client->export_fd, "suid", 06755, 0), 0);
	is_int(fuse_client_call(client, FUSE_OPEN, node, &open_in, sizeof(open_in), NULL, NULL), 0);
	is_int(host_mode("suid"), S_IFREG | 0755);
	is_int(fuse_client_release(client, FUSE_RELEASE, fh), 0);
}

static void test_ownership_of_what_is_created(void)
{
	const struct fuse_mkdir_in mkdir_in = { .mode = 0775, .umask = 07 };
	const struct fuse_mknod_in fifo_in = { .mode = S_IFIFO | 0666, .umask = 022 };
	const struct fuse_mknod_in bad_in = { .mode = S_IFDIR | 0755 };
	struct fuse_create_in tmp_in = { .flags = O_RDWR | O_TMPFILE, .mode = S_IFREG | 04700 };
	struct fuse_entry_out entry;
	struct fuse_link_in link_in;
	uint64_t fh;

	client->uid = 1001;
	client->gid = 1002;
	is_int(fuse_client_create(client, 1, "own", O_RDWR, 06777, &entry, &fh), 0);
	ok(entry.attr.uid == 1001 && entry.attr.gid == 1002);
	is_int(entry.attr.mode, S_IFREG | 06755);
	is_int(fuse_client_call(client, FUSE_MKDIR, 1, &mkdir_in, sizeof(mkdir_in), "dir", NULL),
	       0);
	is_int(host_mode("dir"), S_IFDIR | 0770);
	is_int(fchownat(client->export_fd, "dir", 0, 77, 0), 0);
	is_int(fchmodat(client->export_fd, "dir", 02777, 0), 0);
	is_int(fuse_client_lookup(client, 1, "dir", &entry), 0);
	is_int(fuse_client_call(client, FUSE_MKDIR, entry.nodeid, &mkdir_in, sizeof(mkdir_in),
				"sub", NULL),
	       0);
	is_int(host_mode("dir/sub"), S_IFDIR | S_ISGID | 0770);
	is_int(fuse_client_create(client, entry.nodeid, "file", O_RDWR, 0644, &entry, &fh), 0);
	ok(entry.attr.uid == 1001 && entry.attr.gid == 77);
	is_int(fuse_client_call(client, FUSE_MKNOD, 1, &fifo_in, sizeof(fifo_in), "fifo", NULL), 0);
	is_int(host_mode("fifo"), S_IFIFO | 0644);
	is_int(fuse_client_call(client, FUSE_MKNOD, 1, &bad_in, sizeof(bad_in), "bad", NULL),
	       -EINVAL);
	is_int(fuse_client_call(client, FUSE_TMPFILE, 1, &tmp_in, sizeof(tmp_in), "#1", NULL), 0);
	memcpy(&entry, fuse_client_payload(client), sizeof(entry));
	ok(entry.attr.nlink == 0 && entry.attr.uid == 1001 && entry.attr.mode == (S_IFREG | 04700));
	link_in.oldnodeid = entry.nodeid;
	is_int(fuse_client_call(client, FUSE_LINK, 1, &link_in, sizeof(link_in), "named", NULL), 0);
	is_int(host_mode("named"), S_IFREG | 04700);
	client->uid = 0;
	client->gid = 0;
}

/* What came into being since the client looked is not opened before it has looked again. */
static void test_create_existing(void)
{
	struct fuse_entry_out entry;
	uint64_t fh;

	(void)host_file("appeared", "secret", 0600);
	is_int(fuse_client_create(client, 1, "appeared", O_RDWR | O_TRUNC, 0644, &entry, &fh),
	       -ESTALE);
	is_int(fuse_client_create(client, 1, "appeared", O_RDWR | O_EXCL, 0644, &entry, &fh),
	       -EEXIST);
	ok(host_content_is("appeared", "secret"));
}

static void test_names(void)
{
	const struct fuse_rename_in plain = { .newdir = FUSE_ROOT_ID };
	struct fuse_rename2_in rename = { .newdir = FUSE_ROOT_ID, .flags = RENAME_NOREPLACE };
	struct fuse_entry_out entry;

	(void)host_file("one", "1", 0644);
	(void)host_file("two", "2", 0644);
	is_int(fuse_client_call(client, FUSE_RENAME2, 1, &rename, sizeof(rename), "one", "two"),
	       -EEXIST);
	rename.flags = RENAME_EXCHANGE;
	is_int(fuse_client_call(client, FUSE_RENAME2, 1, &rename, sizeof(rename), "one", "two"), 0);
	ok(host_content_is("one", "2") && host_content_is("two", "1"));
	rename.flags = 1u << 20;
	is_int(fuse_client_call(client, FUSE_RENAME2, 1, &rename, sizeof(rename), "one", "two"),
	       -EINVAL);
	is_int(fuse_client_call(client, FUSE_RENAME, 1, &plain, sizeof(plain), "one", "two"), 0);
	is_int(host_mode("one"), 0);
	is_int(fuse_client_call(client, FUSE_SYMLINK, 1, NULL, 0, "sym", "two"), 0);
	is_int(fuse_client_lookup(client, 1, "sym", &entry), 0);
	is_int(fuse_client_call(client, FUSE_READLINK, entry.nodeid, NULL, 0, NULL, NULL), 0);
	ok(client->reply_len == 3 && !memcmp(fuse_client_payload(client), "two", 3));
	is_int(fuse_client_call(client, FUSE_READLINK, 1, NULL, 0, NULL, NULL), -EINVAL);
	is_int(fuse_client_call(client, FUSE_UNLINK, 1, NULL, 0, "sym", NULL), 0);
	ok(host_content_is("two", "2"));
	is_int(fuse_client_call(client, FUSE_RMDIR, 1, NULL, 0, "two", NULL), -ENOTDIR);
	is_int(mkdirat(client->export_fd, "empty", 0755), 0);
	is_int(fuse_client_call(client, FUSE_UNLINK, 1, NULL, 0, "empty", NULL), -EISDIR);
	is_int(fuse_client_call(client, FUSE_RMDIR, 1, NULL, 0, "empty", NULL), 0);
}

static void *serve_channel(void *context)
{
	const struct fs_channel *channel = context;
	struct error err;

	is_int(file_server_enter_thread(client->server, &err), 0);
	is_int(file_server_run(client->server, channel), 0);
	return NULL;
}

/* Wait for the reply to slot @slot, and return its error. */
static int receive_reply(const struct fs_channel *monitor, uint32_t slot)
{
	struct pollfd wait = { .fd = monitor->socket_fd, .events = POLLIN };
	struct fs_channel_message message;
	struct fuse_out_header header;

	is_int(poll(&wait, 1, 10000), 1);
	is_int(fs_channel_receive(monitor, &message), 1);
	is_int(message.slot, slot);
	memcpy(&header, fs_channel_reply(monitor, slot), sizeof(header));
	return message.len ? header.error : 1;
}

static void test_serving_a_channel(void)
{
	const struct fuse_forget_in forget = { .nlookup = 1 };
	struct fs_channel monitor;
	struct fs_channel server;
	struct error err;
	pthread_t thread;

	is_int(fs_channel_create(&monitor, &server, &err), 0);
	is_int(fs_channel_map(&monitor, &err) + fs_channel_map(&server, &err), 0);
	is_int(pthread_create(&thread, NULL, serve_channel, &server), 0);
	/* Requests as composed and sent before, the second one without a reply. */
	(void)fuse_client_call(client, FUSE_STATFS, FUSE_ROOT_ID, NULL, 0, NULL, NULL);
	memcpy(fs_channel_request(&monitor, 5), client->request, client->request_len);
	is_int(fs_channel_send(&monitor, 5, (uint32_t)client->request_len), 0);
	is_int(receive_reply(&monitor, 5), 0);
	(void)fuse_client_call(client, FUSE_FORGET, 99, &forget, sizeof(forget), NULL, NULL);
	memcpy(fs_channel_request(&monitor, 0), client->request, client->request_len);
	is_int(fs_channel_send(&monitor, 0, (uint32_t)client->request_len), 0);
	is_int(receive_reply(&monitor, 0), 1);
	fs_channel_close(&monitor);
	is_int(pthread_join(thread, NULL), 0);
	fs_channel_close(&server);
}

int main(void)
{
	client = fuse_client_start();
	if (!ok(client != NULL))
		return tap_done();
	test_session();
	test_what_is_left_to_the_client();
	test_lookup_and_forget();
	test_read_and_write();
	test_file_operations();
	test_attributes();
	test_killing_suid();
	test_ownership_of_what_is_created();
	test_create_existing();
	test_names();
	test_serving_a_channel();
	ok(fuse_client_canary_lives(client));
	fuse_client_free(client);
	return tap_done();
}
