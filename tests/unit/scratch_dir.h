/* SPDX-License-Identifier: Apache-2.0 */
/* scratch_dir.h - a directory for the files of one test */
#pragma once

#define SCRATCH_DIR_SIZE 64

/* Make an empty directory below /tmp that anybody may search; ends the test on failure. */
void scratch_dir_make(char path[SCRATCH_DIR_SIZE]);

/* The same below another directory: /dev/shm, for files that are written thousands of times. */
void scratch_dir_make_in(const char *parent, char path[SCRATCH_DIR_SIZE]);

/* Remove it with everything below. */
void scratch_dir_remove(const char *path);
