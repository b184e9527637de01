/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_map.h - which ids of the guest the ids of the container are
 *
 * Pure: no system calls. Spec: user_namespaces(7), "User and group ID mappings"; OCI runtime-spec,
 * config-linux.md "User namespace mappings".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

#define ID_MAP_RANGES_MAX 340u /* what the kernel takes */

struct id_range {
	uint32_t inside, outside; /* the first ids: in the container, in the guest */
	uint32_t count;
};

/* Without ranges the container has no user namespace: every id is itself. */
struct id_map {
	struct id_range *ranges;
	size_t nr_ranges;
};

/*
 * Read the list @name of @message. The array is the caller's on failure, too; the kernel will look
 * for what overlaps.
 */
int id_map_init(struct id_map *map, const json_t *message, const char *name, struct failure *err);

void id_map_fini(struct id_map *map);

/* Store what the container's @id is outside. Returns false when it is nothing there. */
bool id_map_outside(const struct id_map *map, uint32_t id, uint32_t *ret_id);
