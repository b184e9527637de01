/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/clean_path.h"
#include "vmm/oci/config_sections.h"

#define DEVICE_NUMBER_MAX ((1u << 20) - 1) /* minor numbers have 20 bits, major ones 12 */
#define DEVICE_ID_MAX (UINT32_MAX - 1)
#define FILE_MODE_MAX 0177777u /* engines send the type bits along */
#define PERMISSIONS 07777u
#define DEFAULT_PERMISSIONS 0666u

/* Devices that are software, so that the guest's kernel has its own (Linux devices.txt). */
static const struct {
	uint32_t major, minor;
} guest_devices[] = {
	{ 1, 3 },    /* null */
	{ 1, 5 },    /* zero */
	{ 1, 7 },    /* full */
	{ 1, 8 },    /* random */
	{ 1, 9 },    /* urandom */
	{ 5, 0 },    /* tty */
	{ 5, 1 },    /* console */
	{ 5, 2 },    /* ptmx */
	{ 10, 229 }, /* fuse */
};

bool config_is_guest_device(uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_devices); i++)
		if (guest_devices[i].major == major && guest_devices[i].minor == minor)
			return true;
	return false;
}

static int parse_numbers(const struct json_field *field, struct container_device *device,
			 struct error *err)
{
	struct json_field major = json_field_member(field, "major");
	struct json_field minor = json_field_member(field, "minor");
	int r = 0;

	if (device->type != 'p') {
		r = json_field_require(&major, err);
		if (!r)
			r = json_field_require(&minor, err);
	}
	if (!r)
		r = json_field_get_u32(&major, DEVICE_NUMBER_MAX, &device->major, err);
	if (!r)
		r = json_field_get_u32(&minor, DEVICE_NUMBER_MAX, &device->minor, err);
	return r;
}

static int parse_owner(const struct json_field *field, struct container_device *device,
		       struct error *err)
{
	struct json_field mode = json_field_member(field, "fileMode");
	struct json_field uid = json_field_member(field, "uid");
	struct json_field gid = json_field_member(field, "gid");
	int r;

	device->mode = DEFAULT_PERMISSIONS;
	r = json_field_get_u32(&mode, FILE_MODE_MAX, &device->mode, err);
	device->mode &= PERMISSIONS;
	if (!r)
		r = json_field_get_u32(&uid, DEVICE_ID_MAX, &device->uid, err);
	if (!r)
		r = json_field_get_u32(&gid, DEVICE_ID_MAX, &device->gid, err);
	return r;
}

static int parse_path(const struct json_field *field, struct container_device *device,
		      struct error *err)
{
	struct json_field path = json_field_member(field, "path");
	const char *text = "";
	int r = json_field_require_string(&path, &text, err);

	if (r < 0)
		return r;
	if (text[0] != '/')
		return json_field_error(&path, err, "must be an absolute path");
	device->path = clean_path("/", text);
	return device->path ? 0 : error_set(err, ENOMEM, "path");
}

static int parse_device(const struct json_field *field, struct container_device *device,
			struct config_notes *notes, struct error *err)
{
	static const char *const types[] = { "c", "u", "b", "p" };
	struct json_field type = json_field_member(field, "type");
	struct json_field path = json_field_member(field, "path");
	char shown[128];
	size_t index = 0;
	int r = json_field_require_object(field, err);

	if (!r)
		r = parse_path(field, device, err);
	if (!r)
		r = json_field_get_choice(&type, types, ARRAY_SIZE(types), &index, err);
	if (r < 0)
		return r;
	device->type = "ccbp"[index]; /* u is an old name of c */
	r = parse_numbers(field, device, err);
	if (!r)
		r = parse_owner(field, device, err);
	if (r < 0 || device->type == 'p')
		return r;
	if (device->type == 'c' && config_is_guest_device(device->major, device->minor))
		return 0;
	return config_refuse_because(notes, field, err,
				     "%s (%c %u:%u) is a host device, which is not supported",
				     json_field_show(&path, shown, sizeof(shown)), device->type,
				     device->major, device->minor);
}

int config_parse_devices(const struct json_field *field, struct container_config *config,
			 struct config_notes *notes, struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	if (r < 0 || count == 0)
		return r;
	config->devices = calloc(count, sizeof(*config->devices));
	if (!config->devices)
		return error_set(err, ENOMEM, "devices");
	config->nr_devices = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field device = json_field_element(field, i);

		r = parse_device(&device, &config->devices[i], notes, err);
	}
	return r;
}
