/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/descriptor_limit.h"

#include <errno.h>
#include <sys/resource.h>

int descriptor_limit_raise(struct error *err)
{
	struct rlimit limit = { .rlim_cur = DESCRIPTOR_LIMIT_MAX,
				.rlim_max = DESCRIPTOR_LIMIT_MAX };

	/* More than the hard limit takes a privilege, and more than fs.nr_open nobody gets. */
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set(err, errno, "read the limit on open files");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set(err, errno, "raise the limit on open files to %llu",
				 (unsigned long long)limit.rlim_max);
	return 0;
}
