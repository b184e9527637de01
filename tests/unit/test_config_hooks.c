/* SPDX-License-Identifier: Apache-2.0 */
/* test_config_hooks.c - "hooks" of config.json, and the state that hooks read */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"

static struct error err;

static struct container_config *parse(const char *change)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;

	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s\n", err.text);
	return config;
}

static const char all_kinds[] =
	"{'hooks':{'prestart':[{'path':'/a','args':['x','y'],'env':['A=1','B'],'timeout':3},"
	" {'path':'/b'}],'createRuntime':[{'path':'/c'}],'createContainer':[{'path':'/d'}],"
	"'startContainer':[{'path':'/e'}],'poststart':[{'path':'/f'}],'poststop':[{'path':'/g'}],"
	"'unknown':[1]}}";

static void are_all_kinds(const struct container_hooks *hooks)
{
	const struct container_hook *first;

	is_int(hooks->lists[HOOK_PRESTART].count, 2);
	first = hooks->lists[HOOK_PRESTART].items;
	is_str(first->path, "/a");
	is_int(first->args.count, 2);
	is_str(first->args.items[1], "y");
	is_int(first->env.count, 2);
	is_str(first->env.items[1], "B");
	is_int(first->timeout_s, 3);
	/* The program's name is the path when no arguments are given. */
	is_str(first[1].path, "/b");
	is_int(first[1].args.count, 1);
	is_str(first[1].args.items[0], "/b");
	is_int(first[1].env.count, 0);
	is_int(first[1].timeout_s, 0);
	for (unsigned int kind = HOOK_CREATE_RUNTIME; kind < CONTAINER_NR_HOOK_KINDS; kind++) {
		const char path[] = { '/', (char)('c' + kind - HOOK_CREATE_RUNTIME), 0 };

		is_int(hooks->lists[kind].count, 1);
		is_str(hooks->lists[kind].items[0].path, path);
	}
}

static void test_all_kinds(void)
{
	struct container_config *config = parse(all_kinds);

	if (config)
		are_all_kinds(&config->hooks);
	container_config_free(config);
}

static void test_none(void)
{
	static const char *const changes[] = { "{}", "{'hooks':null}", "{'hooks':{}}",
					       "{'hooks':{'prestart':[],'poststop':null}}" };

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct container_config *config = parse(changes[i]);

		for (unsigned int kind = 0; config && kind < CONTAINER_NR_HOOK_KINDS; kind++)
			is_int(config->hooks.lists[kind].count, 0);
		container_config_free(config);
	}
}

/* From the copy in the state directory; nothing else in it has to be right. */
static void test_load(void)
{
	AUTO_FREE char *text = changed_config_text(all_kinds);
	struct container_hooks hooks = { 0 };
	char directory[SCRATCH_DIR_SIZE];
	int fd;

	scratch_dir_make(directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(container_hooks_load(fd, &hooks, &err), -ENOENT);
	is_int(file_replace(fd, "config.json", text, strlen(text), &err), 0);
	is_int(container_hooks_load(fd, &hooks, &err), 0);
	are_all_kinds(&hooks);
	container_hooks_clear(&hooks);
	is_int(file_replace(fd, "config.json", "{\"process\":1}", 13, &err), 0);
	is_int(container_hooks_load(fd, &hooks, &err), 0);
	is_int(hooks.lists[HOOK_POSTSTOP].count, 0);
	is_int(file_replace(fd, "config.json", "{\"hooks\":1}", 11, &err), 0);
	is_int(container_hooks_load(fd, &hooks, &err), -EINVAL);
	is_str(err.text, "config.json: hooks: must be an object");
	is_int(file_replace(fd, "config.json", "{", 1, &err), 0);
	is_int(container_hooks_load(fd, &hooks, &err), -EINVAL);
	(void)close(fd);
	scratch_dir_remove(directory);
}

static void test_state(void)
{
	json_t *annotations = json_pack("{s:s}", "a", "b");
	AUTO_FREE char *creating =
		container_hook_state_text("c1", CONTAINER_CREATING, 7, "/b", annotations);
	AUTO_FREE char *stopped = container_hook_state_text("c1", CONTAINER_STOPPED, 0, "/b", NULL);

	is_str(creating, "{\"ociVersion\":\"1.3.0\",\"id\":\"c1\",\"status\":\"creating\","
			 "\"pid\":7,\"bundle\":\"/b\",\"annotations\":{\"a\":\"b\"}}");
	is_str(stopped, "{\"ociVersion\":\"1.3.0\",\"id\":\"c1\",\"status\":\"stopped\","
			"\"bundle\":\"/b\",\"annotations\":{}}");
	json_decref(annotations);
}

int main(void)
{
	test_all_kinds();
	test_none();
	test_load();
	test_state();
	return tap_done();
}
