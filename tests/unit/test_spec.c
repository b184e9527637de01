/* SPDX-License-Identifier: Apache-2.0 */
/* What `spec` and `features` print. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/features.h"
#include "vmm/oci/mount_options.h"
#include "vmm/oci/spec.h"

static struct error err;

/* The runtime accepts its own example, without a warning. */
static void test_spec_is_accepted(void)
{
	AUTO_FREE char *text = spec_text();
	struct container_config *config = NULL;

	if (!ok(text && container_config_parse(text, strlen(text), "/b", &config, &err) == 0)) {
		printf("# %s\n", err.text);
		return;
	}
	is_int(config->warnings.count, 0);
	ok(config->has_readonly_rootfs && config->process.has_terminal);
	is_str(config->process.args.items[0], "sh");
	is_str(config->hostname, "bulkhead");
	is_int(config->nr_mounts, 7);
	is_str(config->mounts[3].data, "mode=1777,size=65536k");
	is_int(config->process.capabilities[CAPABILITY_BOUNDING], 1 << 29 | 1 << 10 | 1 << 5);
	is_int(config->process.capabilities[CAPABILITY_INHERITABLE], 0);
	is_int(config->masked_paths.count, 10);
	is_int(config->readonly_paths.count, 5);
	is_str(config->readonly_paths.items[4], "/proc/sysrq-trigger");
	ok(text[strlen(text) - 1] == '\n');
	container_config_free(config);
}

static void test_spec_write(void)
{
	AUTO_FREE char *want = spec_text();
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	char scratch[SCRATCH_DIR_SIZE];
	size_t size = 0;

	scratch_dir_make(scratch);
	fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(spec_write(fd, &err), 0);
	is_int(file_load(fd, "config.json", 1 << 20, &text, &size, &err), 0);
	is_str(text, want);
	is_int(file_replace(fd, "config.json", "mine", 4, &err), 0);
	is_int(spec_write(fd, &err), -EEXIST);
	is_str(err.text, "File config.json exists. Remove it first");
	free(pointer_take(text));
	is_int(file_load(fd, "config.json", 1 << 20, &text, &size, &err), 0);
	is_str(text, "mine");
	scratch_dir_remove(scratch);
}

static bool holds(const json_t *array, const char *text)
{
	size_t index;
	json_t *item;

	json_array_foreach (array, index, item)
		if (!strcmp(json_string_value(item), text))
			return true;
	return false;
}

static void test_features(void)
{
	AUTO_FREE char *text = features_text();
	json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *linux_json = json_object_get(json, "linux");
	json_t *options = json_object_get(json, "mountOptions");
	size_t count;

	(void)mount_options(&count);
	is_str(json_string_value(json_object_get(json, "ociVersionMin")), "1.0.0");
	is_str(json_string_value(json_object_get(json, "ociVersionMax")), "1.3.0");
	is_int(json_array_size(json_object_get(json, "hooks")), 6);
	ok(holds(json_object_get(json, "hooks"), "createContainer"));
	is_int(json_array_size(options), count);
	ok(holds(options, "rro") && !holds(options, "idmap"));
	ok(holds(json_object_get(linux_json, "namespaces"), "network"));
	ok(holds(json_object_get(linux_json, "namespaces"), "user"));
	ok(holds(json_object_get(linux_json, "capabilities"), "CAP_SYS_ADMIN"));
	ok(json_is_true(json_object_get(json_object_get(linux_json, "seccomp"), "enabled")));
	ok(holds(json_object_get(json_object_get(linux_json, "seccomp"), "actions"),
		 "SCMP_ACT_KILL_PROCESS"));
	ok(holds(json_object_get(json_object_get(linux_json, "seccomp"), "archs"),
		 "SCMP_ARCH_X86_64"));
	ok(json_string_value(json_object_get(json_object_get(json, "annotations"),
					     "io.github.seccomp.libseccomp.version")));
	ok(json_is_false(json_object_get(
		json_object_get(json_object_get(linux_json, "mountExtensions"), "idmap"),
		"enabled")));
	ok(json_is_true(json_object_get(json_object_get(linux_json, "cgroup"), "v2")));
	ok(json_is_false(json_object_get(json_object_get(linux_json, "cgroup"), "systemdUser")));
	json_decref(json);
}

int main(void)
{
	test_spec_is_accepted();
	test_spec_write();
	test_features();
	return tap_done();
}
