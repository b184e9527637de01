/* SPDX-License-Identifier: Apache-2.0 */
/* test_inherited.c - descriptors of the caller that cannot reach a virtual machine */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/base/log.h"
#include "vmm/cli/inherited.h"

static struct error err;

static void test_preserved(void)
{
	is_int(inherited_check(0, &err), 0);
	is_int(inherited_check(-1, &err), 0);
	is_int(inherited_check(INT_MAX, &err), 0); /* none is open */
	is_int(inherited_check_for_container(INT_MAX, &err), 0);

	/* What we have opened ourselves was not given to us. */
	is_int(dup3(STDIN_FILENO, 4, O_CLOEXEC), 4);
	is_int(inherited_check(10, &err), 0);

	is_int(dup2(STDIN_FILENO, 6), 6);
	is_int(dup2(STDIN_FILENO, 5), 5);
	is_int(inherited_check(2, &err), 0); /* 3 and 4 */
	is_int(inherited_check(3, &err), -EINVAL);
	is_str(err.text,
	       "--preserve-fds 3: descriptor 5 of the host cannot enter a virtual machine");
	is_int(inherited_check_for_container(INT_MAX, &err), -EINVAL);
	for (int fd = 4; fd <= 6; fd++)
		(void)close(fd);
}

static void check_listen(const char *pid, const char *count, int want)
{
	ok(setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", count, 1) == 0);
	is_int(inherited_check_for_container(0, &err), want);
	is_int(inherited_check(0, &err), 0); /* not for exec */
}

static void test_listening_sockets(void)
{
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	check_listen(own, "2", -EINVAL);
	is_str(err.text, "LISTEN_FDS=2: descriptor 3 of the host cannot enter a virtual machine");
	check_listen("1", "2", 0); /* meant for another */
	check_listen(own, "0", 0);
	check_listen(own, "", 0);
	check_listen(own, "2x", 0);
	check_listen("", "2", 0);
	ok(unsetenv("LISTEN_PID") == 0);
	is_int(inherited_check_for_container(0, &err), 0);
	ok(unsetenv("LISTEN_FDS") == 0);
}

static void test_notification(void)
{
	char said[256] = "";
	int fds[2];

	if (!ok(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0))
		return;
	is_int(log_open(NULL, false, true, &err), 0);
	log_set_descriptor(fds[1]);
	ok(setenv("NOTIFY_SOCKET", "", 1) == 0);
	is_int(inherited_check_for_container(0, &err), 0);
	is_int(read(fds[0], said, sizeof(said) - 1), -1);
	ok(setenv("NOTIFY_SOCKET", "/run/notify", 1) == 0);
	is_int(inherited_check_for_container(0, &err), 0);
	ok(read(fds[0], said, sizeof(said) - 1) > 0);
	ok(strstr(said, "debug: NOTIFY_SOCKET is not passed on") != NULL);
	ok(unsetenv("NOTIFY_SOCKET") == 0);
	log_set_descriptor(STDERR_FILENO);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	is_int(close_range(3, UINT_MAX, 0), 0);
	test_preserved();
	test_listening_sockets();
	test_notification();
	return tap_done();
}
