/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_file_server.c - the input is a program for a hostile FUSE client
 *
 * Each step picks an operation, a node or handle (mostly ones that exist), names and numbers from
 * short lists of good and bad ones, and now and then damages the message, also while it is read.
 * In the export there is a socket where a process of the host listens, and guest-init, too, is the
 * client's to play. After a program nothing outside the export may have changed, and a new session
 * must have closed every descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest-init/protocol.h"
#include "tests/fuzz/fetch_watch.h"
#include "tests/unit/fuse_client.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/file_server/host_sockets.h"

#define MAX_STEPS 100
#define MAX_KNOWN 16
#define TREE_SIZE "size=16m,nr_inodes=1000"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fuse_client *client;
static int home_fd;
static unsigned int nr_idle_descriptors;
static char parent[] = "/tmp/bulkhead-fuzz-XXXXXX";

/* What is left of the input. */
static const uint8_t *input;
static size_t input_len;

static uint64_t nodes[MAX_KNOWN];
static uint64_t handles[MAX_KNOWN];
static unsigned int nr_nodes;
static unsigned int nr_handles;

static struct host_sockets *sockets;
static uint64_t bind_mount;
static int monitor_fd;
static uint32_t offered[MAX_STEPS]; /* numbers, until the end of the program */
static unsigned int nr_offered;

