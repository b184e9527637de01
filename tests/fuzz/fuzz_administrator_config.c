/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_administrator_config.c - any text as the administrator's configuration
 *
 * It is refused with an error that begins with the file's name, or what comes of it is within its
 * bounds, and when shown and read again the same.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/oci/administrator_config.h"
#include "vmm/oci/administrator_policy.h"

#define FILE_NAME "/a.json"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_paths(const struct text_list *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		const char *path = paths->items[i];

		BUG_ON(path[0] != '/' || strstr(path, "//") || strstr(path, "/../"));
		BUG_ON(path[1] && path[strlen(path) - 1] == '/');
	}
}

static void check_bounds(const struct administrator_config *config)
{
	const struct administrator_limits *limits = &config->limits;

	BUG_ON((config->kernel && config->kernel[0] != '/') ||
	       (config->initramfs && config->initramfs[0] != '/') ||
	       (config->template_directory && config->template_directory[0] != '/'));
	BUG_ON(config->template_use >= NR_TEMPLATE_USES);
	BUG_ON(!config->first_id || config->nr_ids > UINT32_MAX - config->first_id);
	BUG_ON(config->defaults.memory_bytes < CONTAINER_MEMORY_MIN ||
	       config->defaults.memory_bytes > CONTAINER_MEMORY_MAX);
	BUG_ON(!config->defaults.nr_vcpus || config->defaults.nr_vcpus > CONTAINER_VCPUS_MAX);
	BUG_ON(config->defaults.nr_vcpus > limits->vcpus || !limits->vcpus);
	BUG_ON(container_memory_capacity(config->defaults.memory_bytes) > limits->memory &&
	       config->defaults.memory_bytes != container_memory_size(limits->memory));
	check_paths(&limits->allowed_sources);
	check_paths(&limits->denied_sources);
	check_paths(&limits->host_system);
	(void)administrator_permits_annotation(config, "bulkhead.memory");
}

static void check_shown(const struct administrator_config *config)
{
	json_t *shown = administrator_config_to_json(config);
	AUTO_FREE char *text = shown ? json_dumps(shown, 0) : NULL;
	struct administrator_config *again = NULL;
	struct error err;
	json_t *shown_again;

	BUG_ON(!text);
	BUG_ON(administrator_config_parse(FILE_NAME, text, strlen(text), &again, &err) < 0);
	shown_again = administrator_config_to_json(again);
	BUG_ON(!json_equal(shown, shown_again));
	json_decref(shown);
	json_decref(shown_again);
	administrator_config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct administrator_config *config = NULL;
	struct error err = { 0 };
	int r = administrator_config_parse(FILE_NAME, (const char *)data, size, &config, &err);

	if (r < 0) {
		BUG_ON(config || r != -err.code || strncmp(err.text, FILE_NAME ": ", 9) != 0);
		return 0;
	}
	check_bounds(config);
	check_shown(config);
	administrator_config_free(config);
	return 0;
}
