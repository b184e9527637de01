/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/cgroup_path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"

#define FIELD "linux.cgroupsPath"
#define SLICE ".slice"
#define SCOPE_PREFIX "bulkhead"

/* Take the last component off. */
static void go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = 0;
	else
		*path = 0;
}

/*
 * Without empty components and ".", and with ".." resolved; ".." at the beginning goes nowhere, in
 * a relative path too. "" is the beginning itself. Heap text.
 */
static char *clean(const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	char *out = calloc(1, strlen(path) + 2);
	char *rest = copy;
	char *part;

	if (!copy || !out) {
		free(out);
		return NULL;
	}
	while ((part = strsep(&rest, "/"))) {
		if (!strcmp(part, ".."))
			go_up(out);
		else if (*part && strcmp(part, ".") != 0)
			(void)sprintf(out + strlen(out), "/%s", part);
	}
	if (*path != '/' && *out)
		memmove(out, out + 1, strlen(out));
	return out;
}

int cgroup_path_plain(const char *cgroups_path, const char *id, char **ret, struct error *err)
{
	bool is_given = cgroups_path && *cgroups_path;
	AUTO_FREE char *path = is_given ? clean(cgroups_path) : strdup(id);

	if (!path)
		return error_set(err, ENOMEM, FIELD);
	if (!*path)
		return error_invalid(err,
				     FIELD ": '%s' is a control group that is not the container's "
					   "alone",
				     cgroups_path);
	*ret = pointer_take(path);
	return 0;
}

/* "a-b.slice" is in "a.slice". Appends "/a.slice/a-b.slice" to @out; false for no slice's name. */
static bool expand_slice(const char *slice, FILE *out)
{
	size_t len = strlen(slice);
	size_t name_len;

	if (len <= strlen(SLICE) || strcmp(slice + len - strlen(SLICE), SLICE) != 0 ||
	    strchr(slice, '/'))
		return false;
	name_len = len - strlen(SLICE);
	if (name_len == 1 && *slice == '-')
		return true; /* the root slice */
	for (size_t i = 0; i <= name_len; i++) {
		if (i < name_len && slice[i] != '-')
			continue;
		if (i == 0 || slice[i - 1] == '-')
			return false;
		(void)fprintf(out, "/%.*s" SLICE, (int)i, slice);
	}
	return true;
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text);
	size_t suffix_len = strlen(suffix);

	return len >= suffix_len && !strcmp(text + len - suffix_len, suffix);
}

/* The parts of "slice:prefix:name" in @text, which is cut up. False when there are not three. */
static bool split(char *text, const char *parts[3])
{
	char *rest = text;

	for (int i = 0; i < 3; i++) {
		parts[i] = strsep(&rest, ":");
		if (!parts[i])
			return false;
	}
	return !rest;
}

/* Append the path that the three parts stand for. */
static int print_unit(FILE *out, const char *const parts[3], const char *default_slice,
		      struct error *err)
{
	const char *slice = *parts[0] ? parts[0] : default_slice;

	if (!expand_slice(slice, out))
		return error_invalid(err, FIELD ": invalid slice name: %s", slice);
	if (!*parts[2] || strchr(parts[1], '/') || strchr(parts[2], '/'))
		return error_invalid(err, FIELD ": '%s-%s' is not the name of a unit", parts[1],
				     parts[2]);
	/* A container may be given a slice of its own. */
	if (has_suffix(parts[2], SLICE))
		(void)fprintf(out, "/%s", parts[2]);
	else
		(void)fprintf(out, "/%s-%s.scope", parts[1], parts[2]);
	return 0;
}

int cgroup_path_systemd(const char *cgroups_path, const char *id, const char *base, char **ret,
			struct error *err)
{
	bool is_given = cgroups_path && *cgroups_path;
	AUTO_FREE char *copy = is_given ? strdup(cgroups_path) : NULL;
	AUTO_FREE char *path = NULL;
	const char *parts[3] = { "", SCOPE_PREFIX, id };
	size_t size;
	FILE *out;
	int r;

	if (is_given && !copy)
		return error_set(err, ENOMEM, FIELD);
	if (copy && !split(copy, parts))
		return error_invalid(err,
				     "expected cgroupsPath to be of format \"slice:prefix:name\" "
				     "for systemd cgroups, got \"%s\" instead",
				     cgroups_path);
	out = open_memstream(&path, &size);
	if (!out)
		return error_set(err, ENOMEM, FIELD);
	(void)fputs(base, out);
	r = print_unit(out, parts, *base ? "user" SLICE : "system" SLICE, err);
	if (fclose(out) != 0 && !r)
		r = error_set(err, ENOMEM, FIELD);
	if (!r)
		*ret = pointer_take(path);
	return r;
}

char *cgroup_path_user_manager(const char *own)
{
	const char *unit = strstr(own, "/user@");
	size_t len = unit ? strlen("/user@") : 0;

	if (!unit)
		return strdup("");
	while (isdigit((unsigned char)unit[len]))
		len++;
	if (strncmp(unit + len, ".service", strlen(".service")) != 0)
		return strdup("");
	len += strlen(".service");
	if (unit[len] && unit[len] != '/')
		return strdup("");
	return strndup(own, (size_t)(unit - own) + len);
}

int cgroup_path_locate(const struct cgroup_hierarchy *hierarchy, const char *path, bool is_beside,
		       char **ret, struct error *err)
{
	const char *root = strcmp(hierarchy->mount_point, "/") ? hierarchy->mount_point : "";
	int r;

	if (*path == '/') {
		r = asprintf(ret, "%s%s", root, path);
	} else if (hierarchy->own) {
		size_t len = strlen(hierarchy->own);

		while (len && hierarchy->own[len - 1] == '/')
			len--;
		while (is_beside && len && hierarchy->own[--len] != '/')
			continue;
		r = asprintf(ret, "%s%.*s/%s", root, (int)len, hierarchy->own, path);
	} else {
		return error_invalid(err,
				     FIELD ": the caller's control group, which '%s' is relative "
					   "to, is not to be seen below %s",
				     path, hierarchy->mount_point);
	}
	return r < 0 ? error_set(err, ENOMEM, FIELD) : 0;
}
