/* SPDX-License-Identifier: Apache-2.0 */
/* test_command_line.c - options in every spelling, numbers of words, names of signals */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/cli/command_line.h"
#include "vmm/oci/container_state.h"

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
	char unknown[] = "--unknown=1", short_one[] = "--bundl", end[] = "--";

	check_bundle(ARGUMENTS(create, long_option, value, name), 4);
	check_bundle(ARGUMENTS(create, joined, name), 3);
	check_bundle(ARGUMENTS(create, one_dash, value, name), 4);
	check_bundle(ARGUMENTS(create, joined_dash, name), 3);
	check_bundle(ARGUMENTS(create, name, joined), 3); /* options may follow words */
	check_bundle(ARGUMENTS(create, name, one_dash, value), 4);
	check_bundle(ARGUMENTS(create, joined, end, name), 4);
	check_invalid(ARGUMENTS(create, unknown, name), 3,
		      "flag provided but not defined: -unknown");
	check_invalid(ARGUMENTS(create, short_one, value, name), 4,
		      "flag provided but not defined: -bundl");
	check_invalid(ARGUMENTS(create, name, long_option), 3, "flag needs an argument: -bundle");
}

/* An argument may look like an option; after "--", and after a word, what is none is a word. */
static void test_what_is_no_option(void)
{
	char kill[] = "kill", id[] = "id", number[] = "-9", end[] = "--", force[] = "--force";
	char bundle[] = "--bundle", dash[] = "-";
	char **argv = ARGUMENTS(kill, id, number, bundle, force, dash);

	optind = 0;
	is_int(next_option(6, argv, options, &err), 'b');
	is_str(optarg, "--force");
	is_int(next_option(6, argv, options, &err), OPTION_END);
	is_int(check_words(6, argv, 3, 3, &err), 0);
	is_str(argv[optind], "id");
	is_str(argv[optind + 1], "-9");
	is_str(argv[optind + 2], "-");

	argv = ARGUMENTS(kill, id, end, force, end);
	optind = 0;
	is_int(next_option(5, argv, options, &err), OPTION_END);
	is_int(check_words(5, argv, 3, 3, &err), 0);
	is_str(argv[optind], "id");
	is_str(argv[optind + 1], "--force");
	is_str(argv[optind + 2], "--");

	argv = ARGUMENTS(kill, force, id, force);
	optind = 0;
	is_int(next_option_before_words(4, argv, options, &err), 'f');
	is_int(next_option_before_words(4, argv, options, &err), OPTION_END);
	is_str(argv[optind], "id");
	is_str(argv[optind + 1], "--force");
}

static void test_switches(void)
{
	static const struct {
		const char *text;
		bool is_on;
	} values[] = {
		{ "--force", true },	    { "-force=1", true },   { "--force=true", true },
		{ "--force=T", true },	    { "--force=0", false }, { "-force=false", false },
		{ "--force=False", false },
	};
	char verb[] = "delete", word[] = "x", wrong[] = "--force=yes", empty[] = "--force=";

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "%s", values[i].text);
		optind = 0;
		is_int(next_option(3, ARGUMENTS(verb, text, word), options, &err), 'f');
		is_int(option_is_on(), values[i].is_on);
	}
	check_invalid(ARGUMENTS(verb, wrong, word), 3,
		      "invalid boolean value \"yes\" for -force: parse error");
	check_invalid(ARGUMENTS(verb, empty, word), 3,
		      "invalid boolean value \"\" for -force: parse error");
}

