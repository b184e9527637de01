/* SPDX-License-Identifier: Apache-2.0 */
/* shared_tree.h - the container's files, shared by the host through virtio-fs */
#pragma once

#include "guest-init/failure.h"

#define SHARED_TREE_TAG "root"
#define SHARED_TREE_PATH "/tree"
#define SHARED_TREE_ROOT "/container" /* where a container's root is built from the tree */

/* Mount the tree at SHARED_TREE_PATH, and make the directory for the root. */
int shared_tree_mount(struct failure *err);

/* Let go of the tree, once no process uses it. */
void shared_tree_unmount(void);
