/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/id_map.h"

#include <stdlib.h>

#include "guest-init/plan_members.h"
#include "guest-init/scope.h"

static const struct member range_members[] = {
	MEMBER(struct id_range, inside, "containerID", MEMBER_U32),
	MEMBER(struct id_range, outside, "hostID", MEMBER_U32),
	MEMBER(struct id_range, count, "size", MEMBER_U32),
};

static int id_map_read_range(const json_t *item, void *ret_item, struct failure *err)
{
	return plan_read_members(item, range_members, ARRAY_SIZE(range_members), ret_item, err);
}

int id_map_init(struct id_map *map, const json_t *message, const char *name, struct failure *err)
{
	int r = plan_read_list(message, name, sizeof(*map->ranges), id_map_read_range, &map->ranges,
			       &map->nr_ranges, err);

	if (!r && (!map->nr_ranges || map->nr_ranges > ID_MAP_RANGES_MAX))
		r = failure_invalid(err, "\"%s\" has %zu entries, not 1 to %u", name,
				    map->nr_ranges, ID_MAP_RANGES_MAX);
	return r;
}

void id_map_fini(struct id_map *map)
{
	free(map->ranges);
	map->ranges = NULL;
	map->nr_ranges = 0;
}

bool id_map_outside(const struct id_map *map, uint32_t id, uint32_t *ret_id)
{
	for (size_t i = 0; i < map->nr_ranges; i++) {
		const struct id_range *range = &map->ranges[i];

		if (id >= range->inside && id - range->inside < range->count) {
			*ret_id = range->outside + (id - range->inside);
			return true;
		}
	}
	*ret_id = id;
	return !map->nr_ranges;
}
