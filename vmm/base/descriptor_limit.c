/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/descriptor_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

#define SHARES_OF_HOST 8 /* one for each of so many containers that take all they get */
#define SHARE_MIN 1024

uint64_t descriptor_limit_share(const char *file_max_path)
{
	AUTO_CLOSE int fd = open(file_max_path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t len = fd < 0 ? -1 : file_read_full(fd, text, sizeof(text) - 1);
	uint64_t share;

	if (len <= 0)
		return DESCRIPTOR_LIMIT_MAX;
	text[len] = 0;
	share = strtoull(text, NULL, 10) / SHARES_OF_HOST;
	return share < SHARE_MIN ? SHARE_MIN : min_u64(share, DESCRIPTOR_LIMIT_MAX);
}

int descriptor_limit_set(uint64_t count, struct error *err)
{
	struct rlimit limit = { .rlim_cur = count, .rlim_max = count };

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
