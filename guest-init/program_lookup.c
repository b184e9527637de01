/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/program_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

static int program_lookup_path(const char *path, char **ret_path, struct failure *err)
{
	int r = program_check(path);

	if (r == -EACCES)
		return failure_set(err, -r, "exec: \"%s\"", path);
	if (r)
		return failure_set(err, -r, "exec: \"%s\": stat %s", path, path);
	*ret_path = strdup(path);
	return *ret_path ? 0 : failure_set(err, ENOMEM, "exec: \"%s\"", path);
}

static const char *program_search_path(char *const env[])
{
	for (size_t i = 0; env[i]; i++)
		if (!strncmp(env[i], "PATH=", strlen("PATH=")))
			return env[i] + strlen("PATH=");
	return "";
}

int program_lookup(const char *name, char *const env[], char **ret_path, struct failure *err)
{
	const char *directory = program_search_path(env);

	if (strchr(name, '/'))
		return program_lookup_path(name, ret_path, err);
	while (*name && *directory) {
		size_t len = strcspn(directory, ":");
		char *path;

		/* An empty entry is the working directory. */
		if (asprintf(&path, "%.*s/%s", len ? (int)len : 1, len ? directory : ".", name) < 0)
			return failure_set(err, ENOMEM, "exec: \"%s\"", name);
		if (!program_check(path)) {
			*ret_path = path;
			return 0;
		}
		free(path);
		directory += len + (directory[len] == ':');
	}
	(void)failure_invalid(err, "exec: \"%s\": executable file not found in $PATH", name);
	err->code = ENOENT;
	return -ENOENT;
}
