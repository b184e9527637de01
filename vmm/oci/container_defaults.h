/* SPDX-License-Identifier: Apache-2.0 */
/* container_defaults.h - the virtual machine of a container whose configuration does not say */
#pragma once

#include <stdint.h>

#define CONTAINER_MEMORY_DEFAULT ((uint64_t)256 << 20) /* bytes of a VM without a limit */
#define CONTAINER_MEMORY_MIN ((uint64_t)64 << 20)      /* bytes of the smallest VM */
#define CONTAINER_VCPUS_MAX 32u			       /* a quota for more gets this many */

struct container_defaults {
	uint64_t memory_bytes; /* CONTAINER_MEMORY_MIN to CONTAINER_MEMORY_MAX */
	unsigned int nr_vcpus; /* 1 to CONTAINER_VCPUS_MAX */
};

/* CONTAINER_MEMORY_DEFAULT and one processor. */
extern const struct container_defaults container_defaults;
