/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_environment.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/container_tree.h"
#include "guest-init/scope.h"

#define PASSWD_SIZE_MAX ((size_t)1 << 20)

enum passwd_field { PASSWD_UID = 2, PASSWD_HOME = 5 }; /* name:password:uid:gid:gecos:home */

static bool passwd_uid_is(const char *text, uint32_t uid)
{
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	return !*end && !errno && number == uid;
}

char *process_environment_find_home(char *passwd, uint32_t uid)
{
	char *line;

	while ((line = strsep(&passwd, "\n"))) {
		char *fields[PASSWD_HOME + 1];
		size_t nr_fields = 0;

		while (line && nr_fields < ARRAY_SIZE(fields))
			fields[nr_fields++] = strsep(&line, ":");
		if (nr_fields == ARRAY_SIZE(fields) && passwd_uid_is(fields[PASSWD_UID], uid))
			return fields[PASSWD_HOME];
	}
	return NULL;
}

/* "HOME=<directory>", as heap memory, or NULL without memory. */
static char *environment_make_home(uint32_t uid, int root_fd)
{
	AUTO_FREE char *passwd = malloc(PASSWD_SIZE_MAX + 1);
	const char *home = NULL;
	char *variable;
	ssize_t size;

	if (!passwd)
		return NULL;
	size = container_tree_read(root_fd, "/etc/passwd", passwd, PASSWD_SIZE_MAX);
	passwd[size > 0 ? size : 0] = 0;
	home = process_environment_find_home(passwd, uid);
	return asprintf(&variable, "HOME=%s", home && *home ? home : "/") < 0 ? NULL : variable;
}

/* The entry of @env (of @len) that sets the same name as @variable, or @len. */
static size_t environment_find(char *const *env, size_t len, const char *variable)
{
	size_t name_len = strcspn(variable, "=") + 1;
	size_t i = 0;

	while (i < len && strncmp(env[i], variable, name_len) != 0)
		i++;
	return i;
}

int process_environment_make(const struct plan_process *process, int root_fd, char ***ret_env,
			     struct failure *err)
{
	AUTO_FREE char **env = calloc(process->env.len + 2, sizeof(*env));
	size_t len = 0;
	size_t home;

	if (!env)
		return failure_set(err, ENOMEM, "process.env");
	for (size_t i = 0; i < process->env.len; i++) {
		size_t slot = environment_find(env, len, process->env.items[i]);

		env[slot] = process->env.items[i];
		len += slot == len;
	}
	home = environment_find(env, len, "HOME=");
	if (home == len || !env[home][strlen("HOME=")]) {
		env[home] = environment_make_home(process->uid, root_fd);
		if (!env[home])
			return failure_set(err, ENOMEM, "process.env");
	}
	*ret_env = env;
	env = NULL;
	return 0;
}
