/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/mount_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

struct opened {
	const char *field; /* of config.json */
	const char *given; /* what it says */
	const char *path;  /* where that is */
	const struct administrator_config *administrator;
};

/* A descriptor, or -1 with errno. */
static int open_path(const char *path, bool is_limited)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = is_limited ? RESOLVE_NO_MAGICLINKS : 0,
	};
	AUTO_FREE char *inside = NULL;
	long fd;

	/* What automounts does so when something below is looked for, which O_PATH is not. */
	if (asprintf(&inside, "%s/.", path) < 0)
		return -1;
	fd = syscall(SYS_openat2, AT_FDCWD, inside, &how, sizeof(how));
	if (fd < 0)
		fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	return (int)fd;
}

/* Both clean: @path is @prefix or something below it. */
static bool is_within(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strcmp(prefix, "/") == 0)
		return true;
	return strncmp(path, prefix, len) == 0 && (path[len] == '/' || !path[len]);
}

static int check_denied_place(const struct opened *opened, const char *place, const char *limit,
			      struct error *err)
{
	if (!is_within(opened->path, place) && !is_within(place, opened->path))
		return 0;
	return error_invalid(
		err, "%s: %s: '%.512s' leads to %.512s: limits.mountSources.%s of %s denies %.256s",
		CONTAINER_CONFIG_NAME, opened->field, opened->given, opened->path, limit,
		opened->administrator->path, place);
}

/* A place may have another name as well (/var/run), or not exist yet. */
static int check_denied(const struct opened *opened, const struct text_list *places,
			const char *limit, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < places->count; i++) {
		AUTO_FREE char *resolved = realpath(places->items[i], NULL);

		r = check_denied_place(opened, places->items[i], limit, err);
		if (!r && resolved)
			r = check_denied_place(opened, resolved, limit, err);
	}
	return r;
}

static int check_allowed(const struct opened *opened, struct error *err)
{
	const struct text_list *places = &opened->administrator->limits.allowed_sources;

	for (size_t i = 0; i < places->count; i++) {
		AUTO_FREE char *resolved = realpath(places->items[i], NULL);

		if (is_within(opened->path, resolved ? resolved : places->items[i]))
			return 0;
	}
	if (!places->count)
		return 0;
	return error_invalid(err,
			     "%s: %s: '%.512s' leads to %.512s: limits.mountSources.allow of %s "
			     "does not have it",
			     CONTAINER_CONFIG_NAME, opened->field, opened->given, opened->path,
			     opened->administrator->path);
}

static int check(const struct opened *opened, enum mount_source_kind kind, struct error *err)
{
	const struct administrator_limits *limits = &opened->administrator->limits;
	int r = check_denied(opened, &limits->denied_sources, "deny", err);

	if (!r)
		r = check_denied(opened, &limits->host_system, "denyHostSystem", err);
	if (!r && kind == MOUNT_SOURCE_BIND)
		r = check_allowed(opened, err);
	return r;
}

/* The path of what is open at @fd, without links. */
static int find_path(int fd, char path[PATH_MAX], const struct opened *opened, struct error *err)
{
	char link[32];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, PATH_MAX);
	/* Not absolute: it has no path here. */
	if (len <= 0 || len == PATH_MAX || path[0] != '/')
		return error_set(err, len < 0 ? errno : ENAMETOOLONG, "%s: find out where '%s' is",
				 opened->field, opened->given);
	path[len] = 0;
	return 0;
}

static bool is_limited(const struct administrator_config *administrator)
{
	return administrator && (administrator->limits.allowed_sources.count ||
				 administrator->limits.denied_sources.count ||
				 administrator->limits.host_system.count);
}

int mount_source_open(const char *path, const struct administrator_config *administrator,
		      enum mount_source_kind kind, const char *field, struct error *err)
{
	char found[PATH_MAX];
	const struct opened opened = { field, path, found, administrator };
	bool has_limits = is_limited(administrator);
	AUTO_CLOSE int fd = open_path(path, has_limits);
	int r = 0;

	if (fd < 0)
		return error_set(err, errno, "%s: open '%s'", field, path);
	if (has_limits)
		r = find_path(fd, found, &opened, err);
	if (has_limits && !r)
		r = check(&opened, kind, err);
	return r < 0 ? r : fd_take(&fd);
}
