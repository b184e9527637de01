/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_id_maps.c - the user namespace of a configuration, as the guest gets it or refused */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/guest_plan.h"

#define ENTRY(container, host, size)                                                               \
	"{'containerID':" #container ",'hostID':" #host ",'size':" #size "}"
#define RANGE(container, host, size) "[" ENTRY(container, host, size) "]"
#define ROOT_ONLY RANGE(0, 0, 1)
#define IDS RANGE(0, 100000, 65536)
#define USER(path, user, uids, gids)                                                               \
	"{'process':{'user':{" user "}},"                                                          \
	"'linux':{'namespaces':[{'type':'network'},{'type':'user'" path "}],"                      \
	"'uidMappings':" uids ",'gidMappings':" gids "}}"
#define MAPS(uids, gids) USER("", "", uids, gids)

static struct error err;

static int parse(const char *change, struct container_config **ret)
{
	AUTO_FREE char *text = changed_config_text(change);

	*ret = NULL;
	return text ? container_config_parse(text, strlen(text), "/bundle", ret, &err) : -ENOMEM;
}

static void test_maps(void)
{
	static const uint8_t entropy[CONTAINER_ENTROPY_SIZE];
	AUTO_FREE char *plan = NULL;
	struct container_config *config;

	if (!ok(parse(USER("", "'uid':1000,'gid':4294967294,'additionalGids':[5]",
			   "[" ENTRY(1000, 0, 1) "," ENTRY(0, 100000, 1000) "]",
			   RANGE(0, 0, 4294967295)),
		      &config) == 0))
		printf("# %s\n", err.text);
	if (!config)
		return;
	ok(config->namespaces & 1 << NAMESPACE_USER);
	is_int(config->uid_map.nr_ranges, 2);
	is_int(config->gid_map.nr_ranges, 1);
	is_int(config->root_uid, 100000);
	is_int(config->root_gid, 0);
	is_int(config->warnings.count, 4); /* those of namespaces that are not there */
	is_int(container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err), 0);
	ok(plan && strstr(plan, "\"namespaces\":[\"mount\",\"network\",\"user\"]"));
	ok(plan && strstr(plan, "\"uidMappings\":[{\"containerID\":1000,\"hostID\":0,\"size\":1},"
				"{\"containerID\":0,\"hostID\":100000,\"size\":1000}],"
				"\"gidMappings\":[{\"containerID\":0,\"hostID\":0,"
				"\"size\":4294967295}]"));
	container_config_free(config);
}

/* That of a pod, say: what it maps is what counts. */
static void test_path(void)
{
	struct container_config *config;

	ok(parse(USER(",'path':'/proc/1/ns/user'", "", ROOT_ONLY, IDS), &config) == 0);
	if (!config)
		return;
	ok(config->namespaces & 1 << NAMESPACE_USER);
	is_str(config->warnings.items[0],
	       "linux.namespaces[1].path: virtual machines cannot share a user namespace: the "
	       "container has its own, with linux.uidMappings and linux.gidMappings");
	container_config_free(config);
}

