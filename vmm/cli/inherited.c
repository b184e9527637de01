/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/inherited.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/log.h"

#define FIRST_FD 3

/* Our own descriptors are closed on exec; one that came through exec cannot be. */
static int is_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

/* The first inherited descriptor of @first up to @end, not included; @end when there is none. */
static int find_inherited(long first, long end, long *ret, struct error *err)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;

	*ret = end;
	if (!directory)
		return error_set(err, errno, "open /proc/self/fd");
	while ((entry = readdir(directory))) {
		long fd = strtol(entry->d_name, NULL, 10);

		if (fd >= first && fd < *ret && is_inherited((int)fd))
			*ret = fd;
	}
	(void)closedir(directory);
	return 0;
}

static int check(long first, int preserved, struct error *err)
{
	long end = first + preserved;
	long found;
	int r;

	if (preserved <= 0)
		return 0;
	r = find_inherited(first, end, &found, err);
	if (r < 0 || found == end)
		return r;
	return error_invalid(err,
			     "--preserve-fds %d: descriptor %ld of the host cannot enter a "
			     "virtual machine",
			     preserved, found);
}

int inherited_check(int preserved, struct error *err)
{
	return check(FIRST_FD, preserved, err);
}

/* The value of a variable that sd_listen_fds(3) describes; 0 when it has none that counts. */
static int variable(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (!text)
		return 0;
	number = strtol(text, &end, 10);
	return end != text && !*end && number > 0 && number < INT_MAX ? (int)number : 0;
}

int inherited_check_for_container(int preserved, struct error *err)
{
	const char *notify = getenv("NOTIFY_SOCKET");

	if (notify && *notify)
		log_debug("NOTIFY_SOCKET is not passed on: the container cannot say that it is "
			  "ready");
	if (variable("LISTEN_PID") == (int)getpid() && variable("LISTEN_FDS") > 0)
		return error_invalid(err,
				     "LISTEN_FDS=%d: descriptor %d of the host cannot enter a "
				     "virtual machine",
				     variable("LISTEN_FDS"), FIRST_FD);
	return check(FIRST_FD, preserved, err);
}
