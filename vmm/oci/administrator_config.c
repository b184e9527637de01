/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/administrator_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/administrator_limits.h"
#include "vmm/oci/administrator_network.h"
#include "vmm/oci/config_annotations.h"
#include "vmm/oci/json_fields.h"

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *const template_use_names[] = {
	[TEMPLATE_NEVER] = "never",
	[TEMPLATE_AUTO] = "auto",
	[TEMPLATE_ALWAYS] = "always",
};

static int parse_path(const struct json_field *top, const char *name, char **ret, struct error *err)
{
	struct json_field field = json_field_member(top, name);
	int r = json_field_copy_string(&field, ret, err);

	if (!r && *ret && **ret != '/')
		r = json_field_error(&field, err, "must be an absolute path");
	return r;
}

static int parse_ids(const struct json_field *top, struct administrator_config *config,
		     struct error *err)
{
	static const char *const known[] = { "first", "count" };
	struct json_field ids = json_field_member(top, "ids");
	struct json_field first = json_field_member(&ids, known[0]);
	struct json_field count = json_field_member(&ids, known[1]);
	int64_t first_id = ADMINISTRATOR_IDS_FIRST;
	int64_t nr_ids = ADMINISTRATOR_IDS_COUNT;
	int r = json_field_check_members(&ids, known, ARRAY_SIZE(known), err);

	if (r < 0 || json_field_is_absent(&ids))
		return r;
	r = json_field_require(&count, err);
	if (!r)
		r = json_field_get_int(&count, 0, UINT32_MAX - 1, &nr_ids, err);
	if (!r && nr_ids)
		r = json_field_require(&first, err);
	if (!r)
		r = json_field_get_int(&first, 1, UINT32_MAX - 1, &first_id, err);
	if (!r && first_id + nr_ids > UINT32_MAX)
		r = json_field_error(&count, err,
				     "leads beyond the ids that there are, which end "
				     "with 4294967294");
	if (r < 0)
		return r;
	config->first_id = (uint32_t)first_id;
	config->nr_ids = (uint32_t)nr_ids;
	return 0;
}

/* Patterns that would permit more than somebody may think are refused. */
static int check_pattern(const struct json_field *field, const char *pattern, struct error *err)
{
	size_t len = strlen(pattern);
	const char *star = strchr(pattern, '*');

	if (!len)
		return json_field_error(field, err, "must not be empty");
	if (star && star + 1 != pattern + len)
		return json_field_error(field, err, "has a '*' before its end");
	return 0;
}

static int parse_annotations(const struct json_field *top, struct administrator_config *config,
			     struct error *err)
{
	struct json_field field = json_field_member(top, "annotations");
	int r = 0;

	if (json_field_is_absent(&field)) {
		for (size_t i = 0; !r && config_annotations_by_default[i]; i++)
			r = text_list_add(&config->annotations, "%s",
					  config_annotations_by_default[i]);
		return r < 0 ? error_set(err, ENOMEM, "annotations") : 0;
	}
	r = json_field_get_strings(&field, &config->annotations, err);
	for (size_t i = 0; !r && i < config->annotations.count; i++) {
		struct json_field element = json_field_element(&field, i);

		r = check_pattern(&element, config->annotations.items[i], err);
	}
	return r;
}

static int parse_log_level(const struct json_field *top, struct administrator_config *config,
			   struct error *err)
{
	struct json_field field = json_field_member(top, "logLevel");
	size_t level = LOG_LEVEL_WARNING;
	int r = 0;

	if (!json_field_is_absent(&field))
		r = json_field_get_choice(&field, level_names, ARRAY_SIZE(level_names), &level,
					  err);
	config->log_level = (enum log_level)level;
	return r;
}

static int parse_templates(const struct json_field *top, struct administrator_config *config,
			   struct error *err)
{
	static const char *const known[] = { "use", "directory" };
	struct json_field templates = json_field_member(top, "templates");
	struct json_field use = json_field_member(&templates, known[0]);
	size_t choice = TEMPLATE_NEVER;
	int r = json_field_check_members(&templates, known, ARRAY_SIZE(known), err);

	if (!r && !json_field_is_absent(&use))
		r = json_field_get_choice(&use, template_use_names, NR_TEMPLATE_USES, &choice, err);
	config->template_use = (enum template_use)choice;
	return r < 0 ? r : parse_path(&templates, known[1], &config->template_directory, err);
}

static int parse_top(const struct json_field *top, struct administrator_config *config,
		     struct error *err)
{
	static const char *const known[] = { "kernel",	  "initramfs",	 "ids",
					     "defaults",  "annotations", "logLevel",
					     "templates", "limits",	 "network" };
	int r = json_field_check_members(top, known, ARRAY_SIZE(known), err);

