/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/clean_path.h"
#include "vmm/oci/config_sections.h"
#include "vmm/oci/mount_options.h"

/* These are of a whole file system, which a bind only shows. */
#define FILE_SYSTEM_FLAGS (MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_I_VERSION)
#define DATA_MAX 4095 /* mount(2) takes one page, with the NUL */

/* The file systems that guest-init mounts. */
static const char *const guest_types[] = { "proc",   "sysfs",  "tmpfs",	 "devpts",
					   "mqueue", "cgroup", "cgroup2" };

static void apply_option(struct container_mount *mount, const struct mount_option *option)
{
	unsigned long bits = option->bits;

	switch (option->effect) {
	case MOUNT_OPTION_SET:
	case MOUNT_OPTION_SET_ALL:
		/* As in mount(2), the strictest of these wins. */
		if (bits == MS_STRICTATIME)
			mount->flags &= ~(unsigned long)MS_NOATIME;
		if (bits == MS_NOATIME && mount->flags & MS_STRICTATIME)
			break;
		mount->flags |= bits;
		mount->clear_flags &= ~bits;
		if (option->effect == MOUNT_OPTION_SET_ALL && bits == MS_RDONLY)
			mount->is_recursive_readonly = true;
		break;
	case MOUNT_OPTION_CLEAR:
	case MOUNT_OPTION_CLEAR_ALL:
		mount->flags &= ~bits;
		mount->clear_flags |= bits;
		if (bits == MS_RDONLY)
			mount->is_recursive_readonly = false;
		break;
	case MOUNT_OPTION_PROPAGATION:
		mount->propagation = bits;
		break;
	case MOUNT_OPTION_BIND:
		mount->is_bind = true;
		mount->is_recursive = bits & MS_REC;
		break;
	case MOUNT_OPTION_COPY_UP:
		mount->copies_up = true;
		break;
	}
}

/* An option that is none of ours: the file system's own, unless it is known to need more. */
static int collect_other_option(const struct json_field *option, const char *text,
				struct text_list *data, struct config_notes *notes,
				struct error *err)
{
	if (!strcmp(text, "idmap") || !strcmp(text, "ridmap") || !strcmp(text, "remount"))
		return config_refuse_because(notes, option, err, "%s is not supported", text);
	if (*text && text_list_add(data, "%s", text) < 0)
		return error_set(err, ENOMEM, "options");
	return 0;
}

static int parse_options(const struct json_field *field, struct container_mount *mount,
			 struct config_notes *notes, struct error *err)
{
	struct json_field options = json_field_member(field, "options");
	struct text_list data = { 0 };
	size_t count = 0;
	int r = json_field_check_array(&options, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(&options, i);
		const struct mount_option *option;
		const char *text = "";

		r = json_field_require_string(&element, &text, err);
		if (r < 0)
			break;
		option = mount_option_find(text);
		if (option)
			apply_option(mount, option);
		else
			r = collect_other_option(&element, text, &data, notes, err);
	}
	if (!r) {
		mount->data = text_list_join(&data, ",");
		if (!mount->data)
			r = error_set(err, ENOMEM, "options");
		else if (strlen(mount->data) > DATA_MAX)
			r = json_field_error(&options, err, "are longer than %d bytes", DATA_MAX);
	}
	text_list_clear(&data);
	mount->is_readonly = mount->flags & MS_RDONLY;
	return r;
}

static int parse_destination(const struct json_field *field, struct container_mount *mount,
			     struct config_notes *notes, struct error *err)
{
	struct json_field destination = json_field_member(field, "destination");
	const char *text = "";
	int r = json_field_require_string(&destination, &text, err);

	if (r < 0)
		return r;
	if (!*text)
		return json_field_error(&destination, err, "must not be empty");
	mount->destination = clean_path("/", text);
	if (!mount->destination)
		return error_set(err, ENOMEM, "destination");
	if (!strcmp(mount->destination, "/"))
		return config_refuse_because(notes, &destination, err,
					     "a mount over the root is not supported");
	if (text[0] != '/')
		return config_warn(notes, &destination, err,
				   "is relative, which is deprecated, and taken as %s",
				   mount->destination);
	return 0;
}

