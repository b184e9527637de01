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

bool kernel_settings_is_of_interface(const char *path, const char *name)
{
	static const char *const folders[] = { "net/ipv4/conf/", "net/ipv4/neigh/",
					       "net/ipv6/conf/", "net/ipv6/neigh/" };
	static const char *const others[] = { "all", "default", "lo" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		const char *begin = path + strlen(folders[i]);
		size_t len;

		if (strncmp(path, folders[i], strlen(folders[i])) != 0)
			continue;
		len = strcspn(begin, "/");
		for (size_t j = 0; j < ARRAY_SIZE(others); j++)
			if (strlen(others[j]) == len && !strncmp(begin, others[j], len))
				return false;
		return !name || (strlen(name) == len && !strncmp(begin, name, len));
	}
	return false;
}

int kernel_settings_apply_sysctl(const struct plan_sysctl *sysctl, struct failure *err)
{
	char path[PATH_MAX];
	int r = kernel_settings_sysctl_path(sysctl->name, path, sizeof(path));

	if (!r)
		r = kernel_settings_write(path, sysctl->value);
	return r ? failure_set(err, -r, "sysctl \"%s\" = \"%s\"", sysctl->name, sysctl->value) : 0;
}

static int settings_apply_sysctls(const struct container_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_sysctls; i++) {
		const struct plan_sysctl *sysctl = &plan->sysctls[i];
		char path[PATH_MAX];
		int r;

		if (!kernel_settings_sysctl_path(sysctl->name, path, sizeof(path)) &&
		    kernel_settings_is_of_interface(path, NULL))
			continue;
		r = kernel_settings_apply_sysctl(sysctl, err);
		if (r)
			return r;
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

/*
 * Addresses and routes are those that the host's side has, where routers' advertisements are heard
 * if at all: here they would be a way for neighbours to become the container's router. A sysctl of
 * the plan has the last word.
 */
static int settings_ignore_routers(struct failure *err)
{
	int r = kernel_settings_write("net/ipv6/conf/default/accept_ra", "0");

	return r && r != -ENOENT ? failure_set(err, -r, "ignore advertisements of routers") : 0;
}

int kernel_settings_apply(const struct container_plan *plan, struct failure *err)
{
	int r = settings_enable_loopback(err);

	if (!r)
		r = settings_ignore_routers(err);
	if (r)
		return r;
	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)))
		return failure_set(err, errno, "hostname \"%s\"", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)))
		return failure_set(err, errno, "domainname \"%s\"", plan->domainname);
	return settings_apply_sysctls(plan, err);
}
