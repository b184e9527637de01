/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every malformed bundle is refused in the words expected. With a directory as argument the
 * bundles are written there instead, for tests of the command line: DIR/NNN/ is a bundle,
 * DIR/NNN.expect holds what the error must contain.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/guest_plan.h"

static int write_bundles(const char *directory)
{
	AUTO_CLOSE int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dir_fd >= 0 && i < nr_malformed_configs; i++) {
		const char *expect = malformed_configs[i].expect;
		AUTO_CLOSE int bundle_fd = -1;
		struct error err;
		char name[32];

		(void)snprintf(name, sizeof(name), "%03zu", i);
		if (mkdirat(dir_fd, name, 0755) == 0)
			bundle_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)snprintf(name, sizeof(name), "%03zu.expect", i);
		if (bundle_fd < 0 || malformed_config_write(&malformed_configs[i], bundle_fd) < 0 ||
		    file_replace(dir_fd, name, expect, strlen(expect), &err) < 0)
			return EXIT_FAILURE;
	}
	return dir_fd < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void test_one(const struct malformed_config *malformed, const char *scratch, size_t index)
{
	static const uint8_t entropy[CONTAINER_ENTROPY_SIZE];
	struct container_config *config = NULL;
	AUTO_FREE char *plan = NULL;
	AUTO_CLOSE int bundle_fd = -1;
	struct error err = { 0 };
	char bundle[512];
	int r;

	(void)snprintf(bundle, sizeof(bundle), "%s/%zu", scratch, index);
	(void)mkdir(bundle, 0755);
	bundle_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!ok(malformed_config_write(malformed, bundle_fd) == 0))
		return;
	r = container_config_load(bundle_fd, CONTAINER_CONFIG_NAME, bundle, &container_defaults,
				  &config, &err);
	if (r == 0)
		r = container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err);
	if (!ok(r < 0 && r == -err.code && strstr(err.text, malformed->expect) &&
		strstr(err.text, "config.json")))
		printf("# %s\n# got  %d: %s\n# want %s\n",
		       malformed->change ? malformed->change : "", r, err.text, malformed->expect);
	container_config_free(config);
}

static void test_unreadable(const char *scratch)
{
	AUTO_CLOSE int bundle_fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *text = good_config_text();
	struct container_config *config = NULL;
	struct error err = { 0 };

	ok(file_replace(bundle_fd, "config.json", text, strlen(text), &err) == 0);
	ok(fchmodat(bundle_fd, "config.json", 0, 0) == 0);
	/* Root may read anything. */
	if (geteuid() != 0 || seteuid(65534) == 0) {
		is_int(container_config_load(bundle_fd, CONTAINER_CONFIG_NAME, scratch,
					     &container_defaults, &config, &err),
		       -EACCES);
		is_str(err.text, "open config.json: permission denied");
	}
	ok(seteuid(getuid()) == 0);
}

int main(int argc, char **argv)
{
	char scratch[SCRATCH_DIR_SIZE];

	if (argc > 1)
		return write_bundles(argv[1]);
	scratch_dir_make(scratch);
	for (size_t i = 0; i < nr_malformed_configs; i++)
		test_one(&malformed_configs[i], scratch, i);
	test_unreadable(scratch);
	scratch_dir_remove(scratch);
	return tap_done();
}
