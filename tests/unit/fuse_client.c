/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fuse_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/file_io.h"

static int make_tree(struct fuse_client *client, const char *parent_directory)
{
	char path[128];
	int fd;

	(void)snprintf(client->directory, sizeof(client->directory), "%s/bulkhead-fs-XXXXXX",
		       parent_directory);
	if (!mkdtemp(client->directory))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/canary", client->directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || file_write_full(fd, FUSE_CLIENT_CANARY, strlen(FUSE_CLIENT_CANARY)) < 0)
		return -1;
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "%s/export", client->directory);
	if (mkdir(path, 0755) < 0)
		return -1;
	client->export_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	client->directory_fd = open(client->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	client->outside_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return client->export_fd < 0 || client->directory_fd < 0 ? -1 : client->outside_fd;
}

/* Make @root the root directory, and the server's the working directory again. */
static void change_root(const struct fuse_client *client, int root)
{
	/* Not being where we believe to be is the one thing that must not go on. */
	if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(client->proc_fd) < 0) {
		perror("fuse client: change the root directory");
		abort();
	}
}

void fuse_client_confine(const struct fuse_client *client)
{
	change_root(client, client->directory_fd);
}

void fuse_client_release_confined(const struct fuse_client *client)
{
	change_root(client, client->outside_fd);
}

struct fuse_client *fuse_client_new_with(const char *parent_directory,
					 const struct file_server_options *options)
{
	struct fuse_client *client = calloc(1, sizeof(*client));
	struct error err;
	int root_fd;

	if (!client || make_tree(client, parent_directory) < 0)
		return NULL;
	client->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	root_fd = openat(client->export_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (file_server_init(&client->server, root_fd, client->proc_fd, options, &err) < 0 ||
	    file_server_enter_thread(client->server, &err) < 0) {
		printf("# %s\n", err.text);
		return NULL;
	}
	if (geteuid() != 0) {
		printf("# only root can confine a server that may be broken\n");
		return NULL;
	}
	return client;
}

struct fuse_client *fuse_client_new(const char *parent_directory)
{
	const struct file_server_options options = { .cache_timeout_ms = 1500 };

	return fuse_client_new_with(parent_directory, &options);
}

struct fuse_client *fuse_client_start(void)
{
	struct fuse_client *client = fuse_client_new("/tmp");

	return client && fuse_client_init(client, UINT32_MAX) == 0 ? client : NULL;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
	(void)stat;
	(void)kind;
	/* What cannot be removed stays: the caller's tree is a temporary one. */
	if (walk->level > 0)
		(void)remove(path);
	return 0;
}

void fuse_client_empty_tree(const struct fuse_client *client)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/export", client->directory);
	(void)nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void fuse_client_free(struct fuse_client *client)
{
	file_server_free(client->server);
	(void)close(client->proc_fd);
	(void)close(client->export_fd);
	(void)close(client->directory_fd);
	(void)close(client->outside_fd);
	(void)nftw(client->directory, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	(void)rmdir(client->directory);
	free(client);
}

bool fuse_client_canary_lives(const struct fuse_client *client)
{
	char path[128];
	char text[64] = { 0 };
	unsigned int nr_names = 0;
	struct dirent *entry;
	DIR *directory = opendir(client->directory);
	int fd;

	while (directory && (entry = readdir(directory)))
		nr_names++;
	if (directory)
		(void)closedir(directory);
	(void)snprintf(path, sizeof(path), "%s/canary", client->directory);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)file_read_full(fd, text, sizeof(text) - 1);
	(void)close(fd);
	return nr_names == 4 && !strcmp(text, FUSE_CLIENT_CANARY);
}

void fuse_client_begin(struct fuse_client *client, uint32_t opcode, uint64_t nodeid)
{
	struct fuse_in_header header = {
		.opcode = opcode,
		.unique = ++client->unique,
		.nodeid = nodeid,
		.uid = client->uid,
		.gid = client->gid,
	};

	client->request_len = 0;
	fuse_client_add(client, &header, sizeof(header));
}

void fuse_client_add(struct fuse_client *client, const void *bytes, size_t len)
{
	if (len > sizeof(client->request) - client->request_len)
		len = sizeof(client->request) - client->request_len;
	if (len > 0)
		memcpy(client->request + client->request_len, bytes, len);
	client->request_len += len;
}

void fuse_client_add_string(struct fuse_client *client, const char *string)
{
	fuse_client_add(client, string, strlen(string) + 1);
}

int fuse_client_send_raw(struct fuse_client *client)
{
	uint8_t *exact = malloc(client->request_len ? client->request_len : 1);
	struct fuse_out_header header;
	size_t len;

	if (!exact)
		return -ENOMEM;
	memcpy(exact, client->request, client->request_len);
	if (client->on_request)
		client->on_request(exact, client->request_len);
	fuse_client_confine(client);
	len = file_server_handle(client->server, exact, client->request_len, client->reply,
				 sizeof(client->reply));
	fuse_client_release_confined(client);
	if (client->on_request)
		client->on_request(NULL, 0);
	free(exact);
	if (len == 0)
		return 1;
	if (len == FILE_SERVER_LATER)
		return FUSE_CLIENT_LATER;
	memcpy(&header, client->reply, sizeof(header));
	client->reply_len = len - sizeof(header);
	if (len < sizeof(header) || len > sizeof(client->reply) || header.len != len ||
	    header.error > 0 || header.error <= -4096 || (header.error && client->reply_len > 0))
		return -EBADMSG;
	return header.error;
}

int fuse_client_send(struct fuse_client *client)
{
	uint32_t len = (uint32_t)client->request_len;
	struct fuse_out_header header;
	int ret;

	memcpy(client->request + offsetof(struct fuse_in_header, len), &len, sizeof(len));
	ret = fuse_client_send_raw(client);
	if (ret > 0)
		return ret;
	memcpy(&header, client->reply, sizeof(header));
	return header.unique == client->unique ? ret : -EBADMSG;
}

const void *fuse_client_payload(const struct fuse_client *client)
{
	return client->reply + sizeof(struct fuse_out_header);
}

int fuse_client_call(struct fuse_client *client, uint32_t opcode, uint64_t nodeid,
		     const void *arguments, size_t arguments_len, const char *string1,
		     const char *string2)
{
	fuse_client_begin(client, opcode, nodeid);
	fuse_client_add(client, arguments, arguments_len);
	if (string1)
		fuse_client_add_string(client, string1);
	if (string2)
		fuse_client_add_string(client, string2);
	return fuse_client_send(client);
}

/* Copy the reply's payload, which must be exactly @len bytes, unless @ret is an error. */
static int take_reply(const struct fuse_client *client, int ret, void *payload, size_t len)
{
	if (ret != 0)
		return ret;
	if (client->reply_len != len)
		return -EBADMSG;
	memcpy(payload, fuse_client_payload(client), len);
	return 0;
}

int fuse_client_init(struct fuse_client *client, uint32_t flags)
{
	const struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION,
					 .minor = FUSE_KERNEL_MINOR_VERSION,
					 .max_readahead = 131072,
					 .flags = flags };

	return fuse_client_call(client, FUSE_INIT, 0, &in, sizeof(in), NULL, NULL);
}

