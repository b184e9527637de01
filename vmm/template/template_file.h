/* SPDX-License-Identifier: Apache-2.0 */
/* template_file.h - the two files of a template (used by template_store.c) */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/template/template_store.h"

#define TEMPLATE_STATE_FILE "state"
#define TEMPLATE_MEMORY_FILE "memory"

/* -EPERM unless @fd is the caller's and nobody else may write to it; @name is for the message. */
int template_file_check_owner(int fd, const char *name, struct error *err);

/*
 * Fill @template, which is TEMPLATE_NONE but for its name, from the files in the directory @dir_fd.
 * On failure the caller clears it. Anything that is not just as template_file_write() left it is
 * refused.
 */
int template_file_read(int dir_fd, struct template *template, struct error *err);

/* Write the state file for the complete memory file @memory_fd, which becomes read-only. */
int template_file_write(int dir_fd, int memory_fd, const char *key, const uint8_t *state,
			size_t state_size, struct error *err);
