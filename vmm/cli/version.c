/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "vmm/cli/command_line.h"
#include "vmm/oci/spec_version.h"

#ifndef BULKHEAD_VERSION
#define BULKHEAD_VERSION "unknown"
#endif
#ifndef BULKHEAD_COMMIT
#define BULKHEAD_COMMIT "unknown"
#endif

const char *version_text(void)
{
	return BULKHEAD_VERSION " " BULKHEAD_COMMIT;
}

void print_version(void)
{
	printf("bulkhead version %s\ncommit: %s\nspec: %s\n", BULKHEAD_VERSION, BULKHEAD_COMMIT,
	       OCI_SPEC_VERSION);
}
