/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_source.h - open what config.json wants to have of the host's files, if it may
 *
 * What is checked is what is mounted: a descriptor. Its path, as the kernel tells it, has no links;
 * whoever exchanges a directory for a link to another afterwards comes too late. Where anything is
 * limited, links of /proc (root, cwd, fd) are not followed: they lead into mount namespaces in
 * which the same files may have other names.
 *
 * Trust: paths are those of who calls the engine, whom the administrator may trust less.
 */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/administrator_config.h"

enum mount_source_kind {
	MOUNT_SOURCE_BIND, /* must be below an allowed source, when some are listed */
	MOUNT_SOURCE_ROOT, /* the rootfs is where the engine keeps it; what is denied is denied */
};

/*
 * Open the host's @path. Errors say that @field of config.json names it, and which limit of
 * @administrator (NULL: there is none) it breaks. Returns an O_PATH descriptor, or a negative
 * errno value.
 */
int mount_source_open(const char *path, const struct administrator_config *administrator,
		      enum mount_source_kind kind, const char *field, struct error *err);
