/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_resources_update.c - what `update` is given, on top of any recorded limits
 *
 * What is refused is refused with a sentence that names the file; what is taken is a plan that
 * guest-init understands, and limits for the host that are in bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "guest-init/resource_plan.h"
#include "tests/fuzz/json_edit.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/oci/resources_update.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good_text[] =
	"{\"current\":{\"memory\":{\"limit\":67108864,\"swap\":67108864},"
	"\"cpu\":{\"shares\":512,\"quota\":50000,\"period\":100000},\"pids\":{\"limit\":9},"
	"\"unified\":{\"memory.high\":\"1\"},\"devices\":[]},"
	"\"update\":{\"memory\":{\"limit\":33554432,\"reservation\":16777216,\"swap\":-1,"
	"\"kernel\":0,\"kernelTCP\":0,\"swappiness\":0,\"disableOOMKiller\":false,"
	"\"useHierarchy\":false,\"checkBeforeUpdate\":true},"
	"\"cpu\":{\"shares\":1024,\"quota\":25000,\"period\":50000,\"burst\":1000,\"idle\":0,"
	"\"cpus\":\"0-1\",\"mems\":\"0\",\"realtimeRuntime\":0,\"realtimePeriod\":0},"
	"\"pids\":{\"limit\":-1},\"blockIO\":{\"weight\":500,\"leafWeight\":0,"
	"\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":100}],"
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]},"
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}],"
	"\"network\":{\"classID\":0,\"priorities\":[]},"
	"\"unified\":{\"memory.max\":\"5\",\"cpu.weight\":\"7\"}}}";

static void check_plan(const struct container_resources *resources)
{
	json_t *message = json_pack("{s:o*}", "resources", container_resources_plan(resources));
	struct failure failure;
	struct resource_plan plan;

	BUG_ON(!json_object_get(message, "resources"));
	BUG_ON(resource_plan_init(&plan, message, &failure) < 0);
	resource_plan_fini(&plan);
	json_decref(message);
}

static void check_bounds(const struct container_resources *resources)
{
	BUG_ON(resources->memory_limit < -1 ||
	       resources->memory_limit > (int64_t)CONTAINER_MEMORY_MAX);
	BUG_ON(resources->memory_reservation < -1 || resources->memory_swap < -1);
	BUG_ON(resources->pids_limit < -1 || resources->cpu_quota < -1 ||
	       resources->cpu_period < 0);
	BUG_ON(resources->nr_device_rules);
	for (size_t i = 0; i < resources->nr_unified; i++)
		BUG_ON(strchr(resources->unified[i].file, '/') ||
		       strlen(resources->unified[i].file) > UNIFIED_NAME_MAX);
}

/* Returns whether it was taken. */
static bool try_update(const json_t *current, const json_t *update)
{
	json_t *merged = resources_update_merge(current, update);
	struct container_resources resources;
	struct text_list warnings = { 0 };
	struct error err = { 0 };
	int r;

	BUG_ON(!merged);
	r = resources_update_parse("update.json", merged, &resources, &warnings, &err);
	if (r < 0) {
		BUG_ON(r != -err.code || strncmp(err.text, "update.json", 11) != 0);
	} else {
		check_bounds(&resources);
		check_plan(&resources);
	}
	container_resources_clear(&resources);
	text_list_clear(&warnings);
	json_decref(merged);
	return r >= 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	json_t *both = json_loads(good_text, JSON_REJECT_DUPLICATES, NULL);

	(void)argc;
	(void)argv;
	BUG_ON(!try_update(json_object_get(both, "current"), json_object_get(both, "update")));
	json_decref(both);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0;
	AUTO_FREE char *text = json_edit_text(good_text, data, size, &len);
	json_t *both = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	(void)try_update(json_object_get(both, "current"), json_object_get(both, "update"));
	json_decref(both);
	return 0;
}
