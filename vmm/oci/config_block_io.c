/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define WEIGHT_MIN 10
#define WEIGHT_MAX 1000
#define LIST_MAX 4096u

static const struct {
	const char *name;  /* of the list */
	const char *value; /* of the number in its elements */
} lists[NR_BLOCK_IO_LISTS] = {
	[BLOCK_IO_WEIGHT] = { "weightDevice", "weight" },
	[BLOCK_IO_READ_BPS] = { "throttleReadBpsDevice", "rate" },
	[BLOCK_IO_WRITE_BPS] = { "throttleWriteBpsDevice", "rate" },
	[BLOCK_IO_READ_IOPS] = { "throttleReadIOPSDevice", "rate" },
	[BLOCK_IO_WRITE_IOPS] = { "throttleWriteIOPSDevice", "rate" },
};

/* A weight, 0 being "none". */
static int parse_weight(const struct json_field *field, uint64_t *ret, struct error *err)
{
	int64_t weight = 0;
	int r = json_field_get_int(field, 0, WEIGHT_MAX, &weight, err);

	if (!r && weight && weight < WEIGHT_MIN)
		r = json_field_error(field, err, "must be at least %d", WEIGHT_MIN);
	if (!r)
		*ret = (uint64_t)weight;
	return r;
}

/* Of a scheduler that kernels have not got any more. */
static int check_leaf_weight(const struct json_field *field, struct error *err)
{
	struct json_field leaf_weight = json_field_member(field, "leafWeight");
	uint64_t weight = 0;
	int r = parse_weight(&leaf_weight, &weight, err);

	return r || !weight ? r : json_field_error(&leaf_weight, err, "is not supported");
}

static int parse_device(const struct json_field *field, enum block_io_list list,
			struct block_io_device *device, struct error *err)
{
	struct json_field major = json_field_member(field, "major");
	struct json_field minor = json_field_member(field, "minor");
	struct json_field value = json_field_member(field, lists[list].value);
	int r = json_field_require_object(field, err);

	if (!r)
		r = json_field_require(&major, err);
	if (!r)
		r = json_field_require(&minor, err);
	if (!r)
		r = json_field_get_u32(&major, UINT32_MAX, &device->major, err);
	if (!r)
		r = json_field_get_u32(&minor, UINT32_MAX, &device->minor, err);
	if (!r && list == BLOCK_IO_WEIGHT)
		r = check_leaf_weight(field, err);
	if (r)
		return r;
	return list == BLOCK_IO_WEIGHT ? parse_weight(&value, &device->value, err)
				       : json_field_get_u64(&value, &device->value, err);
}

static int parse_list(const struct json_field *object, enum block_io_list list,
		      struct container_block_io *block_io, struct error *err)
{
	struct json_field field = json_field_member(object, lists[list].name);
	struct block_io_device *items;
	size_t count = 0;
	int r = json_field_check_array(&field, &count, err);

	if (r || !count)
		return r;
	if (count > LIST_MAX)
		return json_field_error(&field, err, "more than %u entries", LIST_MAX);
	items = calloc(count, sizeof(*items));
	if (!items)
		return error_set(err, ENOMEM, "linux.resources.blockIO");
	block_io->lists[list].items = items;
	block_io->lists[list].count = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(&field, i);

		r = parse_device(&element, list, &items[i], err);
	}
	return r;
}

int config_parse_block_io(const struct json_field *field, struct container_block_io *block_io,
			  struct config_notes *notes, struct error *err)
{
	struct json_field weight = json_field_member(field, "weight");
	struct json_field leaf_weight = json_field_member(field, "leafWeight");
	uint64_t number = 0;
	int r = json_field_check_object(field, err);

	if (!r)
		r = parse_weight(&weight, &number, err);
	block_io->weight = (uint32_t)number;
	number = 0;
	if (!r)
		r = parse_weight(&leaf_weight, &number, err);
	if (!r && number)
		r = config_refuse(notes, &leaf_weight, err);
	for (unsigned int i = 0; !r && i < NR_BLOCK_IO_LISTS; i++) {
		r = parse_list(field, i, block_io, err);
	}
	return r;
}
