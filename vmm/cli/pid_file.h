/* SPDX-License-Identifier: Apache-2.0 */
/* pid_file.h - the file whose appearance tells an engine that the container is created */
#pragma once

#include <sys/types.h>

#include "vmm/base/error.h"

/* Write @pid in decimal, without a newline, to the file at @path, in one step. */
int pid_file_write(const char *path, pid_t pid, struct error *err);
