/* SPDX-License-Identifier: Apache-2.0 */
/* test_pid_file.c - what an engine waits for appears at once and holds a number */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/file_io.h"
#include "vmm/cli/pid_file.h"

static char directory[SCRATCH_DIR_SIZE];
static struct error err;

static void check_content(const char *path, const char *want)
{
	char *data = NULL;
	size_t size;

	is_int(file_load(AT_FDCWD, path, 100, &data, &size, &err), 0);
	is_str(data, want);
	free(data);
}

static void test_written(void)
{
	char path[SCRATCH_DIR_SIZE + 8], before[SCRATCH_DIR_SIZE + 8];

	(void)snprintf(path, sizeof(path), "%s/pid", directory);
	is_int(pid_file_write(path, 1234, &err), 0);
	check_content(path, "1234");
	is_int(pid_file_write(path, 7, &err), 0); /* nothing of the longer one is left */
	check_content(path, "7");
	is_int(pid_file_write(path, INT32_MAX, &err), 0);
	check_content(path, "2147483647");
	/* A link is replaced, not followed. */
	(void)snprintf(before, sizeof(before), "%s/before", directory);
	ok(rename(path, before) == 0 && symlink(before, path) == 0);
	is_int(pid_file_write(path, 8, &err), 0);
	check_content(path, "8");
	check_content(before, "2147483647");
}

static void test_relative(void)
{
	ok(chdir(directory) == 0);
	is_int(pid_file_write("here", 5, &err), 0);
	check_content("here", "5");
	ok(mkdir("sub", 0755) == 0);
	is_int(pid_file_write("sub/there", 6, &err), 0);
	check_content("sub/there", "6");
	ok(chdir("/") == 0);
}

static void check_refused(const char *path, int code)
{
	is_int(pid_file_write(path, 1, &err), -code);
	ok(strncmp(err.text, "--pid-file: ", 12) == 0);
}

static void test_refused(void)
{
	char long_name[400] = "/tmp/";

	check_refused("/nonexistent/pid", ENOENT);
	check_refused("/dev/null/pid", ENOTDIR);
	check_refused(directory, EISDIR);
	memset(long_name + 5, 'n', sizeof(long_name) - 6);
	check_refused(long_name, ENAMETOOLONG);
}

int main(void)
{
	scratch_dir_make(directory);
	test_written();
	test_relative();
	test_refused();
	scratch_dir_remove(directory);
	return tap_done();
}
