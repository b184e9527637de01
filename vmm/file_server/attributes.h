/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attributes.h - file attributes in the protocol's words
 *
 * Spec: <linux/fuse.h>, struct fuse_attr
 */
#pragma once

#include <linux/fuse.h>
#include <stdint.h>
#include <sys/stat.h>

/* The attributes of @stat, with the inode number @number. */
void attributes_fill(const struct statx *stat, uint64_t number, struct fuse_attr *ret_attr);

/* The device number in a mknod request, and in an attribute. */
dev_t attributes_decode_device(uint32_t encoded);

/*
 * Clear the set-user-ID bit of the open file @fd, and the set-group-ID bit if its group may
 * execute it, as the kernel does when somebody without CAP_FSETID writes. The kernel does not do it
 * for us, as we have that capability; it does clear security.capability by itself.
 */
int attributes_kill_suid_sgid(int fd);
