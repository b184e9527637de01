/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_file_server_sockets.c - sockets of the host, from the guest's first look to a connection:
 * the file server and the container process's other half, with the monitor played
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fuse_client.h"
#include "tests/unit/tap.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/fd.h"
#include "vmm/container/socket_connect.h"

static struct fuse_client *client;
static struct socket_connect sockets;
static int monitor_fd;
static uint64_t bind_mount;

/* --- the host -------------------------------------------------------------------------------- */

static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/export/%s",
		       client->directory, name);
	return address;
}

/* A socket of the host at @name below the export; it listens unless @backlog is -1. */
static int open_server(const char *name, int type, int backlog)
{
	struct sockaddr_un address = address_of(name);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ok(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	if (backlog >= 0)
		is_int(listen(fd, backlog), 0);
	return fd;
}

/* --- the monitor ----------------------------------------------------------------------------- */

static void tell(uint32_t type, uint32_t socket, uint32_t request)
{
	const struct socket_message message = { .type = type,
						.socket = socket,
						.request = request };

	is_int(socket_channel_send(monitor_fd, &message, -1), 0);
	socket_connect_serve(&sockets);
	ok(chdir("/") == 0 && fchdir(client->proc_fd) == 0);
}

/* The next message, which has to be of @type; its number. */
static uint32_t hear(uint32_t type, int32_t code, int *ret_fd)
{
	struct socket_message message = { 0 };
	int fd = -1;

	if (!is_int(socket_channel_receive(monitor_fd, &message, &fd), 1))
		return 0;
	is_int(message.type, type);
	is_int(message.code, code);
	is_int(fd >= 0, ret_fd && code == 0);
	if (ret_fd)
		*ret_fd = fd;
	return message.socket;
}

static void hears_nothing(void)
{
	struct socket_message message;
	int fd;

	is_int(socket_channel_receive(monitor_fd, &message, &fd), -EAGAIN);
}

/* --- the guest ------------------------------------------------------------------------------- */

static uint64_t look_up(uint64_t parent, const char *name, uint64_t valid)
{
	struct fuse_entry_out entry = { 0 };

	is_int(fuse_client_lookup(client, parent, name, &entry), 0);
	is_int(entry.attr_valid, valid);
	return entry.nodeid;
}

/* GETATTR: what it returns; @valid is for how long the guest may rely on the answer, if any. */
static int get_attributes(uint64_t nodeid, uint64_t valid)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	int ret = fuse_client_call(client, FUSE_GETATTR, nodeid, &in, sizeof(in), NULL, NULL);

	if (ret == 0) {
		memcpy(&out, fuse_client_payload(client), sizeof(out));
		is_int(out.attr_valid, valid);
		ok(S_ISSOCK(out.attr.mode));
	}
	return ret;
}

static int make_node(uint64_t parent, const char *name, uint32_t mode, uint64_t *ret_nodeid)
{
	const struct fuse_mknod_in in = { .mode = mode | 0755 };
	struct fuse_entry_out entry;
	int ret = fuse_client_call(client, FUSE_MKNOD, parent, &in, sizeof(in), name, NULL);

	if (ret == 0) {
		memcpy(&entry, fuse_client_payload(client), sizeof(entry));
		*ret_nodeid = entry.nodeid;
	}
	return ret;
}

static const char *name_of(uint32_t id)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "%s%u", PROTOCOL_SOCKET_NAME, id);
	return name;
}

