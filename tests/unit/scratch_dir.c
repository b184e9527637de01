/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scratch_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR_OPEN_MAX 16

void scratch_dir_make(char path[SCRATCH_DIR_SIZE])
{
	scratch_dir_make_in("/tmp", path);
}

void scratch_dir_make_in(const char *parent, char path[SCRATCH_DIR_SIZE])
{
	(void)snprintf(path, SCRATCH_DIR_SIZE, "%s/bulkhead-test-XXXXXX", parent);
	if (!mkdtemp(path) || chmod(path, 0755) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void scratch_dir_remove(const char *path)
{
	(void)nftw(path, remove_one, NR_OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
