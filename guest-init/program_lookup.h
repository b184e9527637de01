/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program_lookup.h - which file a process executes, found before the container is started
 *
 * Runs as the container's user inside its root, so links lead nowhere else. The sentences are
 * those that engines turn into the exit codes 126 and 127.
 */
#pragma once

#include "guest-init/failure.h"

/*
 * Find the program @name as execvp(3) would with the PATH of @env: a name with a slash is a path
 * (from the working directory), any other is looked for in PATH. Returns 0 with the path as heap
 * memory of the caller's, or a negative errno value.
 */
int program_lookup(const char *name, char *const env[], char **ret_path, struct failure *err);