int fuse_client_lookup(struct fuse_client *client, uint64_t parent, const char *name,
		       struct fuse_entry_out *ret_entry)
{
	int ret = fuse_client_call(client, FUSE_LOOKUP, parent, NULL, 0, name, NULL);

	ret = take_reply(client, ret, ret_entry, sizeof(*ret_entry));
	return ret == 0 && ret_entry->nodeid == 0 ? -ENOENT : ret;
}

void fuse_client_forget(struct fuse_client *client, uint64_t nodeid, uint64_t nr_lookups)
{
	const struct fuse_forget_in in = { .nlookup = nr_lookups };

	(void)fuse_client_call(client, FUSE_FORGET, nodeid, &in, sizeof(in), NULL, NULL);
}

int fuse_client_getattr(struct fuse_client *client, uint64_t nodeid, struct fuse_attr *ret_attr)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	int ret = fuse_client_call(client, FUSE_GETATTR, nodeid, &in, sizeof(in), NULL, NULL);

	ret = take_reply(client, ret, &out, sizeof(out));
	if (ret == 0)
		*ret_attr = out.attr;
	return ret;
}

int fuse_client_create(struct fuse_client *client, uint64_t parent, const char *name,
		       uint32_t flags, uint32_t mode, struct fuse_entry_out *ret_entry,
		       uint64_t *ret_fh)
{
	const struct fuse_create_in in = { .flags = flags, .mode = S_IFREG | mode, .umask = 022 };
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	int ret = fuse_client_call(client, FUSE_CREATE, parent, &in, sizeof(in), name, NULL);

	ret = take_reply(client, ret, &out, sizeof(out));
	if (ret == 0) {
		*ret_entry = out.entry;
		*ret_fh = out.open.fh;
	}
	return ret;
}

int fuse_client_open(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint32_t flags,
		     uint64_t *ret_fh)
{
	const struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out;
	int ret = fuse_client_call(client, opcode, nodeid, &in, sizeof(in), NULL, NULL);

	ret = take_reply(client, ret, &out, sizeof(out));
	if (ret == 0)
		*ret_fh = out.fh;
	return ret;
}

int fuse_client_release(struct fuse_client *client, uint32_t opcode, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };

	return fuse_client_call(client, opcode, FUSE_ROOT_ID, &in, sizeof(in), NULL, NULL);
}

int fuse_client_write(struct fuse_client *client, uint64_t fh, uint64_t offset, const char *text,
		      uint32_t flags, uint32_t write_flags)
{
	const struct fuse_write_in in = { .fh = fh,
					  .offset = offset,
					  .size = (uint32_t)strlen(text),
					  .write_flags = write_flags,
					  .flags = flags };
	struct fuse_write_out out;
	int ret;

	fuse_client_begin(client, FUSE_WRITE, FUSE_ROOT_ID);
	fuse_client_add(client, &in, sizeof(in));
	fuse_client_add(client, text, in.size);
	ret = take_reply(client, fuse_client_send(client), &out, sizeof(out));
	return ret == 0 ? (int)out.size : ret;
}

int fuse_client_read(struct fuse_client *client, uint32_t opcode, uint64_t nodeid, uint64_t fh,
		     uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };
	int ret = fuse_client_call(client, opcode, nodeid, &in, sizeof(in), NULL, NULL);

	return ret == 0 ? (int)client->reply_len : ret;
}
