/* SPDX-License-Identifier: Apache-2.0 */
/* test_administrator_policy.c - what the administrator's limits say of a container's config.json */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/administrator_policy.h"

#define FILE_NAME "/etc/admin.json"
#define LIMITS "{\"limits\":{\"vcpus\":2,\"memory\":134217728,\"devices\":1,\"mounts\":2}}"
#define RESOURCES(members) "{'linux':{'resources':{" members "}}}"
#define DEVICE(name) "{'path':'/dev/" name "','type':'c','major':1,'minor':3}"
#define MOUNT(name) "{'destination':'/" name "','type':'tmpfs'}"

static struct administrator_config *administrator(const char *text)
{
	struct administrator_config *config = NULL;
	struct error err;

	if (!ok(administrator_config_parse(FILE_NAME, text, strlen(text), &config, &err) == 0)) {
		printf("# %s\n", err.text);
		exit(tap_done());
	}
	return config;
}

/* The good config.json with @change, made with the defaults of @limits. */
static struct container_config *container(const struct administrator_config *limits,
					  const char *change)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;
	struct error err;

	if (!ok(text && container_config_parse_sized(text, strlen(text), "/b", &limits->defaults,
						     &config, &err) == 0)) {
		printf("# %s: %s\n", change, err.text);
		exit(tap_done());
	}
	return config;
}

/* @expect is NULL for what is fine. */
static void check(const struct administrator_config *limits, const char *change, const char *expect)
{
	struct container_config *config = container(limits, change);
	struct error err = { 0 };
	int r = administrator_check_container(limits, config, &err);

	if (!ok(expect ? r == -EINVAL && strstr(err.text, expect) &&
				 strstr(err.text, "config.json: ") && strstr(err.text, FILE_NAME)
		       : r == 0))
		printf("# %s\n# got  %s\n# want %s\n", change, err.text, expect ? expect : "");
	container_config_free(config);
}

static void test_numbers(void)
{
	static const struct {
		const char *change, *expect;
	} cases[] = {
		{ "{}", NULL },
		{ RESOURCES("'memory':{'limit':134217728}"), NULL },
		{ RESOURCES("'memory':{'limit':-1}"), NULL },
		{ RESOURCES("'memory':{'limit':134217729}"),
		  "linux.resources.memory.limit asks for 134217729, more than limits.memory of "
		  "/etc/admin.json, which is 134217728" },
		{ RESOURCES("'cpu':{'quota':200000,'period':100000}"), NULL },
		{ RESOURCES("'cpu':{'quota':200000}"), NULL },
		{ RESOURCES("'cpu':{'quota':-1}"), NULL },
		{ RESOURCES("'cpu':{'quota':200001,'period':100000}"),
		  "linux.resources.cpu.quota asks for 3, more than limits.vcpus" },
		/* The machine would have 32; what is asked for decides. */
		{ RESOURCES("'cpu':{'quota':9000000000,'period':100000}"),
		  "linux.resources.cpu.quota asks for 90000, more than limits.vcpus" },
		{ "{'linux':{'devices':[" DEVICE("a") "]}}", NULL },
		{ "{'linux':{'devices':[" DEVICE("a") "," DEVICE("b") "]}}",
		  "linux.devices asks for 2, more than limits.devices" },
		{ "{'mounts':[" MOUNT("a") "," MOUNT("b") "]}", NULL },
		{ "{'mounts':[" MOUNT("a") "," MOUNT("b") "," MOUNT("c") "]}",
		  "mounts asks for 3, more than limits.mounts" },
		{ "{'annotations':{'bulkhead.vcpus':'2'}}", NULL },
		{ "{'annotations':{'bulkhead.vcpus':'3'}}",
		  "annotations.bulkhead.vcpus asks for 3, more than limits.vcpus" },
		{ "{'annotations':{'bulkhead.memory':'180355072'}}", NULL },
		{ "{'annotations':{'bulkhead.memory':'180355073'}}",
		  "annotations.bulkhead.memory asks for 180355073, more than the 180355072 that "
		  "limits.memory of /etc/admin.json leaves a virtual machine" },
		{ "{'annotations':{'bulkhead.memory':'268435456'},"
		  "'linux':{'resources':{'memory':{'limit':67108864}}}}",
		  "annotations.bulkhead.memory asks for" },
	};
	struct administrator_config *limits = administrator(LIMITS);
	struct administrator_config *none = administrator("{}");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(limits, cases[i].change, cases[i].expect);
		check(none, cases[i].change, NULL);
	}
	administrator_config_free(limits);
	administrator_config_free(none);
}

