/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_resources.c - "linux.resources" becomes files to write and rules about devices */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"

static struct error err;

/* The good configuration with @members in its resources, or NULL. */
static struct container_config *parse(const char *members)
{
	struct container_config *config = NULL;
	AUTO_FREE char *change = NULL;
	AUTO_FREE char *text = NULL;

	if (asprintf(&change, "{'linux':{'resources':{%s}}}", members) < 0)
		return NULL;
	text = changed_config_text(change);
	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s: %s\n", members, err.text);
	return config;
}

/* The files and what is written to them, "file=value;" each, in order. */
static char *controls_of(const struct container_config *config)
{
	json_t *plan = container_resources_plan(&config->resources);
	char *text = strdup("");
	json_t *control;
	size_t i;

	json_array_foreach (json_object_get(plan, "controls"), i, control) {
		char *longer = NULL;

		if (asprintf(&longer, "%s%s=%s;", text,
			     json_string_value(json_object_get(control, "file")),
			     json_string_value(json_object_get(control, "value"))) < 0)
			break;
		free(text);
		text = longer;
	}
	json_decref(plan);
	return text;
}

static void test_controls(void)
{
	static const struct {
		const char *members, *want;
	} cases[] = {
		{ "", "" },
		{ "'memory':{'limit':-1,'reservation':0},'pids':{'limit':0}", "memory.max=max;" },
		{ "'memory':{'limit':67108864,'swap':134217728,'reservation':4096}",
		  "memory.max=67108864;memory.low=4096;" },
		{ "'memory':{'limit':1,'swap':-1,'reservation':-1,'checkBeforeUpdate':true,"
		  "'disableOOMKiller':false,'useHierarchy':true}",
		  "memory.max=1;memory.low=max;" },
		{ "'pids':{'limit':50}", "pids.max=50;" },
		{ "'pids':{'limit':-1}", "pids.max=max;" },
		{ "'pids':{'limit':4194304}", "pids.max=4194304;" },
		{ "'pids':{'limit':4194305}", "pids.max=max;" },
		{ "'cpu':{'shares':0,'quota':0,'period':0}", "" },
		{ "'cpu':{'shares':1024}", "cpu.weight=39;" },
		{ "'cpu':{'quota':50000}", "cpu.max=50000 100000;" },
		{ "'cpu':{'quota':50000,'period':20000}", "cpu.max=50000 20000;" },
		{ "'cpu':{'quota':-1}", "cpu.max=max 100000;" },
		{ "'cpu':{'period':20000}", "cpu.max=max 20000;" },
		{ "'cpu':{'quota':50000,'burst':50000}",
		  "cpu.max.burst=0;cpu.max=50000 100000;cpu.max.burst=50000;" },
		{ "'cpu':{'burst':0}", "cpu.max.burst=0;" },
		{ "'cpu':{'idle':1,'shares':2}", "cpu.idle=0;cpu.weight=1;cpu.idle=1;" },
		{ "'cpu':{'idle':0,'shares':2}", "cpu.idle=0;cpu.weight=1;" },
		{ "'unified':{'memory.high':'1000','cpu.weight':'7','cgroup.max.depth':'3',"
		  "'memory.low':'a b'},'pids':{'limit':3}",
		  "pids.max=3;memory.high=1000;cpu.weight=7;cgroup.max.depth=3;memory.low=a b;" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config = parse(cases[i].members);
		AUTO_FREE char *controls = config ? controls_of(config) : NULL;

		is_str(controls, cases[i].want);
		is_int(config ? config->warnings.count : 1, 0);
		container_config_free(config);
	}
}

/* An error of the guest's has to name the field. */
static void test_fields(void)
{
	struct container_config *config =
		parse("'memory':{'limit':67108864},'unified':{'memory.high':'1'}");
	json_t *plan = container_resources_plan(&config->resources);
	json_t *controls = json_object_get(plan, "controls");

	is_str(json_string_value(json_object_get(json_array_get(controls, 0), "field")),
	       "linux.resources.memory.limit");
	is_str(json_string_value(json_object_get(json_array_get(controls, 1), "field")),
	       "linux.resources.unified.memory.high");
	json_decref(plan);
	container_config_free(config);
}

static void test_shares(void)
{
	is_int(cpu_weight_of_shares(0), 1);
	is_int(cpu_weight_of_shares(2), 1);
	is_int(cpu_weight_of_shares(512), 20);
	is_int(cpu_weight_of_shares(1024), 39);
	is_int(cpu_weight_of_shares(262143), 9999);
	is_int(cpu_weight_of_shares(262144), 10000);
	is_int(cpu_weight_of_shares(UINT64_MAX), 10000);
}

/* Accepted, and said so. */
static void test_warnings(void)
{
	static const char *const members[] = {
		"'memory':{'kernel':1}",
		"'memory':{'kernelTCP':4096}",
		"'memory':{'swappiness':0}",
		"'unified':{'memory.swap.max':'0'}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		struct container_config *config = parse(members[i]);
		AUTO_FREE char *controls = config ? controls_of(config) : NULL;

		is_int(config ? config->warnings.count : 0, 1);
		is_str(controls, "");
		container_config_free(config);
	}
}

static void test_kept_for_the_host(void)
{
	struct container_config *config =
		parse("'cpu':{'cpus':'1','mems':'0','quota':7000,'period':3000,'shares':1},"
		      "'memory':{'limit':9,'swap':10,'reservation':3}");
	const struct container_resources *resources = &config->resources;

	is_str(resources->cpus, "1");
	is_str(resources->mems, "0");
	is_int(resources->cpu_quota, 7000);
	is_int(resources->cpu_period, 3000);
	is_int(resources->cpu_shares, 2);
	is_int(resources->memory_limit, 9);
	is_int(resources->memory_swap, 10);
	is_int(resources->memory_reservation, 3);
	container_config_free(config);
}

/* The last rule is at the end; what an earlier one decides is gone when a later one decides all. */
static void test_device_rules(void)
{
	static const struct device_rule want[] = {
		{ false, 'a', -1, -1, DEVICE_ACCESS_ALL },
		{ true, 'c', 10, -1, DEVICE_READ | DEVICE_MAKE },
		{ false, 'a', 1, 3, DEVICE_WRITE },
		{ true, 'c', -1, -1, DEVICE_MAKE }, /* the first of those that all have */
	};
	struct container_config *config =
		parse("'devices':[{'allow':true,'type':'b','access':'rwm'},"
		      "{'allow':false,'access':'mwr'},"
		      "{'allow':true,'type':'c','major':10,'minor':-1,'access':'rm'},"
		      "{'allow':false,'type':'','major':1,'minor':3,'access':'w'}]");
	const struct container_resources *resources = &config->resources;

	is_int(resources->nr_device_rules, 3 + 10);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct device_rule *rule = &resources->device_rules[i];

		is_int(rule->is_allowed, want[i].is_allowed);
		is_int(rule->type, want[i].type);
		is_int(rule->major, want[i].major);
		is_int(rule->minor, want[i].minor);
		is_int(rule->access, want[i].access);
	}
	container_config_free(config);
	config = parse("");
	is_int(config->resources.nr_device_rules, 10);
	container_config_free(config);
}

