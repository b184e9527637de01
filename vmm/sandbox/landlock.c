/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sandbox/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

/* As the newest kernels know it; the headers may be older than the kernel. */
struct ruleset {
	uint64_t files, network, scopes;
};

/* How many rights, from bit 0 on, each version of the ABI has; the last stands for later ones. */
static const struct {
	unsigned int nr_files, nr_network, nr_scopes;
	size_t size; /* of the ruleset */
} versions[] = {
	{ 0, 0, 0, 0 },	  { 13, 0, 0, 8 },  { 14, 0, 0, 8 },  { 15, 0, 0, 8 },
	{ 15, 2, 0, 16 }, { 16, 2, 0, 16 }, { 16, 2, 2, 24 },
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static uint64_t first_bits(unsigned int nr)
{
	return (UINT64_C(1) << nr) - 1;
}

int landlock_deny_all(bool allows_tcp, struct error *err)
{
	size_t version = min_u64((uint64_t)landlock_abi(), ARRAY_SIZE(versions) - 1);
	const struct ruleset all = {
		.files = first_bits(versions[version].nr_files),
		.network = allows_tcp ? 0 : first_bits(versions[version].nr_network),
		.scopes = first_bits(versions[version].nr_scopes),
	};
	AUTO_CLOSE int fd = -1;

	if (version == 0)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, versions[version].size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_set(err, errno, "give up all files by Landlock");
	return 0;
}