/* Look at the live socket @name as who connects does, and listen in its place. Returns its id. */
static uint32_t take_place(uint64_t parent, const char *name)
{
	uint64_t nodeid = look_up(parent, name, 0);
	struct fuse_entry_out entry;
	uint64_t other = 0;
	uint32_t id;

	is_int(get_attributes(nodeid, 0), FUSE_CLIENT_LATER);
	id = hear(SOCKET_OFFER, 0, NULL);
	ok(id > 0 && id <= PROTOCOL_SOCKET_ID_MAX);
	/* Asked for before it is there, the name means nothing yet. */
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, name_of(id), &entry), -ENOENT);
	is_int(get_attributes(nodeid, 0), FUSE_CLIENT_LATER);
	is_int(make_node(FUSE_ROOT_ID, name_of(id), S_IFSOCK, &other), 0);
	is_int(other, nodeid);
	is_int(get_attributes(nodeid, 0), FUSE_CLIENT_LATER);
	is_int(fuse_client_lookup(client, FUSE_ROOT_ID, name_of(id), &entry), -ENOENT);
	is_int(get_attributes(nodeid, 1), 0);
	is_int(look_up(parent, name, 1), nodeid);
	hears_nothing();
	return id;
}

static void test_not_before_it_is_enabled(void)
{
	int server = open_server("volume/early", SOCK_STREAM, 1);
	uint64_t volume = look_up(FUSE_ROOT_ID, "volume", 1);
	uint64_t nodeid = look_up(volume, "early", 0);

	is_int(get_attributes(nodeid, 0), 0);
	hears_nothing();
	tell(SOCKET_ENABLE, 0, 0);
	is_int(get_attributes(nodeid, 0), FUSE_CLIENT_LATER);
	ok(hear(SOCKET_OFFER, 0, NULL) != 0);
	(void)close(server);
}

static void test_connect(const char *name, uint64_t directory)
{
	char path[64], moved[80];
	int server, fd = -1, accepted;
	uint32_t id;
	char byte = 0;

	(void)snprintf(path, sizeof(path), "volume/%s", name);
	(void)snprintf(moved, sizeof(moved), "%s-moved", path);
	server = open_server(path, SOCK_STREAM, 5);
	id = take_place(directory, strrchr(path, '/') + 1);
	/* Twice, since a connection is not the socket. */
	for (uint32_t i = 0; i < 2; i++) {
		tell(SOCKET_CONNECT, id, 40 + i);
		is_int(hear(SOCKET_CONNECTED, 0, &fd), id);
		accepted = accept(server, NULL, NULL);
		ok(accepted >= 0 && write(accepted, "x", 1) == 1);
		is_int(read(fd, &byte, 1), 1);
		(void)close(accepted);
		(void)close(fd);
	}
	/* The number means this node, whatever its name leads to. */
	ok(renameat(client->export_fd, path, client->export_fd, moved) == 0);
	accepted = open_server(path, SOCK_STREAM, 5);
	tell(SOCKET_CONNECT, id, 0);
	is_int(hear(SOCKET_CONNECTED, 0, &fd), id);
	(void)close(fd);
	fd = accept(accepted, NULL, NULL);
	is_int(fd, -1);
	(void)close(accepted);
	/* Its end is final. */
	(void)close(server);
	tell(SOCKET_CONNECT, id, 0);
	is_int(hear(SOCKET_WITHDRAW, 0, NULL), id);
	is_int(hear(SOCKET_CONNECTED, ECONNREFUSED, NULL), id);
	tell(SOCKET_CONNECT, id, 0);
	is_int(hear(SOCKET_CONNECTED, ENOENT, NULL), id);
	is_int(get_attributes(look_up(directory, strrchr(moved, '/') + 1, 0), 1), 0);
	hears_nothing();
}

static void test_full_backlog(void)
{
	int server = open_server("volume/full", SOCK_STREAM, 0);
	uint32_t id = take_place(look_up(FUSE_ROOT_ID, "volume", 1), "full");
	int fd = -1;

	tell(SOCKET_CONNECT, id, 1);
	is_int(hear(SOCKET_CONNECTED, 0, &fd), id);
	tell(SOCKET_CONNECT, id, 1);
	is_int(hear(SOCKET_CONNECTED, EAGAIN, NULL), id);
	hears_nothing();
	(void)close(fd);
	(void)close(server);
}