/* Nothing of @limits: sizes by defaults, annotations before them, limits of the container. */
static void test_sizes(void)
{
	static const struct {
		const char *change;
		uint64_t memory_mib;
		unsigned int vcpus;
	} cases[] = {
		{ "{}", 100, 3 },
		{ RESOURCES("'memory':{'limit':134217728},'cpu':{'quota':100000}"), 172, 1 },
		{ RESOURCES("'memory':{'limit':-1},'cpu':{'quota':-1}"), 100, 3 },
		{ "{'annotations':{'bulkhead.memory':'209715201','bulkhead.vcpus':'5'}}", 201, 5 },
		{ "{'annotations':{'bulkhead.memory':'209715200','bulkhead.vcpus':'5'},"
		  "'linux':{'resources':{'memory':{'limit':67108864},'cpu':{'quota':100000}}}}",
		  200, 5 },
		/* Those of others mean nothing. */
		{ "{'annotations':{'run.oci.keep_original_groups':'1','bulkhead':'9'}}", 100, 3 },
		/* A process of `exec` may have the processors that there are. */
		{ "{'process':{'execCPUAffinity':{'initial':'2'}}}", 100, 3 },
	};
	struct administrator_config *limits =
		administrator("{\"defaults\":{\"memory\":104857600,\"vcpus\":3}}");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config = container(limits, cases[i].change);

		is_int((long long)(config->memory_bytes >> 20), (long long)cases[i].memory_mib);
		is_int(config->nr_vcpus, cases[i].vcpus);
		container_config_free(config);
	}
	administrator_config_free(limits);
}

static void test_annotations(void)
{
	struct administrator_config *none = administrator("{\"annotations\":[]}");
	struct administrator_config *all = administrator("{\"annotations\":[\"*\"]}");
	struct administrator_config *some =
		administrator("{\"annotations\":[\"bulkhead.m*\",\"bulkhead.vcpus2\"]}");

	check(none, "{'annotations':{'org.example':'x','bulkheads':'x'}}", NULL);
	check(none, "{'annotations':{'bulkhead.vcpus':'1'}}",
	      "annotations.bulkhead.vcpus: \"annotations\" of /etc/admin.json does not permit it");
	check(all, "{'annotations':{'bulkhead.vcpus':'1','bulkhead.memory':'67108864'}}", NULL);
	check(some, "{'annotations':{'bulkhead.memory':'67108864'}}", NULL);
	check(some, "{'annotations':{'bulkhead.vcpus':'1'}}", "annotations.bulkhead.vcpus: ");
	ok(administrator_permits_annotation(some, "bulkhead.m"));
	ok(administrator_permits_annotation(some, "bulkhead.vcpus2"));
	ok(!administrator_permits_annotation(some, "bulkhead."));
	ok(!administrator_permits_annotation(some, "bulkhead.vcpus22"));
	administrator_config_free(none);
	administrator_config_free(all);
	administrator_config_free(some);
}

static void test_update(void)
{
	static const struct {
		int64_t memory_before, memory_after, quota_before, quota_after;
		const char *expect;
	} cases[] = {
		{ 0, 0, 0, 0, NULL },
		{ 64 << 20, 128 << 20, 100000, 200000, NULL },
		{ 64 << 20, (128 << 20) + 1, 0, 0, "update: memory.limit asks for 134217729" },
		{ -1, (128 << 20) + 1, 0, 0, "update: memory.limit asks for 134217729" },
		{ 0, 0, 100000, 200001, "update: cpu.quota asks for 3, more than limits.vcpus" },
		{ 0, 0, 100000, -1, "update: cpu.quota asks for 4, more than limits.vcpus" },
		/* What was so before the limit can stay, and shrink. */
		{ 256 << 20, 256 << 20, 400000, 400000, NULL },
		{ 256 << 20, -1, 400000, 300000, NULL },
		{ 0, 0, -1, 400000, NULL },
	};
	struct administrator_config *limits = administrator(LIMITS);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct container_resources before = {
			.memory_limit = cases[i].memory_before,
			.cpu_quota = cases[i].quota_before,
		};
		const struct container_resources after = {
			.memory_limit = cases[i].memory_after,
			.cpu_quota = cases[i].quota_after,
		};
		struct error err = { 0 };
		int r = administrator_check_update(limits, "update", &before, &after, 4, &err);

		if (!ok(cases[i].expect ? r == -EINVAL && strstr(err.text, cases[i].expect)
					: r == 0))
			printf("# case %zu: %s\n", i, err.text);
	}
	administrator_config_free(limits);
}

int main(void)
{
	test_numbers();
	test_sizes();
	test_annotations();
	test_update();
	return tap_done();
}
