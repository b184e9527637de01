/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/host_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fd.h"

#define LOCK_FILE "host:ids" /* no container can be called that, whose directories are here, too */

/*
 * Whether a map file has every id, each as itself, in its only line: that of the initial user
 * namespace.
 */
static bool maps_all_ids(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64], last[16];
	const char *rest = file ? fgets(line, sizeof(line), file) : NULL;

	(void)snprintf(last, sizeof(last), "%" PRIu32 "\n", UINT32_MAX);
	if (file)
		(void)fclose(file);
	if (!rest)
		return false;
	for (int i = 0; i < 2; i++) {
		rest += strspn(rest, " ");
		if (rest[0] != '0' || rest[1] != ' ')
			return false;
		rest++;
	}
	return strcmp(rest + strspn(rest, " "), last) == 0;
}

static bool has_capability(cap_t capabilities, cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(capabilities, capability, CAP_EFFECTIVE, &value) == 0 &&
	       value == CAP_SET;
}

bool host_ids_are_available(void)
{
	cap_t capabilities = cap_get_proc();
	bool may_change = capabilities && has_capability(capabilities, CAP_SETUID) &&
			  has_capability(capabilities, CAP_SETGID);

	if (capabilities)
		(void)cap_free(capabilities);
	return may_change && maps_all_ids("/proc/self/uid_map") &&
	       maps_all_ids("/proc/self/gid_map");
}

/* Whoever else could write there could keep all ids, or swap the file for one without locks. */
static int check_owner(int fd, const char *directory, const char *name, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s%s", directory, name);
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_invalid(err,
				     "%s%s belongs to user %u with mode %04o: only user %u may be "
				     "able to write there",
				     directory, name, st.st_uid, st.st_mode & 07777, geteuid());
	return 0;
}

static int open_locks(const char *directory, struct error *err)
{
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = -1;
	int r;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "make %s", directory);
	dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return error_set(err, errno, "open %s", directory);
	r = check_owner(dir, directory, "", err);
	if (r < 0)
		return r;
	fd = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return error_set(err, errno, "open %s/" LOCK_FILE, directory);
	r = check_owner(fd, directory, "/" LOCK_FILE, err);
	return r < 0 ? r : fd_take(&fd);
}

int host_id_take(const char *directory, uint32_t first, uint32_t count, int *ret_lock_fd,
		 uid_t *ret_id, struct error *err)
{
	AUTO_CLOSE int fd = open_locks(directory, err);

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < count; i++) {
		struct flock lock = {
			.l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = (off_t)first + i,
			.l_len = 1,
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			*ret_id = first + i;
			*ret_lock_fd = fd_take(&fd);
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return error_set(err, errno, "lock %s/" LOCK_FILE, directory);
	}
	return error_invalid(err,
			     "ids.count: all %" PRIu32 " ids from %" PRIu32
			     " are taken by other containers",
			     count, first);
}
