/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/command_line.h"

#include <stdio.h>

int next_option(int argc, char **argv, const struct option *options, struct error *err)
{
	int option;

	opterr = 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	option = getopt_long_only(argc, argv, "", options, NULL);
	if (option != '?')
		return option;
	if (optopt)
		(void)error_invalid(err, "%s: option needs an argument, or takes none: %s", argv[0],
				    argv[optind - 1]);
	else
		(void)error_invalid(err, "%s: unknown option %s", argv[0], argv[optind - 1]);
	return OPTION_INVALID;
}

int check_words(int argc, char **argv, int min, int max, struct error *err)
{
	int words = argc - optind;

	if (words >= min && words <= max)
		return 0;
	if (min == max)
		return error_invalid(err, "\"%s\" requires exactly %d argument(s)", argv[0], min);
	return error_invalid(err, "\"%s\" requires %d to %d arguments", argv[0], min, max);
}