/* Bound, and perhaps about to listen: not reachable now, not given up either. */
static void test_not_yet_listening(void)
{
	int server = open_server("volume/soon", SOCK_STREAM, -1);
	uint32_t id = take_place(look_up(FUSE_ROOT_ID, "volume", 1), "soon");
	int fd = -1;

	tell(SOCKET_CONNECT, id, 1);
	is_int(hear(SOCKET_CONNECTED, ECONNREFUSED, NULL), id);
	is_int(listen(server, 1), 0);
	tell(SOCKET_CONNECT, id, 1);
	is_int(hear(SOCKET_CONNECTED, 0, &fd), id);
	hears_nothing();
	(void)close(fd);
	(void)close(server);
}

/* The attributes of @name come at once and can be relied upon for @valid seconds: no offer. */
static void is_not_offered(uint64_t directory, const char *name, uint64_t valid)
{
	uint64_t nodeid = look_up(directory, name, valid);

	is_int(get_attributes(nodeid, 1), 0);
	hears_nothing();
}

static void test_what_is_not_offered(void)
{
	uint64_t volume = look_up(FUSE_ROOT_ID, "volume", 1);
	int outside = open_server("outside", SOCK_STREAM, 1);
	int datagrams = open_server("volume/datagrams", SOCK_DGRAM, -1);
	int dead = open_server("volume/dead", SOCK_STREAM, 1);
	struct fuse_attr attributes;
	uint64_t nodeid;

	(void)close(dead);
	is_not_offered(FUSE_ROOT_ID, "outside", 1);
	is_not_offered(volume, "datagrams", 0);
	is_not_offered(volume, "dead", 0);
	/* What the guest makes is alive in the guest. */
	is_int(make_node(volume, "own", S_IFSOCK, &nodeid), 0);
	is_int(get_attributes(nodeid, 1), 0);
	/* A link is a link, wherever it leads. */
	ok(symlinkat("../outside", client->export_fd, "volume/link") == 0);
	nodeid = look_up(volume, "link", 1);
	is_int(fuse_client_getattr(client, nodeid, &attributes), 0);
	ok(S_ISLNK(attributes.mode));
	is_int(make_node(volume, "file", S_IFREG, &nodeid), 0);
	is_int(fuse_client_getattr(client, nodeid, &attributes), 0);
	hears_nothing();
	(void)close(outside);
	(void)close(datagrams);
}

static void test_bad_numbers(void)
{
	static const char *const names[] = {
		"0", "01", "1x", "-1", "", "1073741824", "99999999999"
	};
	int server = open_server("volume/numbers", SOCK_STREAM, 1);
	uint64_t volume = look_up(FUSE_ROOT_ID, "volume", 1);
	uint32_t id = take_place(volume, "numbers");
	uint64_t nodeid = 0;
	char name[64];

	/* Other names, other places and other kinds are nothing special. */
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", PROTOCOL_SOCKET_NAME, names[i]);
		is_int(make_node(FUSE_ROOT_ID, name, S_IFSOCK, &nodeid), 0);
		is_int(faccessat(client->export_fd, name, F_OK, 0), 0);
		is_int(unlinkat(client->export_fd, name, 0), 0);
	}
	is_int(make_node(volume, name_of(id), S_IFSOCK, &nodeid), 0);
	(void)snprintf(name, sizeof(name), "volume/%s", name_of(id));
	is_int(unlinkat(client->export_fd, name, 0), 0);
	/* Once more, which is guest-init's own affair. */
	is_int(make_node(FUSE_ROOT_ID, name_of(id), S_IFSOCK, &nodeid), 0);
	tell(SOCKET_CONNECT, id + 1, 7);
	is_int(hear(SOCKET_CONNECTED, ENOENT, NULL), id + 1);
	/* A guest that has forgotten the node cannot get it back by its number. */
	fuse_client_forget(client, nodeid, 1000);
	is_int(make_node(FUSE_ROOT_ID, name_of(id), S_IFSOCK, &nodeid), -ESTALE);
	is_int(hear(SOCKET_WITHDRAW, 0, NULL), id);
	(void)close(server);
}