/* Every verb has it, but not behind the first word of those whose words are another's. */
static void test_help(void)
{
	char verb[] = "exec", word[] = "x", help[] = "--help", h[] = "-h", none[] = "--help=false";
	char unknown[] = "--unknown";

	optind = 0;
	is_int(next_option(3, ARGUMENTS(verb, word, help), options, &err), OPTION_INVALID);
	is_int(command_line_stop(), STOP_HELP);
	optind = 0;
	is_int(next_option_before_words(2, ARGUMENTS(verb, h), options, &err), OPTION_INVALID);
	is_int(command_line_stop(), STOP_HELP);
	optind = 0;
	is_int(next_option_before_words(3, ARGUMENTS(verb, word, help), options, &err), OPTION_END);
	is_int(command_line_stop(), STOP_NONE);
	optind = 0;
	is_int(next_option(3, ARGUMENTS(verb, help, none), options, &err), OPTION_END);
	is_int(command_line_stop(), STOP_NONE);
	optind = 0;
	is_int(next_option(3, ARGUMENTS(verb, help, unknown), options, &err), OPTION_INVALID);
	is_int(command_line_stop(), STOP_USAGE);
}

static void test_numbers(void)
{
	static char wrong[][16] = { "", "x", "1x", "99999999999", "-2147483649" };
	char good[] = "-12";
	int number = 7;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		optarg = wrong[i];
		is_int(option_number("count", &number, &err), -EINVAL);
		is_int(command_line_stop(), STOP_USAGE);
	}
	is_str(err.text, "invalid value \"-2147483649\" for flag -count: parse error");
	is_int(number, 7);
	optarg = good;
	is_int(option_number("count", &number, &err), 0);
	is_int(number, -12);
}

static void test_words(void)
{
	char verb[] = "kill", word[] = "x";
	char **argv = ARGUMENTS(verb, word, word, word);

	optind = 1;
	is_int(check_words(1, argv, 1, 1, &err), -EINVAL);
	is_int(command_line_stop(), STOP_USAGE);
	is_str(err.text, "\"kill\" requires exactly 1 argument(s)");
	is_int(check_words(3, argv, 1, 1, &err), -EINVAL);
	is_int(check_words(1, argv, 1, 2, &err), -EINVAL);
	is_str(err.text, "\"kill\" requires a minimum of 1 argument(s)");
	is_int(check_words(2, argv, 1, 2, &err), 0);
	is_int(check_words(3, argv, 1, 2, &err), 0);
	is_int(check_words(4, argv, 1, 2, &err), -EINVAL);
	is_str(err.text, "\"kill\" requires a maximum of 2 argument(s)");
	is_int(check_words(1, argv, 0, 0, &err), 0);
}

/* `kill` of a container that has ended: only a good signal gets as far as that. */
static void check_signal(const char *root, const char *name, bool is_known)
{
	const struct global_options globals = { .root = root };
	char verb[] = "kill", container[] = "ended", signal_name[32], want[64];

	(void)snprintf(signal_name, sizeof(signal_name), "%s", name);
	(void)snprintf(want, sizeof(want), "unknown signal \"%s\"", name);
	optind = 0;
	ok(verb_kill(&globals, 3, ARGUMENTS(verb, container, signal_name), &err) < 0);
	is_str(err.text, is_known ? "container not running" : want);
}

static void test_signals(void)
{
	static const char *const known[] = {
		"0",	"1",	"9",	    "15",    "64",	"TERM",	   "SIGTERM", "sigterm",
		"KILL", "usr1", "SIGWINCH", "RTMIN", "RTMIN+3", "RTMAX-1", "SIGRTMAX"
	};
	static const char *const unknown[] = { "",	     "-9",
					       "65",	     "SIG",
					       "TERMX",	     "9x",
					       "x9",	     "1.5",
					       "SIGSIGTERM", "RTMIN-1",
					       "RTMIN+99",   "RTMAX+1",
					       "RTMIN+",     "99999999999999999999" };
	struct container_state *state = NULL;
	char root[SCRATCH_DIR_SIZE];

	scratch_dir_make(root);
	if (!ok(container_state_create(root, "ended", &state, &err) == 0))
		return;
	container_state_free(state);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		check_signal(root, known[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		check_signal(root, unknown[i], false);
	scratch_dir_remove(root);
}

int main(void)
{
	test_options();
	test_what_is_no_option();
	test_switches();
	test_help();
	test_numbers();
	test_words();
	test_signals();
	return tap_done();
}
