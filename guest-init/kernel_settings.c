/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/kernel_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/scope.h"

int kernel_settings_sysctl_path(const char *name, char *ret_path, size_t size)
{
	size_t len = strlen(name);
	bool has_dots = name[strcspn(name, "./")] == '.';

	if (!len || len >= size)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		ret_path[i] = name[i];
		if (has_dots && name[i] == '.')
			ret_path[i] = '/';
		else if (has_dots && name[i] == '/')
			ret_path[i] = '.';
	}
	return ret_path[0] == '/' || strstr(ret_path, "..") ? -EINVAL : 0;
}

int kernel_settings_write(const char *path, const char *value)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	AUTO_CLOSE int dir_fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	size_t len = strlen(value);

	if (dir_fd < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	if (fd < 0 || write(fd, value, len) != (ssize_t)len)
		return -errno;
	return 0;
}

static int settings_apply_sysctls(const struct container_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_sysctls; i++) {
		const struct plan_sysctl *sysctl = &plan->sysctls[i];
		char path[PATH_MAX];
		int r = kernel_settings_sysctl_path(sysctl->name, path, sizeof(path));

		if (!r)
			r = kernel_settings_write(path, sysctl->value);
		if (r)
			return failure_set(err, -r, "sysctl \"%s\" = \"%s\"", sysctl->name,
					   sysctl->value);
	}
	return 0;
}

/* A new network namespace, and the guest's first, start with the loopback interface down. */
static int settings_enable_loopback(struct failure *err)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		return failure_set(err, errno, "enable the loopback interface");
	return 0;
}

int kernel_settings_apply(const struct container_plan *plan, struct failure *err)
{
	int r = settings_enable_loopback(err);

	if (r)
		return r;
	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)))
		return failure_set(err, errno, "hostname \"%s\"", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)))
		return failure_set(err, errno, "domainname \"%s\"", plan->domainname);
	return settings_apply_sysctls(plan, err);
}
