/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/host_root.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

bool is_host_root(void)
{
	static const unsigned long whole[] = { 0, 0, UINT32_MAX };
	AUTO_CLOSE int fd = -1;
	char map[128];
	char *end = map;
	ssize_t len;

	if (geteuid() != 0)
		return false;
	fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : file_read_full(fd, map, sizeof(map) - 1);
	if (len <= 0)
		return true;
	map[len] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (strtoul(end, &end, 10) != whole[i])
			return false;
	return true;
}
