/* SPDX-License-Identifier: Apache-2.0 */
/* control_files.h - the files of a control group */
#pragma once

#include "guest-init/resource_plan.h"

/* Write @value to @file of the group @dir_fd. Returns 0 or a negative errno value. */
int control_file_write(int dir_fd, const char *file, const char *value);

/*
 * Read @file of the group @dir_fd, at most @size - 1 bytes of it, and terminate them. Returns 0 or
 * a negative errno value.
 */
int control_file_read(int dir_fd, const char *file, char *buffer, size_t size);

/* Write the controls of @plan in order; the error names the field of the one that failed. */
int control_files_write(int dir_fd, const struct resource_plan *plan, struct failure *err);
