/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/command_line.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"

#define OPTION_HELP 0x100 /* beyond any verb's own */

static const struct option help_options[] = {
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "h", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

/* Besides optind and optarg; the words found so far are argv[optind] up to argv[words_end]. */
static struct {
	int words_end;
	bool is_on;
	enum command_line_stop stop;
} progress;

bool option_is_on(void)
{
	return progress.is_on;
}

enum command_line_stop command_line_stop(void)
{
	return progress.stop;
}

/* The option whose name is the first @len bytes of @name, or NULL. */
static const struct option *find_in(const struct option *options, const char *name, size_t len)
{
	for (; options->name; options++)
		if (strncmp(options->name, name, len) == 0 && !options->name[len])
			return options;
	return NULL;
}

static const struct option *find(const struct option *options, const char *name, size_t len)
{
	const struct option *option = find_in(options, name, len);

	return option ? option : find_in(help_options, name, len);
}

/* Move the @count arguments behind the words in front of them. */
static void move_before_words(char **argv, int count)
{
	for (; count > 0; count--) {
		char *moved = argv[progress.words_end];

		memmove(&argv[optind + 1], &argv[optind],
			(size_t)(progress.words_end - optind) * sizeof(*argv));
		argv[optind++] = moved;
		progress.words_end++;
	}
}

static bool parse_switch(const char *text)
{
	static const char *const on[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const off[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		progress.is_on = strcmp(text, on[i]) == 0;
		if (progress.is_on || strcmp(text, off[i]) == 0)
			return true;
	}
	return false;
}

/* Take @option with the value behind its '=' (@joined, or NULL), or behind itself. */
static int take(const struct option *option, int argc, char **argv, char *joined, struct error *err)
{
	bool takes_next = option->has_arg == required_argument && !joined;

	progress.is_on = true;
	optarg = joined;
	if (takes_next && progress.words_end + 1 >= argc)
		return error_invalid(err, "flag needs an argument: -%s", option->name);
	if (takes_next)
		optarg = argv[progress.words_end + 1];
	if (option->has_arg == no_argument && joined && !parse_switch(joined))
		return error_invalid(err, "invalid boolean value \"%s\" for -%s: parse error",
				     joined, option->name);
	move_before_words(argv, takes_next ? 2 : 1);
	return 0;
}

static bool fail_usage(int *ret)
{
	progress.stop = STOP_USAGE;
	*ret = OPTION_INVALID;
	return true;
}

/* Take what looks like an option. Returns false after a word, or else fills *@ret. */
static bool take_option(int argc, char **argv, const struct option *options, int *ret,
			struct error *err)
{
	char *name = argv[progress.words_end];
	const struct option *option;
	size_t len;

	name += name[1] == '-' ? 2 : 1;
	len = strcspn(name, "=");
	option = find(options, name, len);
	if (!option && optind < progress.words_end) {
		progress.words_end++;
		return false;
	}
	if (!option) {
		(void)error_invalid(err, "flag provided but not defined: -%.*s", (int)len, name);
		return fail_usage(ret);
	}
	if (take(option, argc, argv, name[len] ? name + len + 1 : NULL, err) < 0)
		return fail_usage(ret);
	if (option->val == OPTION_HELP) {
		progress.stop = progress.is_on ? STOP_HELP : STOP_NONE;
		return false;
	}
	*ret = option->val;
	return true;
}

static int next(int argc, char **argv, bool ends_at_words, const struct option *options,
		struct error *err)
{
	int option;

	if (optind == 0) {
		optind = 1;
		progress.words_end = 1;
		progress.stop = STOP_NONE;
	}
	while (progress.words_end < argc) {
		const char *argument = argv[progress.words_end];
		bool is_word = argument[0] != '-' || !argument[1];

		if (strcmp(argument, "--") == 0)
			move_before_words(argv, 1);
		if (strcmp(argument, "--") == 0 || (is_word && ends_at_words))
			break;
		if (is_word)
			progress.words_end++;
		else if (take_option(argc, argv, options, &option, err))
			return option;
	}
	if (progress.stop == STOP_NONE)
		return OPTION_END;
	(void)error_invalid(err, "help was asked for");
	return OPTION_INVALID;
}

int next_option(int argc, char **argv, const struct option *options, struct error *err)
{
	return next(argc, argv, false, options, err);
}

int next_option_before_words(int argc, char **argv, const struct option *options, struct error *err)
{
	return next(argc, argv, true, options, err);
}

int option_number(const char *name, int *ret, struct error *err)
{
	char *end;
	long number;

	errno = 0;
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the option has an argument */
	number = strtol(optarg, &end, 10);
	if (end == optarg || *end || errno || number < INT_MIN || number > INT_MAX) {
		progress.stop = STOP_USAGE;
		return error_invalid(err, "invalid value \"%s\" for flag -%s: parse error", optarg,
				     name);
	}
	*ret = (int)number;
	return 0;
}

int check_words(int argc, char **argv, int min, int max, struct error *err)
{
	int words = argc - optind;

	if (words >= min && words <= max)
		return 0;
	progress.stop = STOP_USAGE;
	if (min == max)
		return error_invalid(err, "\"%s\" requires exactly %d argument(s)", argv[0], min);
	if (words < min)
		return error_invalid(err, "\"%s\" requires a minimum of %d argument(s)", argv[0],
				     min);
	return error_invalid(err, "\"%s\" requires a maximum of %d argument(s)", argv[0], max);
}

const struct administrator_config *administrator_of(const struct global_options *globals,
						    struct error *err)
{
	if (!globals->administrator)
		*err = *globals->administrator_error;
	return globals->administrator;
}