/* More sockets than can be on offer: those where nobody listens any more make room. */
static void test_many(void)
{
	static int servers[PROTOCOL_SOCKETS_MAX + 1];
	uint64_t volume = look_up(FUSE_ROOT_ID, "volume", 1);
	unsigned int nr_offers = 0, nr_withdrawn = 0;
	struct socket_message message;
	char path[64];
	int fd;

	for (unsigned int i = 0; i <= PROTOCOL_SOCKETS_MAX; i++) {
		(void)snprintf(path, sizeof(path), "volume/many%u", i);
		servers[i] = open_server(path, SOCK_STREAM, 1);
		(void)get_attributes(look_up(volume, path + strlen("volume/"), 0), 0);
		while (socket_channel_receive(monitor_fd, &message, &fd) == 1)
			nr_offers += message.type == SOCKET_OFFER;
	}
	is_int(nr_offers, PROTOCOL_SOCKETS_MAX);
	/* The last was not offered; with some room it is. */
	(void)close(servers[3]);
	(void)close(servers[4]);
	is_int(get_attributes(look_up(volume, path + strlen("volume/"), 0), 0), FUSE_CLIENT_LATER);
	while (socket_channel_receive(monitor_fd, &message, &fd) == 1) {
		nr_offers += message.type == SOCKET_OFFER;
		nr_withdrawn += message.type == SOCKET_WITHDRAW;
	}
	is_int(nr_offers, PROTOCOL_SOCKETS_MAX + 1);
	is_int(nr_withdrawn, 2);
	for (unsigned int i = 0; i <= PROTOCOL_SOCKETS_MAX; i++)
		(void)close(servers[i]);
}

/* A monitor that breaks the rules is not listened to any more. */
static void test_bad_monitor(void)
{
	int fd = -1;
	const struct socket_message message = { .type = SOCKET_OFFER };
	struct socket_message answer;

	is_int(socket_channel_send(monitor_fd, &message, -1), 0);
	socket_connect_serve(&sockets);
	is_int(sockets.channel_fd, -1);
	is_int(socket_channel_receive(monitor_fd, &answer, &fd), 0);
}

static bool start(void)
{
	struct file_server_options options = { .cache_timeout_ms = 1500,
					       .bind_mounts = &bind_mount,
					       .nr_bind_mounts = 1 };
	struct statx stat;
	struct error err;
	char path[128];
	int server_fd;

	if (socket_channel_create(&monitor_fd, &server_fd, &err) < 0 ||
	    socket_connect_init(&sockets, server_fd, &err) < 0)
		return false;
	options.sockets = sockets.table;
	client = fuse_client_new_with("/tmp", &options);
	if (!client || fuse_client_init(client, UINT32_MAX) < 0 ||
	    socket_connect_start(&sockets, client->proc_fd, &err) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/export/volume", client->directory);
	if (mkdir(path, 0755) < 0 || mount("volume", path, "tmpfs", 0, NULL) < 0 ||
	    statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stat) < 0)
		return false;
	bind_mount = stat.stx_mnt_id;
	(void)snprintf(path, sizeof(path), "%s/export/volume/below", client->directory);
	return mkdir(path, 0755) == 0 && mount("below", path, "tmpfs", 0, NULL) == 0;
}

int main(void)
{
	uint64_t volume, below;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !ok(start()))
		return tap_done();
	test_not_before_it_is_enabled();
	volume = look_up(FUSE_ROOT_ID, "volume", 1);
	below = look_up(volume, "below", 1);
	test_connect("socket", volume);
	test_connect("below/socket", below);
	test_full_backlog();
	test_not_yet_listening();
	test_what_is_not_offered();
	test_bad_numbers();
	test_many();
	test_bad_monitor();
	host_sockets_free(sockets.table);
	fuse_client_free(client);
	return tap_done();
}