/* Rules that one after them makes void do not count. */
static void test_number_of_device_rules(void)
{
	static const char rule[] = "{'allow':true,'access':'r'},";
	static const char all[] = "{'allow':false,'access':'rwm'},";

	for (size_t excess = 0; excess < 2; excess++) {
		struct container_config *config = NULL;
		char members[6144] = "{'linux':{'resources':{'devices':[";
		AUTO_FREE char *text = NULL;

		for (size_t i = 0; i < 10; i++)
			strcat(members, rule);
		strcat(members, all);
		for (size_t i = 0; i < CONTAINER_DEVICE_RULES_MAX - 1 + excess; i++)
			strcat(members, rule);
		strcpy(members + strlen(members) - 1, "]}}}");
		text = changed_config_text(members);
		is_int(container_config_parse(text, strlen(text), "/b", &config, &err),
		       excess ? -EINVAL : 0);
		container_config_free(config);
	}
	is_str(err.text, "config.json: linux.resources.devices: more than 128 rules");
}

/* Every byte that a limit allows is there for the container, whatever the guest needs itself. */
static void test_overhead(void)
{
	const uint64_t mib = 1 << 20;

	ok(container_memory_overhead(0) >= 32 * mib);
	for (uint64_t limit = mib; limit <= CONTAINER_MEMORY_MAX; limit *= 2) {
		uint64_t overhead = container_memory_overhead(limit);

		ok(overhead > container_memory_overhead(limit / 2));
		/* Descriptors of all pages, and what the kernel keeps free. */
		ok(overhead >= limit / 50 + (limit < 880 * mib ? limit / 20 : 44 * mib));
		ok(overhead <= 32 * mib + limit / 8);
	}
}

int main(void)
{
	test_controls();
	test_fields();
	test_shares();
	test_warnings();
	test_kept_for_the_host();
	test_device_rules();
	test_number_of_device_rules();
	test_overhead();
	return tap_done();
}
