/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device_tree.h - the flattened device tree that describes the VM to the guest kernel
 * (Devicetree Specification 0.4; made with libfdt)
 */
#pragma once

#include <stddef.h>

#include "vmm/base/error.h"

/*
 * Write the tree for @nr_cpus processors and @nr_virtio virtio-mmio devices into @buffer of
 * @size bytes.
 */
int device_tree_build(void *buffer, size_t size, unsigned int nr_cpus, unsigned int nr_virtio,
		      struct error *err);
