/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_object.h - mounts as descriptors: made detached, given their attributes, then attached
 *
 * A mount has its final attributes before anybody can see it, and is attached to a descriptor,
 * not to a path that could mean something else by then. Interface: fsopen(2), open_tree(2),
 * mount_setattr(2), move_mount(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/failure.h"

/*
 * Make a new file system. @source may be shown by the kernel and means nothing else to most types;
 * @options are separated by commas, those of @first_options come first; of @flags (MS_…) those
 * that belong to a file system and not to a mount are used. Returns a detached mount, or a negative
 * errno value with the kernel's own reason where it gives one.
 */
int mount_object_create(const char *type, const char *source, const char *first_options,
			const char *options, uint64_t flags, struct failure *err);

/*
 * Make a detached copy of the mount at the file or directory @fd, with everything mounted below it
 * if @is_recursive. Returns it or a negative errno value.
 */
int mount_object_clone(int fd, bool is_recursive);

/*
 * Set the mount attributes that @flags (MS_…) stand for and clear those of @clear_flags, for the
 * mounts below as well if @is_recursive. Returns 0 or a negative errno value.
 */
int mount_object_set_flags(int mount_fd, uint64_t flags, uint64_t clear_flags, bool is_recursive);

/* Set the propagation MS_SHARED, MS_SLAVE, … (with MS_REC for all mounts below as well). */
int mount_object_set_propagation(int mount_fd, uint64_t propagation);

/* Attach the detached @mount_fd to the file or directory @target_fd. Returns 0 or -errno. */
int mount_object_attach(int mount_fd, int target_fd);
