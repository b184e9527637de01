/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_no_descriptors.c - devices and channels on a host that has no descriptor left
 *
 * Each is made with room for one descriptor more, until it can be made: before, there is an error
 * and nothing is left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/backend/boot_log.h"
#include "vmm/backend/fs_channel.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

#define DESCRIPTORS_MAX 64

static struct fake_driver driver;
static struct error err;

static int make_fs_channel(void)
{
	struct fs_channel monitor;
	struct fs_channel server;
	int r = fs_channel_create(&monitor, &server, &err);

	if (!r) {
		fs_channel_close(&monitor);
		fs_channel_close(&server);
	}
	return r;
}

static int make_socket_channel(void)
{
	int fds[2];
	int r = socket_channel_create(&fds[0], &fds[1], &err);

	if (!r) {
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	return r;
}

static int make_console(void)
{
	static struct console console;
	static struct boot_log log;
	int r = console_init(&console, &log, &driver.memory, &driver.loop, driver.transport, &err);

	if (!r)
		console_fini(&console, &driver.loop);
	return r;
}

static int make_rng(void)
{
	static struct rng rng;
	int r = rng_init(&rng, &driver.memory, &driver.loop, driver.transport, &err);

	if (!r)
		rng_fini(&rng, &driver.loop);
	return r;
}

static void on_server_gone(void *context)
{
	(void)context;
}

static int make_fs(void)
{
	static struct fs fs;
	struct fs_channel channel = { .memory_fd = -1, .socket_fd = -1 };
	int fds[2];
	int r = socket_channel_create(&fds[0], &fds[1], &err);

	if (r < 0)
		return r;
	channel.socket_fd = fds[0];
	r = fs_init(&fs, "rootfs", &channel, on_server_gone, NULL, &driver.memory, &driver.loop,
		    driver.transport, &err);
	if (!r)
		fs_fini(&fs, &driver.loop);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return r;
}

static int make_vsock(void)
{
	static const struct vsock_service service = { 0 };
	struct vsock *vsock = NULL;
	int r = vsock_new(&vsock, &service, NULL, &driver.memory, &driver.loop, driver.transport,
			  &err);

	if (!r)
		vsock_free(vsock);
	return r;
}

static int count_descriptors(void)
{
	int nr = 0;

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* No descriptor from @limit on. */
static void allow(rlim_t limit)
{
	struct rlimit limits;

	is_int(getrlimit(RLIMIT_NOFILE, &limits), 0);
	limits.rlim_cur = limit;
	is_int(setrlimit(RLIMIT_NOFILE, &limits), 0);
}

/* @nr_needed: how many descriptors it takes at a time. */
static void test(const char *name, int (*make)(void), int nr_needed)
{
	int nr_before = count_descriptors();
	int nr = 0;
	int r = -EMFILE;

	printf("# %s\n", name);
	for (; nr < DESCRIPTORS_MAX && r < 0; nr++) {
		err = (struct error){ 0 };
		/* Descriptors are taken from the lowest on: those in use are the first. */
		allow((rlim_t)(nr_before + nr));
		r = make();
		allow(DESCRIPTORS_MAX);
		is_int(count_descriptors(), nr_before);
		if (r == 0)
			break;
		is_int(r, -EMFILE);
		is_int(err.code, EMFILE);
		ok(err.text[0]);
	}
	is_int(r, 0);
	is_int(nr, nr_needed);
}

int main(void)
{
	/* Whatever was inherited: there are to be no holes. */
	is_int(close_range(STDERR_FILENO + 1, ~0U, 0), 0);
	fake_driver_init(&driver);
	test("file server's channel", make_fs_channel, 4);
	test("channel for sockets", make_socket_channel, 2);
	test("console", make_console, 2);
	test("rng", make_rng, 1);
	test("fs", make_fs, 4);
	test("vsock", make_vsock, 4);
	fake_driver_fini(&driver);
	return tap_done();
}
