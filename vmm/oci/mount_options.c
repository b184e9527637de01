/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/mount_options.h"

#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"

/* In alphabetical order: the table is searched by halves. */
static const struct mount_option options[] = {
	{ "acl", MOUNT_OPTION_SET, MS_POSIXACL },
	{ "async", MOUNT_OPTION_CLEAR, MS_SYNCHRONOUS },
	{ "atime", MOUNT_OPTION_CLEAR, MS_NOATIME },
	{ "bind", MOUNT_OPTION_BIND, 0 },
	{ "defaults", MOUNT_OPTION_SET, 0 },
	{ "dev", MOUNT_OPTION_CLEAR, MS_NODEV },
	{ "diratime", MOUNT_OPTION_CLEAR, MS_NODIRATIME },
	{ "dirsync", MOUNT_OPTION_SET, MS_DIRSYNC },
	{ "exec", MOUNT_OPTION_CLEAR, MS_NOEXEC },
	{ "iversion", MOUNT_OPTION_SET, MS_I_VERSION },
	{ "lazytime", MOUNT_OPTION_SET, MS_LAZYTIME },
	{ "loud", MOUNT_OPTION_CLEAR, MS_SILENT },
	{ "mand", MOUNT_OPTION_SET, MS_MANDLOCK },
	{ "noacl", MOUNT_OPTION_CLEAR, MS_POSIXACL },
	{ "noatime", MOUNT_OPTION_SET, MS_NOATIME },
	{ "nodev", MOUNT_OPTION_SET, MS_NODEV },
	{ "nodiratime", MOUNT_OPTION_SET, MS_NODIRATIME },
	{ "noexec", MOUNT_OPTION_SET, MS_NOEXEC },
	{ "noiversion", MOUNT_OPTION_CLEAR, MS_I_VERSION },
	{ "nolazytime", MOUNT_OPTION_CLEAR, MS_LAZYTIME },
	{ "nomand", MOUNT_OPTION_CLEAR, MS_MANDLOCK },
	{ "norelatime", MOUNT_OPTION_CLEAR, MS_RELATIME },
	{ "nostrictatime", MOUNT_OPTION_CLEAR, MS_STRICTATIME },
	{ "nosuid", MOUNT_OPTION_SET, MS_NOSUID },
	{ "nosymfollow", MOUNT_OPTION_SET, MS_NOSYMFOLLOW },
	{ "private", MOUNT_OPTION_PROPAGATION, MS_PRIVATE },
	{ "ratime", MOUNT_OPTION_CLEAR_ALL, MS_NOATIME },
	{ "rbind", MOUNT_OPTION_BIND, MS_REC },
	{ "rdev", MOUNT_OPTION_CLEAR_ALL, MS_NODEV },
	{ "rdiratime", MOUNT_OPTION_CLEAR_ALL, MS_NODIRATIME },
	{ "relatime", MOUNT_OPTION_SET, MS_RELATIME },
	{ "rexec", MOUNT_OPTION_CLEAR_ALL, MS_NOEXEC },
	{ "rnoatime", MOUNT_OPTION_SET_ALL, MS_NOATIME },
	{ "rnodev", MOUNT_OPTION_SET_ALL, MS_NODEV },
	{ "rnodiratime", MOUNT_OPTION_SET_ALL, MS_NODIRATIME },
	{ "rnoexec", MOUNT_OPTION_SET_ALL, MS_NOEXEC },
	{ "rnorelatime", MOUNT_OPTION_CLEAR_ALL, MS_RELATIME },
	{ "rnostrictatime", MOUNT_OPTION_CLEAR_ALL, MS_STRICTATIME },
	{ "rnosuid", MOUNT_OPTION_SET_ALL, MS_NOSUID },
	{ "rnosymfollow", MOUNT_OPTION_SET_ALL, MS_NOSYMFOLLOW },
	{ "ro", MOUNT_OPTION_SET, MS_RDONLY },
	{ "rprivate", MOUNT_OPTION_PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rrelatime", MOUNT_OPTION_SET_ALL, MS_RELATIME },
	{ "rro", MOUNT_OPTION_SET_ALL, MS_RDONLY },
	{ "rrw", MOUNT_OPTION_CLEAR_ALL, MS_RDONLY },
	{ "rshared", MOUNT_OPTION_PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave", MOUNT_OPTION_PROPAGATION, MS_SLAVE | MS_REC },
	{ "rstrictatime", MOUNT_OPTION_SET_ALL, MS_STRICTATIME },
	{ "rsuid", MOUNT_OPTION_CLEAR_ALL, MS_NOSUID },
	{ "rsymfollow", MOUNT_OPTION_CLEAR_ALL, MS_NOSYMFOLLOW },
	{ "runbindable", MOUNT_OPTION_PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw", MOUNT_OPTION_CLEAR, MS_RDONLY },
	{ "shared", MOUNT_OPTION_PROPAGATION, MS_SHARED },
	{ "silent", MOUNT_OPTION_SET, MS_SILENT },
	{ "slave", MOUNT_OPTION_PROPAGATION, MS_SLAVE },
	{ "strictatime", MOUNT_OPTION_SET, MS_STRICTATIME },
	{ "suid", MOUNT_OPTION_CLEAR, MS_NOSUID },
	{ "symfollow", MOUNT_OPTION_CLEAR, MS_NOSYMFOLLOW },
	{ "sync", MOUNT_OPTION_SET, MS_SYNCHRONOUS },
	{ "tmpcopyup", MOUNT_OPTION_COPY_UP, 0 },
	{ "unbindable", MOUNT_OPTION_PROPAGATION, MS_UNBINDABLE },
};

static int compare_name(const void *name, const void *option)
{
	return strcmp(name, ((const struct mount_option *)option)->name);
}

const struct mount_option *mount_option_find(const char *name)
{
	return bsearch(name, options, ARRAY_SIZE(options), sizeof(options[0]), compare_name);
}

const struct mount_option *mount_options(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(options);
	return options;
}
