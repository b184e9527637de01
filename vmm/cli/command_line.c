/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/command_line.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* @order: "" for options anywhere, "+" for options up to the first word. */
static int next(int argc, char **argv, const char *order, const struct option *options,
		struct error *err)
{
	int option;

	opterr = 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	option = getopt_long_only(argc, argv, order, options, NULL);
	if (option != '?')
		return option;
	if (optopt)
		(void)error_invalid(err, "%s: option needs an argument, or takes none: %s", argv[0],
				    argv[optind - 1]);
	else
		(void)error_invalid(err, "%s: unknown option %s", argv[0], argv[optind - 1]);
	return OPTION_INVALID;
}

int next_option(int argc, char **argv, const struct option *options, struct error *err)
{
	return next(argc, argv, "", options, err);
}

int next_option_before_words(int argc, char **argv, const struct option *options, struct error *err)
{
	return next(argc, argv, "+", options, err);
}

int check_preserve_fds(struct error *err)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the option has an argument */
	if (strcmp(optarg, "0") == 0)
		return 0;
	return error_invalid(err, "--preserve-fds %s: descriptors of the host cannot enter a VM",
			     optarg);
}

int check_words(int argc, char **argv, int min, int max, struct error *err)
{
	int words = argc - optind;

	if (words >= min && words <= max)
		return 0;
	if (max == INT_MAX)
		return error_invalid(err, "\"%s\" requires a minimum of %d argument(s)", argv[0],
				     min);
	if (min == max)
		return error_invalid(err, "\"%s\" requires exactly %d argument(s)", argv[0], min);
	return error_invalid(err, "\"%s\" requires %d to %d arguments", argv[0], min, max);
}
