/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_environment.h - the environment a process starts with
 *
 * Trust: /etc/passwd is the image's; a bounded part of it is read, and a line that is none is
 * skipped.
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * The environment of the plan; when it has no HOME, or an empty one, that of the user's line in
 * /etc/passwd below @root_fd is added, or "/". When a name is given twice the last one counts.
 * *@ret_env ends with NULL; it is heap memory of the caller's, its strings are the plan's but for
 * HOME.
 */
int process_environment_make(const struct plan_process *process, int root_fd, char ***ret_env,
			     struct failure *err);

/*
 * The home directory of @uid in the text of a passwd file, or NULL. The text is taken apart; the
 * result points into it.
 */
char *process_environment_find_home(char *passwd, uint32_t uid);