static void test_refusals(void)
{
	static const struct {
		const char *change, *want;
	} cases[] = {
		{ MAPS("[]", "null"),
		  "linux.namespaces: user namespaces enabled, but no namespace path to join nor "
		  "mappings to apply specified" },
		{ USER(",'path':'/x'", "", "[]", IDS),
		  "linux.namespaces[1].path: joining an existing user namespace is not supported" },
		{ USER(",'path':'/x'", "", ROOT_ONLY, ROOT_ONLY),
		  "linux.namespaces[1].path: joining an existing user namespace is not supported" },
		{ USER(",'path':'x'", "", IDS, IDS),
		  "linux.namespaces[1].path: must be an absolute path" },
		{ MAPS("'x'", IDS), "linux.uidMappings: must be an array" },
		{ MAPS(IDS, "[0]"), "linux.gidMappings[0]: must be an object" },
		{ MAPS(IDS, "[{'containerID':0,'hostID':0}]"),
		  "linux.gidMappings[0].size: is missing" },
		{ MAPS(IDS, "[{'containerID':0,'size':1}]"),
		  "linux.gidMappings[0].hostID: is missing" },
		{ MAPS(RANGE(-1, 0, 1), IDS),
		  "linux.uidMappings[0].containerID: must be a whole number from 0 to 4294967295" },
		{ MAPS(RANGE(0, 0, 0), IDS), "linux.uidMappings[0]: has no IDs" },
		{ MAPS(RANGE(0, 4294967295, 1), IDS),
		  "linux.uidMappings[0]: goes beyond the last ID" },
		{ MAPS(RANGE(4294967295, 0, 1), IDS),
		  "linux.uidMappings[0]: goes beyond the last ID" },
		{ MAPS(RANGE(0, 1, 4294967295), IDS),
		  "linux.uidMappings[0]: goes beyond the last ID" },
		{ MAPS(IDS, RANGE(4294967294, 0, 2)),
		  "linux.gidMappings[0]: goes beyond the last ID" },
		{ MAPS(RANGE(4294967290, 0, 4294967290), IDS),
		  "linux.uidMappings[0]: goes beyond the last ID" },
		{ MAPS(RANGE(0, 4294967290, 4294967290), IDS),
		  "linux.uidMappings[0]: goes beyond the last ID" },
		{ MAPS(IDS, "[" ENTRY(0, 0, 10) "," ENTRY(10, 9, 1) "]"),
		  "linux.gidMappings[1]: overlaps entry 0" },
		{ MAPS("[" ENTRY(7, 0, 3) "," ENTRY(0, 9, 8) "]", IDS),
		  "linux.uidMappings[1]: overlaps entry 0" },
		{ MAPS(RANGE(1, 0, 10), IDS),
		  "linux.uidMappings: nothing is mapped to the container's root, 0" },
		{ MAPS(IDS, "[]"),
		  "linux.gidMappings: nothing is mapped to the container's root, 0" },
		{ USER("", "'uid':65536", IDS, IDS),
		  "process.user.uid: 65536 is not in linux.uidMappings" },
		{ USER("", "'gid':65536", IDS, IDS),
		  "process.user.gid: 65536 is not in linux.gidMappings" },
		{ USER("", "'additionalGids':[1,70000]", IDS, IDS),
		  "process.user.additionalGids[1]: 70000 is not in linux.gidMappings" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config;

		is_int(parse(cases[i].change, &config), -EINVAL);
		is_str(err.text + strlen("config.json: "), cases[i].want);
	}
}

/* @nr_ranges ranges of one ID each, from @first_host on. */
static int parse_ranges(unsigned int nr_ranges, unsigned int first_host)
{
	AUTO_FREE char *list = strdup("");
	AUTO_FREE char *change = NULL;
	struct container_config *config;
	int r;

	for (unsigned int i = 0; list && i < nr_ranges; i++) {
		char *longer = NULL;

		(void)!asprintf(&longer, "%s%s{'containerID':%u,'hostID':%u,'size':1}", list,
				i ? "," : "", i, first_host + i);
		free(list);
		list = longer;
	}
	if (asprintf(&change,
		     "{'linux':{'namespaces':[{'type':'network'},{'type':'user'}],"
		     "'uidMappings':[%s],'gidMappings':[%s]}}",
		     list, list) < 0)
		return -ENOMEM;
	r = parse(change, &config);
	container_config_free(config);
	return r;
}

static void test_many_ranges(void)
{
	is_int(parse_ranges(340, 0), 0);
	is_int(parse_ranges(341, 0), -EINVAL);
	is_str(err.text, "config.json: linux.uidMappings: has more than 340 entries");
	/* Lines of 15, 16 and 17 bytes: 10 * 15 + 90 * 16 + 147 * 17 is 4089. */
	is_int(parse_ranges(247, 4000000000), 0);
	is_int(parse_ranges(248, 4000000000), -EINVAL);
	is_str(err.text,
	       "config.json: linux.uidMappings: is more than the kernel takes: 4095 bytes "
	       "of text");
}

int main(void)
{
	test_maps();
	test_path();
	test_refusals();
	test_many_ranges();
	return tap_done();
}