static int parse_bind(const struct json_field *field, const char *bundle_path,
		      struct container_mount *mount, struct config_notes *notes, struct error *err)
{
	struct json_field source = json_field_member(field, "source");
	struct json_field options = json_field_member(field, "options");
	const char *text = "";
	int r = json_field_require_string(&source, &text, err);

	if (r < 0)
		return r;
	if (!*text)
		return json_field_error(&source, err, "must not be empty");
	free(mount->type);
	mount->type = strdup("bind");
	mount->source = text[0] == '/' ? strdup(text) : clean_path(bundle_path, text);
	if (!mount->type || !mount->source)
		return error_set(err, ENOMEM, "source");
	if (mount->copies_up)
		return json_field_error(&options, err, "tmpcopyup is for tmpfs only");
	if (*mount->data &&
	    config_warn(notes, &options, err, "\"%.64s\" means nothing to a bind", mount->data))
		return -ENOMEM;
	if (mount->flags & FILE_SYSTEM_FLAGS &&
	    config_warn(notes, &options, err, "those of a file system mean nothing to a bind"))
		return -ENOMEM;
	/* What is shared with the host's directory is files, not mounts. */
	if (mount->propagation & (MS_SHARED | MS_SLAVE))
		return config_warn(
			notes, &options, err,
			"mounts do not propagate between the host and the virtual machine");
	return 0;
}

static int parse_guest_file_system(const struct json_field *field, struct container_mount *mount,
				   struct config_notes *notes, struct error *err)
{
	struct json_field type = json_field_member(field, "type");
	struct json_field source = json_field_member(field, "source");
	struct json_field options = json_field_member(field, "options");
	char shown[80];
	int r = json_field_require(&type, err);

	if (!r)
		r = json_field_copy_string(&source, &mount->source, err);
	if (!r && !mount->source) {
		mount->source = strdup(mount->type);
		if (!mount->source)
			r = error_set(err, ENOMEM, "source");
	}
	if (r)
		return r;
	if (mount->copies_up && strcmp(mount->type, "tmpfs") != 0)
		return json_field_error(&options, err, "tmpcopyup is for tmpfs only");
	for (size_t i = 0; i < ARRAY_SIZE(guest_types); i++)
		if (!strcmp(mount->type, guest_types[i]))
			return 0;
	return config_refuse_because(notes, &type, err, "%s is not supported",
				     json_field_show(&type, shown, sizeof(shown)));
}

static int parse_mount(const struct json_field *field, const char *bundle_path,
		       struct container_mount *mount, struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "uidMappings", "gidMappings" };
	struct json_field type = json_field_member(field, "type");
	int r = json_field_require_object(field, err);

	if (!r)
		r = parse_destination(field, mount, notes, err);
	if (!r)
		r = json_field_copy_string(&type, &mount->type, err);
	if (!r)
		r = parse_options(field, mount, notes, err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	if (r)
		return r;
	if (mount->type && !strcmp(mount->type, "bind"))
		mount->is_bind = true;
	return mount->is_bind ? parse_bind(field, bundle_path, mount, notes, err)
			      : parse_guest_file_system(field, mount, notes, err);
}

int config_parse_mounts(const struct json_field *field, const char *bundle_path,
			struct container_config *config, struct config_notes *notes,
			struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	if (r < 0 || count == 0)
		return r;
	config->mounts = calloc(count, sizeof(*config->mounts));
	if (!config->mounts)
		return error_set(err, ENOMEM, "mounts");
	config->nr_mounts = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field mount = json_field_element(field, i);

		r = parse_mount(&mount, bundle_path, &config->mounts[i], notes, err);
	}
	return r;
}
