/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/descriptor_limit.h"

static uint64_t share_of(const char *directory, const char *content)
{
	char path[SCRATCH_DIR_SIZE + 16];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/file-max", directory);
	file = fopen(path, "we");
	if (!ok(file != NULL))
		return 0;
	(void)fputs(content, file);
	(void)fclose(file);
	return descriptor_limit_share(path);
}

static void test_share(void)
{
	static const struct {
		const char *content;
		uint64_t want;
	} cases[] = {
		{ "297152\n", 37144 },
		{ "100\n", 1024 }, /* a container needs some in any case */
		{ "0\n", 1024 },
		{ "9223372036854775807\n", DESCRIPTOR_LIMIT_MAX },
		{ "18446744073709551615\n", DESCRIPTOR_LIMIT_MAX },
		{ "", DESCRIPTOR_LIMIT_MAX },
	};
	char directory[SCRATCH_DIR_SIZE];

	scratch_dir_make(directory);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_int((long long)share_of(directory, cases[i].content), (long long)cases[i].want);
	scratch_dir_remove(directory);
	is_int((long long)descriptor_limit_share(directory), DESCRIPTOR_LIMIT_MAX);
	/* The real one is there, and is a number. */
	ok(access(DESCRIPTOR_FILE_MAX, R_OK) == 0);
	ok(descriptor_limit_share(DESCRIPTOR_FILE_MAX) >= 1024);
}

/* The limit is what it was set to, on what root may hold, too; and one can go no higher. */
static void test_set(void)
{
	struct rlimit limit;
	struct error err;
	uint64_t hard;

	is_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	hard = limit.rlim_max;
	if (hard > 512)
		hard = 512;
	is_int(descriptor_limit_set(hard, &err), 0);
	is_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	is_int((long long)limit.rlim_cur, (long long)hard);
	is_int((long long)limit.rlim_max, (long long)hard);
	is_int(dup2(0, (int)hard), -1);
	/* Above fs.nr_open nobody gets: then what there is has to do. */
	is_int(descriptor_limit_set(UINT64_C(1) << 40, &err), 0);
	is_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
	is_int((long long)limit.rlim_cur, (long long)limit.rlim_max);
	ok(limit.rlim_cur >= hard && limit.rlim_cur < UINT64_C(1) << 40);
}

int main(void)
{
	test_share();
	test_set();
	return tap_done();
}
