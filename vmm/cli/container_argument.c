/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/container_argument.h"

#include <errno.h>

int container_argument_load(const struct global_options *globals, int argc, char **argv,
			    struct container_state **ret, struct error *err)
{
	static const struct option options[] = { { 0 } };

	if (next_option(argc, argv, options, err) == OPTION_INVALID ||
	    check_words(argc, argv, 1, 1, err) < 0)
		return -EINVAL;
	return container_state_load(globals->root, argv[optind], ret, err);
}
