/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_container_config.c - any bytes as config.json, any object merged into a good one, and a good
 * one with a few places edited
 *
 * What is refused is refused with a sentence; what is accepted is in bounds, and guest-init
 * understands the plan made from it.
 */
#include <stdlib.h>
#include <string.h>

#include "guest-init/container_plan.h"
#include "guest-init/failure.h"
#include "tests/fuzz/json_edit.h"
#include "tests/unit/malformed_configs.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/guest_plan.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *good; /* a config.json, until the process ends */

static void check_bounds(const struct container_config *config)
{
	BUG_ON(config->rootfs[0] != '/');
	BUG_ON(config->memory_bytes < CONTAINER_MEMORY_MIN ||
	       config->memory_bytes >
		       CONTAINER_MEMORY_MAX + container_memory_overhead(CONTAINER_MEMORY_MAX) ||
	       config->memory_bytes % (1 << 20));
	BUG_ON(config->nr_vcpus < 1 || config->nr_vcpus > CONTAINER_VCPUS_MAX);
	BUG_ON(config->netns_path && config->netns_path[0] != '/');
	BUG_ON(!config->process.args.count || config->process.cwd[0] != '/');
	for (size_t i = 0; i < config->nr_mounts; i++) {
		const struct container_mount *mount = &config->mounts[i];

		BUG_ON(mount->destination[0] != '/' || !mount->destination[1]);
		BUG_ON(strstr(mount->destination, "/../") || strstr(mount->destination, "//"));
		BUG_ON(mount->is_bind != !strcmp(mount->type, "bind"));
		BUG_ON(mount->is_bind && mount->source[0] != '/');
		BUG_ON(mount->flags & mount->clear_flags);
	}
	BUG_ON(!config->uid_map.nr_ranges != !(config->namespaces & 1u << NAMESPACE_USER));
	BUG_ON(!config->gid_map.nr_ranges != !config->uid_map.nr_ranges);
	for (size_t i = 0; i < config->nr_sysctls; i++)
		BUG_ON(strchr(config->sysctls[i].name, '/') ||
		       strstr(config->sysctls[i].name, ".."));
}

static void check_plan(const struct container_config *config)
{
	static const uint8_t entropy[CONTAINER_ENTROPY_SIZE];
	AUTO_FREE char *text = NULL;
	struct container_plan plan;
	struct failure failure;
	struct error err;
	json_t *message;

	BUG_ON(container_config_guest_plan(config, entropy, "c1", "/bundle", &text, &err) < 0);
	message = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	/* The session adds it. */
	BUG_ON(!message || json_object_set_new(message, "time", json_integer(1)) < 0);
	BUG_ON(container_plan_init(&plan, message, &failure) < 0);
	BUG_ON(plan.nr_mounts != config->nr_mounts);
	BUG_ON(plan.uid_map.nr_ranges != config->uid_map.nr_ranges);
	BUG_ON(plan.process.args.len != config->process.args.count);
	container_plan_fini(&plan);
	json_decref(message);
}

static void try_config(const char *text, size_t size)
{
	struct container_config *config = NULL;
	struct error err = { 0 };
	int r = container_config_parse(text, size, "/bundle", &config, &err);

	if (r < 0) {
		BUG_ON(config || r != -err.code || strncmp(err.text, "config.json: ", 13) != 0);
		return;
	}
	check_bounds(config);
	check_plan(config);
	container_config_free(config);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	good = good_config_text();
	BUG_ON(!good);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *change = strndup((const char *)data, size);
	AUTO_FREE char *merged = change ? changed_config_text(change) : NULL;
	AUTO_FREE char *edited = NULL;
	size_t len = 0;

	edited = json_edit_text(good, data, size, &len);
	try_config(edited, len);
	if (merged)
		try_config(merged, strlen(merged));
	return 0;
}
