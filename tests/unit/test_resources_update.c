/* SPDX-License-Identifier: Apache-2.0 */
/* test_resources_update.c - which limits an update leaves, changes and refuses */
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/oci/resources_update.h"

/* JSON with apostrophes for quotation marks. */
static json_t *json_of(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	json_t *json;

	for (char *c = copy; c && *c; c++)
		if (*c == '\'')
			*c = '"';
	json = copy ? json_loads(copy, 0, NULL) : NULL;
	free(copy);
	return json;
}

static void test_merge(void)
{
	static const struct {
		const char *current, *update, *want;
	} cases[] = {
		{ NULL, "{}", "{}" },
		{ NULL, "{'pids':{'limit':5}}", "{'pids':{'limit':5}}" },
		{ "{'pids':{'limit':5},'cpu':{'quota':7}}", "{'pids':{'limit':-1}}",
		  "{'pids':{'limit':-1},'cpu':{'quota':7}}" },
		{ "{'cpu':{'quota':7,'period':9}}", "{'cpu':{'quota':8}}",
		  "{'cpu':{'quota':8,'period':9}}" },
		/* What is not given. */
		{ "{'cpu':{'quota':7,'cpus':'0'},'hugepageLimits':[1]}",
		  "{'cpu':{'quota':0,'cpus':'','shares':null},'memory':null,'hugepageLimits':[]}",
		  "{'cpu':{'quota':7,'cpus':'0'},'hugepageLimits':[1]}" },
		{ "{'cpu':{'idle':1,'burst':5}}", "{'cpu':{'idle':0,'burst':0}}",
		  "{'cpu':{'idle':0,'burst':0}}" },
		{ "{'unified':{'a.b':'1','c.d':'2'}}", "{'unified':{'c.d':'3'}}",
		  "{'unified':{'a.b':'1','c.d':'3'}}" },
		{ "{'devices':[{}],'memory':{'limit':5}}", "{'devices':[{'allow':true}]}",
		  "{'memory':{'limit':5}}" },
		/* What is wrong stays so, for the check to see. */
		{ "{'memory':{'limit':5}}", "{'memory':3}", "{'memory':3}" },
		{ "{'memory':3}", "{'memory':{'limit':5}}", "{'memory':{'limit':5}}" },
		{ "{}", "{'memory':{'limit':{'a':0}}}", "{'memory':{'limit':{'a':0}}}" },
		/* No limit on memory is none on memory and swap. */
		{ "{'memory':{'limit':5,'swap':9}}", "{'memory':{'limit':-1}}",
		  "{'memory':{'limit':-1,'swap':-1}}" },
		{ "{'memory':{'limit':5,'swap':9}}", "{'memory':{'limit':-1,'swap':7}}",
		  "{'memory':{'limit':-1,'swap':7}}" },
		{ "{'memory':{'limit':5}}", "{'memory':{'limit':-1}}", "{'memory':{'limit':-1}}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *current = json_of(cases[i].current);
		json_t *update = json_of(cases[i].update);
		json_t *want = json_of(cases[i].want);
		json_t *merged = resources_update_merge(current, update);

		ok(json_equal(merged, want));
		json_decref(current);
		json_decref(update);
		json_decref(want);
		json_decref(merged);
	}
}

/* With the same words as config.json, under the name of whoever said it. */
static void test_parse(void)
{
	static const struct {
		const char *resources, *sentence; /* NULL: it is fine */
	} cases[] = {
		{ "{}", NULL },
		{ "{'memory':{'limit':67108864,'swap':134217728},'unknown':3}", NULL },
		{ "{'memory':3}", "f: memory: " },
		{ "{'memory':{'limit':'64m'}}", "f: memory.limit: " },
		{ "{'memory':{'swap':5}}", "f: memory.swap: needs a memory limit" },
		{ "{'memory':{'limit':9,'swap':5}}", "f: memory.swap: is smaller" },
		{ "{'cpu':{'quota':50000,'burst':50001}}", "f: cpu.burst: is larger" },
		{ "{'cpu':{'realtimeRuntime':5}}", "f: cpu.realtimeRuntime" },
		{ "{'memory':{'disableOOMKiller':true}}", "f: memory.disableOOMKiller" },
		{ "{'unified':{'a/b':'1'}}", "f: unified" },
		{ "{'hugepageLimits':[{'pageSize':'2MB','limit':5}]}", "f: hugepageLimits[0]" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text_list warnings = { 0 };
		struct container_resources resources;
		struct error err = { .text = "" };
		json_t *json = json_of(cases[i].resources);
		int r = resources_update_parse("f", json, &resources, &warnings, &err);

		is_int(r < 0, cases[i].sentence != NULL);
		if (cases[i].sentence && !ok(strstr(err.text, cases[i].sentence) == err.text))
			printf("# %s\n", err.text);
		is_int(resources.nr_device_rules, 0);
		container_resources_clear(&resources);
		text_list_clear(&warnings);
		json_decref(json);
	}
}

/* What the machine was made for fits, and not much more. */
static void test_capacity(void)
{
	const uint64_t mib = 1 << 20;

	for (uint64_t limit = 0; limit < CONTAINER_MEMORY_MAX; limit = limit * 2 + 12345 * mib) {
		uint64_t memory = limit + container_memory_overhead(limit);
		uint64_t capacity = container_memory_capacity(memory);

		ok(capacity >= limit);
		ok(capacity + container_memory_overhead(capacity) <= memory);
		capacity = container_memory_capacity(memory + mib);
		ok(capacity > limit && capacity <= limit + mib);
	}
	is_int(container_memory_capacity(0), 0);
	is_int(container_memory_capacity(mib), 0);
}

int main(void)
{
	test_merge();
	test_parse();
	test_capacity();
	return tap_done();
}
