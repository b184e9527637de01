/* SPDX-License-Identifier: Apache-2.0 */
/* test_exec_process.c - what the options of exec make of the container's process */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_defaults.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/exec_process.h"

#define KILL (UINT64_C(1) << CAP_KILL)
#define CHOWN (UINT64_C(1) << CAP_CHOWN)

static char *const args[] = { (char[]){ "id" } };
static char scratch[SCRATCH_DIR_SIZE];
static struct error err;

/* The process that @options make of the good configuration with @change. */
static int make(const char *change, const struct exec_options *options,
		struct container_process *ret)
{
	AUTO_FREE char *text = changed_config_text(change);
	AUTO_CLOSE int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Of the state only where it is kept and the defaults are looked at. */
	const struct container_state state = { .dir_fd = fd, .defaults = container_defaults };

	*ret = (struct container_process){ 0 };
	is_int(file_replace(fd, CONTAINER_CONFIG_NAME, text, strlen(text), &err), 0);
	return exec_process_make(&state, options, ret, &err);
}

static struct exec_options one_argument(void)
{
	return (struct exec_options){ .args = args, .nr_args = 1 };
}

static void test_as_the_container(void)
{
	const struct exec_options options = one_argument();
	struct container_process process;

	is_int(make("{'process':{'user':{'uid':3,'gid':4,'additionalGids':[5]},"
		    "'noNewPrivileges':true}}",
		    &options, &process),
	       0);
	is_str(process.args.items[0], "id");
	is_int(process.args.count, 1);
	is_str(process.env.items[0], "PATH=/bin");
	is_str(process.cwd, "/");
	is_int(process.uid, 3);
	is_int(process.gid, 4);
	is_int(process.nr_additional_gids, 1);
	ok(process.no_new_privileges);
	is_int(process.capabilities[CAPABILITY_BOUNDING], KILL);
	container_process_clear(&process);
}

/* One more capability is one that the process has, and none that what it executes inherits. */
static void test_capabilities(void)
{
	struct exec_options options = one_argument();
	struct container_process process;

	is_int(text_list_add(&options.capabilities, "CAP_CHOWN"), 0);
	is_int(make("{}", &options, &process), 0);
	is_int(process.capabilities[CAPABILITY_BOUNDING], KILL | CHOWN);
	is_int(process.capabilities[CAPABILITY_EFFECTIVE], KILL | CHOWN);
	is_int(process.capabilities[CAPABILITY_PERMITTED], CHOWN);
	is_int(process.capabilities[CAPABILITY_INHERITABLE], 0);
	is_int(process.capabilities[CAPABILITY_AMBIENT], 0);
	container_process_clear(&process);
	is_int(text_list_add(&options.capabilities, "CAP_NONE"), 0);
	is_int(make("{}", &options, &process), -EINVAL);
	is_str(err.text, "--cap: unknown capability 'CAP_NONE'");
	text_list_clear(&options.capabilities);
}

static void test_users(void)
{
	static const char *const refused[] = { "",
					       "x",
					       ":",
					       ":1",
					       "1:",
					       "1x",
					       "1:2:3",
					       "1:2 ",
					       "-1",
					       "+1",
					       " 1",
					       "0x1",
					       "root:0",
					       "4294967295",
					       "1:99999999999",
					       "1,",
					       "1:2\n",
					       "1.0",
					       "18446744073709551616" };
	struct exec_options options = one_argument();
	struct container_process process;

	options.user = "7";
	is_int(make("{'process':{'user':{'uid':3,'gid':4}}}", &options, &process), 0);
	is_int(process.uid, 7);
	is_int(process.gid, 4);
	container_process_clear(&process);
	options.user = "7:4294967294";
	is_int(make("{}", &options, &process), 0);
	is_int(process.gid, 4294967294);
	container_process_clear(&process);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		options.user = refused[i];
		if (!is_int(make("{}", &options, &process), -EINVAL))
			printf("# --user '%s'\n", refused[i]);
		ok(!strncmp(err.text, "--user: ", 8));
		ok(!process.cwd);
	}
}

static void test_groups(void)
{
	struct exec_options options = one_argument();
	struct container_process process;

	is_int(text_list_add(&options.additional_gids, "8,9"), 0);
	is_int(text_list_add(&options.additional_gids, "10"), 0);
	is_int(make("{'process':{'user':{'additionalGids':[5]}}}", &options, &process), 0);
	is_int(process.nr_additional_gids, 3);
	is_int(process.additional_gids[0], 8);
	is_int(process.additional_gids[2], 10);
	container_process_clear(&process);
	is_int(text_list_add(&options.additional_gids, "1,"), 0);
	is_int(make("{}", &options, &process), -EINVAL);
	text_list_clear(&options.additional_gids);
}

static void test_refusals(void)
{
	struct exec_options options = one_argument();
	struct container_process process;

	options.cwd = "etc";
	is_int(make("{}", &options, &process), -EINVAL);
	is_str(err.text, "--cwd: 'etc' must be an absolute path");
	options.cwd = NULL;
	is_int(text_list_add(&options.env, "=x"), 0);
	is_int(make("{}", &options, &process), -EINVAL);
	is_str(err.text, "--env: '=x' does not have the form NAME=VALUE");
	text_list_clear(&options.env);
}

int main(void)
{
	scratch_dir_make(scratch);
	test_as_the_container();
	test_capabilities();
	test_users();
	test_groups();
	test_refusals();
	scratch_dir_remove(scratch);
	return tap_done();
}
