/* SPDX-License-Identifier: Apache-2.0 */
/* test_command_line.c - options in every spelling, numbers of words, names of signals */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/cli/command_line.h"

static const struct option options[] = {
	{ "bundle", required_argument, NULL, 'b' },
	{ "force", no_argument, NULL, 'f' },
	{ 0 },
};
static struct error err;

#define ARGUMENTS(...) ((char *[]){ __VA_ARGS__, NULL })

static void check_bundle(char **argv, int argc)
{
	optind = 0;
	is_int(next_option(argc, argv, options, &err), 'b');
	is_str(optarg, "/x y");
	is_int(next_option(argc, argv, options, &err), OPTION_END);
	is_int(check_words(argc, argv, 1, 1, &err), 0);
	is_str(argv[optind], "name");
}

static void check_invalid(char **argv, int argc, const char *want)
{
	optind = 0;
	is_int(next_option(argc, argv, options, &err), OPTION_INVALID);
	is_str(err.text, want);
}

static void test_options(void)
{
	char create[] = "create", name[] = "name", value[] = "/x y", long_option[] = "--bundle";
	char one_dash[] = "-bundle", joined[] = "--bundle=/x y", joined_dash[] = "-bundle=/x y";
	char unknown[] = "--unknown", flag_value[] = "--force=1", end[] = "--";

	check_bundle(ARGUMENTS(create, long_option, value, name), 4);
	check_bundle(ARGUMENTS(create, joined, name), 3);
	check_bundle(ARGUMENTS(create, one_dash, value, name), 4);
	check_bundle(ARGUMENTS(create, joined_dash, name), 3);
	check_bundle(ARGUMENTS(create, name, joined), 3); /* options may follow words */
	check_bundle(ARGUMENTS(create, joined, end, name), 4);
	check_invalid(ARGUMENTS(create, unknown, name), 3, "create: unknown option --unknown");
	check_invalid(ARGUMENTS(create, long_option), 2,
		      "create: option needs an argument, or takes none: --bundle");
	check_invalid(ARGUMENTS(create, flag_value), 2,
		      "create: option needs an argument, or takes none: --force=1");
}

static void test_words(void)
{
	char verb[] = "kill", word[] = "x";
	char **argv = ARGUMENTS(verb, word, word, word);

	optind = 1;
	is_int(check_words(1, argv, 1, 1, &err), -EINVAL);
	is_str(err.text, "\"kill\" requires exactly 1 argument(s)");
	is_int(check_words(3, argv, 1, 1, &err), -EINVAL);
	is_int(check_words(2, argv, 1, 2, &err), 0);
	is_int(check_words(3, argv, 1, 2, &err), 0);
	is_int(check_words(4, argv, 1, 2, &err), -EINVAL);
	is_str(err.text, "\"kill\" requires 1 to 2 arguments");
	is_int(check_words(1, argv, 0, 0, &err), 0);
}

/* `kill` of a container that does not exist: only a good signal gets as far as that. */
static void check_signal(const char *root, const char *name, bool is_known)
{
	const struct global_options globals = { .root = root };
	char verb[] = "kill", container[] = "nobody", signal_name[32], want[64];

	(void)snprintf(signal_name, sizeof(signal_name), "%s", name);
	(void)snprintf(want, sizeof(want), "unknown signal '%s'", name);
	optind = 0;
	ok(verb_kill(&globals, 3, ARGUMENTS(verb, container, signal_name), &err) < 0);
	if (!ok(is_known == (strcmp(err.text, want) != 0)))
		printf("# %s: %s\n", name, err.text);
	if (is_known)
		is_int(err.code, ENOENT);
}

static void test_signals(void)
{
	static const char *const known[] = { "1",	"9",	   "15",      "64",	 "TERM",
					     "SIGTERM", "sigterm", "KILL",    "usr1",	 "SIGWINCH",
					     "RTMIN",	"RTMIN+3", "RTMAX-1", "SIGRTMAX" };
	static const char *const unknown[] = { "",	     "0",
					       "65",	     "SIG",
					       "TERMX",	     "9x",
					       "x9",	     "1.5",
					       "SIGSIGTERM", "RTMIN-1",
					       "RTMIN+99",   "RTMAX+1",
					       "RTMIN+",     "99999999999999999999" };
	char root[SCRATCH_DIR_SIZE];

	scratch_dir_make(root);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		check_signal(root, known[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		check_signal(root, unknown[i], false);
	scratch_dir_remove(root);
}

int main(void)
{
	test_options();
	test_words();
	test_signals();
	return tap_done();
}
