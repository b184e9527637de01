/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_resource_plan.c - the "resources" of a message, and the files they are written to */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest-init/control_files.h"
#include "guest-init/resource_plan.h"
#include "guest-init/scope.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"

static int plan_of(const char *text, struct resource_plan *ret_plan, struct failure *err)
{
	json_t *message = json_loads(text, 0, NULL);
	int r = resource_plan_init(ret_plan, message, err);

	json_decref(message); /* the plan keeps its own reference */
	return r;
}

static void test_members(void)
{
	struct resource_plan plan;
	struct failure err;

	is_int(plan_of("{\"resources\":{\"controls\":[{\"file\":\"f\",\"value\":\"v\","
		       "\"field\":\"a.b\"}],\"devices\":[{\"allow\":true,\"type\":\"b\","
		       "\"major\":-1,\"minor\":4294967295,\"access\":7}]}}",
		       &plan, &err),
	       0);
	is_int(plan.nr_controls, 1);
	is_str(plan.controls[0].file, "f");
	is_str(plan.controls[0].value, "v");
	is_str(plan.controls[0].field, "a.b");
	is_int(plan.nr_device_rules, 1);
	ok(plan.device_rules[0].is_allowed);
	is_str(plan.device_rules[0].type, "b");
	is_int(plan.device_rules[0].major, RESOURCE_ANY_NUMBER);
	is_int(plan.device_rules[0].minor, UINT32_MAX);
	is_int(plan.device_rules[0].access, 7);
	resource_plan_fini(&plan);
	is_int(plan_of("{}", &plan, &err), 0);
	is_int(plan.nr_controls + plan.nr_device_rules, 0);
	resource_plan_fini(&plan);
}

static void test_refusals(void)
{
	static const struct {
		const char *controls, *devices, *sentence;
	} cases[] = {
		{ "null", "[]", "resources: \"controls\" is missing or not a list" },
		{ "[]", "{}", "resources: \"devices\" is missing or not a list" },
		{ "[{\"file\":\"../x\",\"value\":\"\",\"field\":\"\"}]", "[]",
		  "resources: controls[0]: \"../x\" is not a file's name" },
		{ "[{\"file\":\"a/b\",\"value\":\"\",\"field\":\"\"}]", "[]",
		  "resources: controls[0]: \"a/b\" is not a file's name" },
		{ "[{\"file\":\"\",\"value\":\"\",\"field\":\"\"}]", "[]",
		  "resources: controls[0]: \"\" is not a file's name" },
		{ "[{\"file\":\"a\",\"field\":\"\"}]", "[]",
		  "resources: controls[0]: Object item not found: value" },
		{ "[]", "[{\"allow\":true,\"type\":\"x\",\"major\":1,\"minor\":1,\"access\":1}]",
		  "resources: devices[0]: type \"x\" is not \"a\", \"b\" or \"c\"" },
		{ "[]", "[{\"allow\":true,\"type\":\"a\",\"major\":1,\"minor\":1,\"access\":8}]",
		  "resources: devices[0]: a number is out of range" },
		{ "[]", "[{\"allow\":true,\"type\":\"a\",\"major\":-2,\"minor\":1,\"access\":1}]",
		  "resources: devices[0]: a number is out of range" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct resource_plan plan;
		struct failure err = { 0 };
		char text[512];

		(void)snprintf(text, sizeof(text),
			       "{\"resources\":{\"controls\":%s,\"devices\":%s}}",
			       cases[i].controls, cases[i].devices);
		is_int(plan_of(text, &plan, &err), -EINVAL);
		is_str(err.text, cases[i].sentence);
	}
}

/* In order, and no further than the first that fails. Files are never created. */
static void test_files(void)
{
	static const char text[] = "{\"resources\":{\"devices\":[],\"controls\":["
				   "{\"file\":\"one\",\"value\":\"1\",\"field\":\"x.one\"},"
				   "{\"file\":\"missing\",\"value\":\"2\",\"field\":\"x.missing\"},"
				   "{\"file\":\"two\",\"value\":\"3\",\"field\":\"x.two\"}]}}";
	char scratch[SCRATCH_DIR_SIZE], content[8] = "";
	struct resource_plan plan;
	struct failure err = { 0 };
	AUTO_CLOSE int dir_fd = -1, one_fd = -1, two_fd = -1;

	scratch_dir_make(scratch);
	dir_fd = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	one_fd = openat(dir_fd, "one", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	two_fd = openat(dir_fd, "two", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	is_int(plan_of(text, &plan, &err), 0);
	is_int(control_files_write(dir_fd, &plan, &err), -ENOENT);
	is_str(err.text, "x.missing: write \"2\" to missing: no such file or directory");
	is_int(read(one_fd, content, sizeof(content)), 1);
	is_str(content, "1");
	is_int(read(two_fd, content, sizeof(content)), 0);
	ok(faccessat(dir_fd, "missing", F_OK, 0) != 0);
	resource_plan_fini(&plan);
	scratch_dir_remove(scratch);
}

int main(void)
{
	test_members();
	test_refusals();
	test_files();
	return tap_done();
}