static uint8_t next_byte(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

static uint64_t next_number(void)
{
	static const uint64_t numbers[] = { 0,	       1,	   2,	       4095,
					    4096,      65536,	   100000,     262144,
					    262145,    INT32_MAX,  UINT32_MAX, 1ull << 32,
					    INT64_MAX, 1ull << 63, UINT64_MAX };
	uint8_t choice = next_byte();

	return choice < 128 ? choice % 64 : numbers[choice % (sizeof(numbers) / sizeof(*numbers))];
}

static void take_offers(void)
{
	struct socket_message message;
	int fd;

	while (socket_channel_receive(monitor_fd, &message, &fd) == 1) {
		if (message.type != SOCKET_OFFER || fd >= 0 || nr_offered == MAX_STEPS)
			abort();
		offered[nr_offered++] = message.socket;
	}
}

static const char *next_name(void)
{
	static char longest[300];
	static char of_socket[64];
	static const char *const names[] = { "a",	  "b",		"c",	   "d",
					     "e",	  "\xff\x01",	"a",	   "b",
					     "",	  ".",		"..",	   "/",
					     "a/b",	  "../canary",	"/canary", longest,
					     longest + 1, longest + 45, "socket",  of_socket };

	take_offers();
	(void)snprintf(of_socket, sizeof(of_socket), "%s%u", PROTOCOL_SOCKET_NAME,
		       nr_offered ? offered[nr_offered - 1] : 1);
	memset(longest, 'x', sizeof(longest) - 1);
	return names[next_byte() % (sizeof(names) / sizeof(*names))];
}

static uint64_t next_of(const uint64_t *known, unsigned int count)
{
	uint8_t choice = next_byte();

	if (choice >= 240)
		return next_number();
	return count ? known[choice % count] : FUSE_ROOT_ID;
}

static void remember(uint64_t *known, unsigned int *count, uint64_t value)
{
	known[*count < MAX_KNOWN ? (*count)++ : next_byte() % MAX_KNOWN] = value;
}

/* Fixed arguments as a row of 64-bit numbers, with a node or handle where one belongs. */
static void add_numbers(unsigned int count, int handle_at)
{
	for (unsigned int index = 0; index < count; index++) {
		uint64_t value =
			(int)index == handle_at ? next_of(handles, nr_handles) : next_number();

		fuse_client_add(client, &value, sizeof(value));
	}
}

static void add_pair(uint32_t first, uint32_t second)
{
	fuse_client_add(client, &first, sizeof(first));
	fuse_client_add(client, &second, sizeof(second));
}

static void add_data(size_t len)
{
	static const uint8_t data[FS_CHANNEL_DATA_MAX];

	fuse_client_add(client, data, len < sizeof(data) ? len : sizeof(data));
}

static void add_open_flags(void)
{
	static const uint32_t flags[] = { O_RDONLY,	    O_WRONLY,	     O_RDWR,
					  O_RDWR | O_TRUNC, O_RDWR | O_EXCL, O_TMPFILE | O_RDWR,
					  O_RDWR | O_SYNC,  UINT32_MAX };

	uint32_t value = flags[next_byte() % 8];

	fuse_client_add(client, &value, sizeof(value));
}

static void add_fallocate(void)
{
	uint64_t fh = next_of(handles, nr_handles);

	fuse_client_add(client, &fh, sizeof(fh));
	add_numbers(2, -1);
	add_pair(next_byte() &
			 (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | 0xc0),
		 0);
}

static void add_arguments(uint32_t opcode)
{
	uint64_t number = 0;

	switch (opcode) {
	case FUSE_FORGET:
		add_numbers(1, -1);
		break;
	case FUSE_BATCH_FORGET:
		add_pair(next_byte(), 0);
		for (unsigned int index = 0; index < 3; index++) {
			number = next_of(nodes, nr_nodes);
			fuse_client_add(client, &number, sizeof(number));
			add_numbers(1, -1);
		}
		break;
	case FUSE_GETATTR:
		add_numbers(2, 1);
		break;
	case FUSE_SETATTR:
		add_pair((uint32_t)(next_byte() | next_byte() << 8), 0);
		add_numbers(10, 0);
		break;
	case FUSE_RENAME:
	case FUSE_LINK:
		number = next_of(nodes, nr_nodes);
		fuse_client_add(client, &number, sizeof(number));
		break;
	case FUSE_RENAME2:
		number = next_of(nodes, nr_nodes);
		fuse_client_add(client, &number, sizeof(number));
		add_pair(next_byte() % 9, 0);
		break;
	case FUSE_MKNOD:
		add_pair((uint32_t)(next_byte() << 9 | next_byte()), (uint32_t)next_number());
		add_pair(next_byte(), 0);
		break;
	case FUSE_MKDIR:
		add_pair((uint32_t)next_number(), next_byte());
		break;
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		add_open_flags();
		add_pair((uint32_t)(next_byte() << 4), next_byte());
		number = next_byte() & 1;
		fuse_client_add(client, &number, 4);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		add_open_flags();
		number = next_byte() & 1;
		fuse_client_add(client, &number, 4);
		break;
	case FUSE_READ:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		add_numbers(5, 0);
		break;
	case FUSE_WRITE:
		add_numbers(5, 0);
		add_data(next_number());
		break;
	case FUSE_FALLOCATE:
		add_fallocate();
		break;
	case FUSE_COPY_FILE_RANGE:
		add_numbers(3, 0);
		add_numbers(4, 0);
		break;
	case FUSE_SETXATTR:
		add_pair(next_byte(), next_byte() % 4);
		add_pair(next_byte() & 1, 0);
		break;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		add_pair((uint32_t)next_number(), 0);
		break;
	default:
		add_numbers(3, 0);
		break;
	}
}

static void add_names(uint32_t opcode)
{
	static const char *const attributes[] = { "user.a",
						  "user.",
						  "trusted.b",
						  "security.capability",
						  "security.x",
						  "system.posix_acl_access",
						  "system.posix_acl_default",
						  "" };

	switch (opcode) {
	case FUSE_SETXATTR:
	case FUSE_GETXATTR:
	case FUSE_REMOVEXATTR:
		fuse_client_add_string(client, attributes[next_byte() % 8]);
		add_data(next_byte());
		break;
	case FUSE_LOOKUP:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		fuse_client_add_string(client, next_name());
		if (opcode == FUSE_SYMLINK || opcode == FUSE_RENAME || opcode == FUSE_RENAME2)
			fuse_client_add_string(client, next_name());
		break;
	default:
		break;
	}
}

/* Send as it is, or with a byte changed, cut short, or with a wrong length. */
static int send_perhaps_damaged(void)
{
	uint8_t how = next_byte();

	if (how < 224)
		return fuse_client_send(client);
	if (how < 240)
		client->request[next_byte() % client->request_len] ^= (uint8_t)(1 + next_byte());
	else if (how < 250)
		client->request_len -= next_byte() % client->request_len;
	else
		return fuse_client_send_raw(client);
	if (client->request_len < 4)
		return fuse_client_send_raw(client);
	(void)fuse_client_send(client);
	return 1; /* nothing to learn: it may have been another operation */
}

static void learn(uint32_t opcode)
{
	struct fuse_entry_out entry = { 0 };
	struct fuse_open_out open = { 0 };
	const uint8_t *payload = fuse_client_payload(client);

	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		memcpy(&entry, payload, sizeof(entry));
		payload += sizeof(entry);
		if (entry.nodeid)
			remember(nodes, &nr_nodes, entry.nodeid);
		if (opcode != FUSE_CREATE && opcode != FUSE_TMPFILE)
			break;
		memcpy(&open, payload, sizeof(open));
		remember(handles, &nr_handles, open.fh);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		memcpy(&open, payload, sizeof(open));
		remember(handles, &nr_handles, open.fh);
		break;
	default:
		break;
	}
}

