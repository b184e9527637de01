/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

/* The 32-bit form of a device number in the protocol: the kernel's new_encode_dev(). */
static uint32_t encode_device(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

dev_t attributes_decode_device(uint32_t encoded)
{
	return makedev(encoded >> 8 & 0xfff, (encoded & 0xff) | (encoded >> 12 & 0xfff00));
}

void attributes_fill(const struct statx *stat, uint64_t number, struct fuse_attr *ret_attr)
{
	*ret_attr = (struct fuse_attr){
		.ino = number,
		.size = stat->stx_size,
		.blocks = stat->stx_blocks,
		.atime = (uint64_t)stat->stx_atime.tv_sec,
		.mtime = (uint64_t)stat->stx_mtime.tv_sec,
		.ctime = (uint64_t)stat->stx_ctime.tv_sec,
		.atimensec = stat->stx_atime.tv_nsec,
		.mtimensec = stat->stx_mtime.tv_nsec,
		.ctimensec = stat->stx_ctime.tv_nsec,
		.mode = stat->stx_mode,
		.nlink = stat->stx_nlink,
		.uid = stat->stx_uid,
		.gid = stat->stx_gid,
		.rdev = encode_device(stat->stx_rdev_major, stat->stx_rdev_minor),
		.blksize = stat->stx_blksize,
	};
}

int attributes_kill_suid_sgid(int fd)
{
	struct statx stat;
	mode_t kill;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE, &stat) < 0)
		return -errno;
	kill = stat.stx_mode & S_ISUID;
	if (stat.stx_mode & S_IXGRP)
		kill |= stat.stx_mode & S_ISGID;
	if (!S_ISREG(stat.stx_mode) || kill == 0)
		return 0;
	return fchmod(fd, stat.stx_mode & 07777u & ~kill) < 0 ? -errno : 0;
}
