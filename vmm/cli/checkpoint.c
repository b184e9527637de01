/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c - `checkpoint` and `restore`, which a virtual machine does not have */
#include "vmm/cli/command_line.h"

int verb_unsupported(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	(void)globals;
	(void)argc;
	return error_invalid(
		err, "%s: not supported: the state of a virtual machine cannot be saved", argv[0]);
}