static void step(void)
{
	uint32_t opcode = next_byte() % (FUSE_TMPFILE + 2);
	int ret;

	if (opcode == FUSE_DESTROY && next_byte() < 240)
		opcode = FUSE_CREATE;
	client->uid = next_byte() % 3;
	fuse_client_begin(client, opcode, next_of(nodes, nr_nodes));
	if (opcode == FUSE_INIT) {
		(void)fuse_client_init(client, (uint32_t)next_number());
		return;
	}
	add_arguments(opcode);
	add_names(opcode);
	ret = send_perhaps_damaged();
	if (ret == -EBADMSG)
		abort();
	if (ret == 0)
		learn(opcode);
}

/* How many descriptors of this process are on something below the fuzzer's file system. */
static unsigned int count_descriptors(void)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/fd");

	while (directory && (entry = readdir(directory))) {
		char target[PATH_MAX] = { 0 };

		if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) > 0)
			count += !strncmp(target, parent, strlen(parent));
	}
	if (directory)
		(void)closedir(directory);
	return count;
}

/* Where somebody listens, in the export. Returns the listening descriptor. */
static int open_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/export/socket",
		       client->directory);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 1) < 0)
		abort();
	return fd;
}

static void close_socket(int fd)
{
	struct socket_message message;

	take_offers();
	while (nr_offered)
		host_sockets_withdraw(sockets, offered[--nr_offered]);
	while (socket_channel_receive(monitor_fd, &message, &(int){ -1 }) == 1)
		continue;
	(void)close(fd);
}

/* A client whose export is wholly within a mount of config.json. */
static struct fuse_client *new_client(void)
{
	struct file_server_options options = { .cache_timeout_ms = 1500,
					       .bind_mounts = &bind_mount,
					       .nr_bind_mounts = 1 };
	struct statx stat;
	struct error err;
	int server_fd;

	if (socket_channel_create(&monitor_fd, &server_fd, &err) < 0 ||
	    statx(AT_FDCWD, parent, 0, STATX_MNT_ID, &stat) < 0)
		return NULL;
	bind_mount = stat.stx_mnt_id;
	sockets = host_sockets_new(server_fd);
	options.sockets = sockets;
	if (sockets)
		host_sockets_enable(sockets);
	return fuse_client_new_with(parent, &options);
}

static void clean_up(void)
{
	(void)umount2(parent, MNT_DETACH);
	(void)rmdir(parent);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fetch_watch_check();
	/* A small file system of its own: the program may allocate as much as it likes. */
	if (!mkdtemp(parent) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("fuzz", parent, "tmpfs", 0, TREE_SIZE) < 0) {
		(void)fprintf(stderr, "this fuzzer needs to mount a tmpfs: %s\n",
			      strerrorname_np(errno));
		exit(1);
	}
	(void)atexit(clean_up);
	home_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	client = new_client();
	if (!client || home_fd < 0)
		exit(1);
	(void)fuse_client_init(client, UINT32_MAX);
	client->on_request = fetch_watch_only;
	nr_idle_descriptors = count_descriptors();
	return fchdir(home_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	int socket_fd = open_socket();

	fetch_watch_begin(&program);
	input = program.bytes;
	input_len = program.len;
	nr_nodes = 0;
	nr_handles = 0;
	remember(nodes, &nr_nodes, FUSE_ROOT_ID);
	/* The server's working directory; the fuzzing engine has paths relative to its own. */
	if (fchdir(client->proc_fd) < 0)
		abort();
	for (unsigned int count = 0; count < MAX_STEPS && input_len > 0; count++)
		step();
	close_socket(socket_fd);
	if (!fuse_client_canary_lives(client))
		abort();
	if (fuse_client_init(client, UINT32_MAX) != 0 || count_descriptors() != nr_idle_descriptors)
		abort();
	fuse_client_empty_tree(client);
	return fchdir(home_fd);
}
