/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/program_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0 when @path can be executed. */
static int program_check(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	/* "Permission denied" for a directory, too: the words for which engines exit with 126. */
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? -errno : 0;
}

static int program_lookup_path(const char *path, char ret_path[PATH_MAX], struct failure *err)
{
	int r = program_check(path);

	if (r == -EACCES)
		return failure_set(err, -r, "exec: \"%s\"", path);
	if (r)
		return failure_set(err, -r, "exec: \"%s\": stat %s", path, path);
	if (snprintf(ret_path, PATH_MAX, "%s", path) >= PATH_MAX)
		return failure_set(err, ENAMETOOLONG, "exec: \"%s\"", path);
	return 0;
}

static const char *program_search_path(char *const env[])
{
	for (size_t i = 0; env[i]; i++)
		if (!strncmp(env[i], "PATH=", strlen("PATH=")))
			return env[i] + strlen("PATH=");
	return "";
}

int program_lookup(const char *name, char *const env[], char ret_path[PATH_MAX],
		   struct failure *err)
{
	const char *directory = program_search_path(env);

	if (strchr(name, '/'))
		return program_lookup_path(name, ret_path, err);
	while (*name && *directory) {
		size_t len = strcspn(directory, ":");
		/* An empty entry is the working directory. */
		int n = snprintf(ret_path, PATH_MAX, "%.*s/%s", len ? (int)len : 1,
				 len ? directory : ".", name);

		if (n < PATH_MAX && !program_check(ret_path))
			return 0;
		directory += len + (directory[len] == ':');
	}
	(void)failure_invalid(err, "exec: \"%s\": executable file not found in $PATH", name);
	err->code = ENOENT;
	return -ENOENT;
}
