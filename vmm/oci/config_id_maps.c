/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define RANGES_MAX 340u	   /* Linux 4.15 and later */
#define MAP_TEXT_SIZE 4096 /* the kernel is given a map as less text than this */
#define ID_MAX (UINT32_MAX - 1)

static bool ranges_overlap(uint32_t first, uint32_t first_size, uint32_t second,
			   uint32_t second_size)
{
	return first < second ? second - first < first_size : first - second < second_size;
}

/* Entry @index of @map, of which those before are read. */
static int parse_range(const struct json_field *field, struct container_id_map *map, size_t index,
		       struct error *err)
{
	struct container_id_range *range = &map->ranges[index];
	const struct {
		const char *name;
		uint32_t *value;
	} members[] = { { "containerID", &range->container_id },
			{ "hostID", &range->host_id },
			{ "size", &range->size } };
	int r = json_field_require_object(field, err);

	for (size_t i = 0; !r && i < ARRAY_SIZE(members); i++) {
		struct json_field member = json_field_member(field, members[i].name);

		r = json_field_require(&member, err);
		if (!r)
			r = json_field_get_u32(&member, UINT32_MAX, members[i].value, err);
	}
	if (r)
		return r;
	if (!range->size)
		return json_field_error(field, err, "has no IDs");
	if (range->container_id > ID_MAX || range->size - 1 > ID_MAX - range->container_id ||
	    range->host_id > ID_MAX || range->size - 1 > ID_MAX - range->host_id)
		return json_field_error(field, err, "goes beyond the last ID");
	for (size_t i = 0; i < index; i++) {
		const struct container_id_range *other = &map->ranges[i];

		if (ranges_overlap(range->container_id, range->size, other->container_id,
				   other->size) ||
		    ranges_overlap(range->host_id, range->size, other->host_id, other->size))
			return json_field_error(field, err, "overlaps entry %zu", i);
	}
	return 0;
}

static size_t map_text_size(const struct container_id_map *map)
{
	size_t size = 0;

	for (size_t i = 0; i < map->nr_ranges; i++)
		size += (size_t)snprintf(NULL, 0, "%u %u %u\n", map->ranges[i].container_id,
					 map->ranges[i].host_id, map->ranges[i].size);
	return size;
}

static int parse_map(const struct json_field *field, struct container_id_map *map,
		     struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	if (r || !count)
		return r;
	if (count > RANGES_MAX)
		return json_field_error(field, err, "has more than %u entries", RANGES_MAX);
	map->ranges = calloc(count, sizeof(*map->ranges));
	if (!map->ranges)
		return error_set(err, ENOMEM, "%s", field->name);
	map->nr_ranges = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field range = json_field_element(field, i);

		r = parse_range(&range, map, i, err);
	}
	if (!r && map_text_size(map) >= MAP_TEXT_SIZE)
		r = json_field_error(field, err, "is more than the kernel takes: %d bytes of text",
				     MAP_TEXT_SIZE - 1);
	return r;
}

static bool map_find(const struct container_id_map *map, uint32_t id, uint32_t *ret_host_id)
{
	for (size_t i = 0; i < map->nr_ranges; i++) {
		const struct container_id_range *range = &map->ranges[i];

		if (id >= range->container_id && id - range->container_id < range->size) {
			*ret_host_id = range->host_id + (id - range->container_id);
			return true;
		}
	}
	return false;
}

static bool map_has(const struct container_id_map *map, uint32_t id)
{
	uint32_t host_id;

	return map_find(map, id, &host_id);
}

int config_parse_id_maps(const struct json_field *linux_field, struct container_config *config,
			 struct error *err)
{
	struct json_field namespaces = json_field_member(linux_field, "namespaces");
	struct json_field uids = json_field_member(linux_field, "uidMappings");
	struct json_field gids = json_field_member(linux_field, "gidMappings");
	int r = parse_map(&uids, &config->uid_map, err);

	if (!r)
		r = parse_map(&gids, &config->gid_map, err);
	if (r)
		return r;
	if (!(config->namespaces & (1u << NAMESPACE_USER))) {
		if (config->uid_map.nr_ranges || config->gid_map.nr_ranges)
			return json_field_error(config->uid_map.nr_ranges ? &uids : &gids, err,
						"user namespace mappings specified, but user "
						"namespace isn't enabled in the config");
		return 0;
	}
	if (!config->uid_map.nr_ranges && !config->gid_map.nr_ranges)
		return json_field_error(&namespaces, err,
					"user namespaces enabled, but no namespace path to join "
					"nor mappings to apply specified");
	if (!map_find(&config->uid_map, 0, &config->root_uid))
		return json_field_error(&uids, err, "nothing is mapped to the container's root, 0");
	if (!map_find(&config->gid_map, 0, &config->root_gid))
		return json_field_error(&gids, err, "nothing is mapped to the container's root, 0");
	return 0;
}

bool config_has_id_maps(const struct json_field *linux_field)
{
	static const char *const names[] = { "uidMappings", "gidMappings" };
	unsigned int nr_placeholders = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct json_field map = json_field_member(linux_field, names[i]);
		struct json_field range = json_field_element(&map, 0);
		struct json_field first = json_field_member(&range, "containerID");
		struct json_field host = json_field_member(&range, "hostID");
		struct json_field size = json_field_member(&range, "size");

		if (!json_array_size(map.value))
			return false;
		nr_placeholders +=
			json_array_size(map.value) == 1 && json_integer_value(first.value) == 0 &&
			json_integer_value(host.value) == 0 && json_integer_value(size.value) == 1;
	}
	return nr_placeholders < ARRAY_SIZE(names);
}

int config_check_user(const struct json_field *process, const struct container_config *config,
		      struct error *err)
{
	struct json_field user = json_field_member(process, "user");
	struct json_field uid = json_field_member(&user, "uid");
	struct json_field gid = json_field_member(&user, "gid");
	struct json_field gids = json_field_member(&user, "additionalGids");
	const struct container_process *checked = &config->process;

	if (!(config->namespaces & (1u << NAMESPACE_USER)))
		return 0;
	if (!map_has(&config->uid_map, checked->uid))
		return json_field_error(&uid, err, "%u is not in linux.uidMappings", checked->uid);
	if (!map_has(&config->gid_map, checked->gid))
		return json_field_error(&gid, err, "%u is not in linux.gidMappings", checked->gid);
	for (size_t i = 0; i < checked->nr_additional_gids; i++) {
		struct json_field one = json_field_element(&gids, i);

		if (!map_has(&config->gid_map, checked->additional_gids[i]))
			return json_field_error(&one, err, "%u is not in linux.gidMappings",
						checked->additional_gids[i]);
	}
	return 0;
}