	if (!r)
		r = parse_path(top, "kernel", &config->kernel, err);
	if (!r)
		r = parse_path(top, "initramfs", &config->initramfs, err);
	if (!r)
		r = parse_ids(top, config, err);
	if (!r)
		r = administrator_parse_limits(top, &config->limits, err);
	if (!r)
		r = administrator_parse_defaults(top, &config->limits, &config->defaults, err);
	if (!r)
		r = parse_annotations(top, config, err);
	if (!r)
		r = parse_log_level(top, config, err);
	if (!r)
		r = parse_templates(top, config, err);
	if (!r)
		r = administrator_parse_network(top, &config->network, err);
	return r;
}

static struct administrator_config *new_config(const char *path)
{
	struct administrator_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->first_id = ADMINISTRATOR_IDS_FIRST;
	config->nr_ids = ADMINISTRATOR_IDS_COUNT;
	config->path = strdup(path);
	if (config->path)
		return config;
	free(config);
	return NULL;
}

int administrator_config_parse(const char *path, const char *text, size_t size,
			       struct administrator_config **ret, struct error *err)
{
	struct administrator_config *config = new_config(path);
	json_t *document;
	struct json_field top;
	int r;

	if (!config)
		return error_set(err, ENOMEM, "%s", path);
	document = json_text_parse(path, text, size, err);
	r = document ? json_field_top(&top, path, document, err) : -EINVAL;
	if (!r)
		r = parse_top(&top, config, err);
	json_decref(document);
	if (r < 0) {
		administrator_config_free(config);
		return r;
	}
	config->is_present = true;
	*ret = config;
	return 0;
}

/* Whoever can write the file decides what every container gets. */
static int check_file(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return error_invalid(err, "%s is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_invalid(err,
				     "%s belongs to user %u: it must be root's or the caller's",
				     path, st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_invalid(err,
				     "%s has mode %04o: nobody but its owner may be able to write "
				     "it",
				     path, st.st_mode & 07777);
	if ((uint64_t)st.st_size > ADMINISTRATOR_CONFIG_SIZE_MAX)
		return error_invalid(err, "%s is larger than %zu bytes", path,
				     ADMINISTRATOR_CONFIG_SIZE_MAX);
	return 0;
}

static int load(int fd, const char *path, struct administrator_config **ret, struct error *err)
{
	AUTO_FREE char *text = malloc(ADMINISTRATOR_CONFIG_SIZE_MAX + 1);
	ssize_t size;
	int r = check_file(fd, path, err);

	if (r < 0)
		return r;
	if (!text)
		return error_set(err, ENOMEM, "read %s", path);
	size = file_read_full(fd, text, ADMINISTRATOR_CONFIG_SIZE_MAX + 1);
	if (size < 0)
		return error_set(err, (int)-size, "read %s", path);
	if ((size_t)size > ADMINISTRATOR_CONFIG_SIZE_MAX)
		return error_invalid(err, "%s is larger than %zu bytes", path,
				     ADMINISTRATOR_CONFIG_SIZE_MAX);
	return administrator_config_parse(path, text, (size_t)size, ret, err);
}

int administrator_config_load(struct administrator_config **ret, struct error *err)
{
	const char *named = secure_getenv(ADMINISTRATOR_CONFIG_VARIABLE);
	const char *path = named && *named ? named : ADMINISTRATOR_CONFIG_PATH;
	/* O_NONBLOCK: a FIFO must not keep us waiting before it is refused. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd >= 0)
		return load(fd, path, ret, err);
	if (errno != ENOENT || path == named)
		return error_set(err, errno, "open %s", path);
	r = administrator_config_parse(path, "{}", 2, ret, err);
	if (!r)
		(*ret)->is_present = false;
	return r;
}

void administrator_config_free(struct administrator_config *config)
{
	if (!config)
		return;
	free(config->path);
	free(config->kernel);
	free(config->initramfs);
	free(config->template_directory);
	text_list_clear(&config->annotations);
	administrator_limits_clear(&config->limits);
	network_policy_clear(&config->network.policy);
	free(config);
}

json_t *administrator_config_to_json(const struct administrator_config *config)
{
	return json_pack(
		"{s:s*, s:s*, s:{s:I, s:I}, s:{s:I, s:I}, s:o, s:s, s:{s:s, s:s*}, s:o, s:o}",
		"kernel", config->kernel, "initramfs", config->initramfs, "ids", "first",
		(json_int_t)config->first_id, "count", (json_int_t)config->nr_ids, "defaults",
		"memory", (json_int_t)config->defaults.memory_bytes, "vcpus",
		(json_int_t)config->defaults.nr_vcpus, "annotations",
		administrator_list_to_json(&config->annotations), "logLevel",
		level_names[config->log_level], "templates", "use",
		template_use_names[config->template_use], "directory", config->template_directory,
		"limits", administrator_limits_to_json(&config->limits), "network",
		administrator_network_to_json(&config->network));
}
