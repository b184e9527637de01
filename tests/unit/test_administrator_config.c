/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/administrator_config.h"

#define FILE_NAME "/etc/admin.json"
#define MIB (UINT64_C(1) << 20)

/* Parse @text, ' standing for ". NULL with the error in @err. */
static struct administrator_config *parse(const char *text, struct error *err)
{
	struct administrator_config *config = NULL;
	AUTO_FREE char *json = strdup(text);

	for (char *c = json; c && *c; c++)
		if (*c == '\'')
			*c = '"';
	return json && administrator_config_parse(FILE_NAME, json, strlen(json), &config, err) == 0
		       ? config
		       : NULL;
}

static void test_malformed(void)
{
	static const struct {
		const char *text, *expect;
	} cases[] = {
		{ "", "line 1" },
		{ "[]", "must be an object" },
		{ "{} x", "line 1" },
		{ "{'logLevel':'info','logLevel':'info'}", "duplicate object key" },
		{ "{'Kernel':'/k'}", "Kernel: is not known here" },
		{ "{'limits':{'cpus':1}}", "limits.cpus: is not known here" },
		{ "{'kernel':1}", "kernel: must be a string" },
		{ "{'kernel':'vmlinux'}", "kernel: must be an absolute path" },
		{ "{'kernel':''}", "kernel: must be an absolute path" },
		{ "{'initramfs':'./x'}", "initramfs: must be an absolute path" },
		{ "{'ids':[]}", "ids: must be an object" },
		{ "{'ids':{}}", "ids.count: is missing" },
		{ "{'ids':{'count':1}}", "ids.first: is missing" },
		{ "{'ids':{'first':1,'last':2}}", "ids.last: is not known here" },
		{ "{'ids':{'first':0,'count':1}}", "ids.first: must be a whole number from 1 to" },
		{ "{'ids':{'first':-1,'count':1}}", "ids.first: must be" },
		{ "{'ids':{'first':1,'count':-1}}", "ids.count: must be" },
		{ "{'ids':{'first':4294967295,'count':1}}", "ids.first: must be" },
		{ "{'ids':{'first':4294967294,'count':2}}", "ids.count: leads beyond the ids" },
		{ "{'ids':{'first':2,'count':4294967294}}", "ids.count: leads beyond the ids" },
		{ "{'ids':{'first':1.5,'count':1}}", "ids.first: must be" },
		{ "{'defaults':{'memory':'256m'}}", "defaults.memory: must be a number" },
		{ "{'defaults':{'memory':67108863}}", "defaults.memory: must be a whole number" },
		{ "{'defaults':{'memory':1099511627777}}", "defaults.memory: must be" },
		{ "{'defaults':{'vcpus':0}}", "defaults.vcpus: must be a whole number from 1 to" },
		{ "{'defaults':{'vcpus':33}}", "defaults.vcpus: must be" },
		{ "{'defaults':{'pids':1}}", "defaults.pids: is not known here" },
		{ "{'defaults':{'vcpus':3},'limits':{'vcpus':2}}",
		  "defaults.vcpus: is more than limits.vcpus, 2" },
		{ "{'defaults':{'memory':268435456},'limits':{'memory':67108864}}",
		  "defaults.memory: is more than the " },
		{ "{'annotations':'bulkhead.*'}", "annotations: must be an array" },
		{ "{'annotations':[1]}", "annotations[0]: must be a string" },
		{ "{'annotations':['a','']}", "annotations[1]: must not be empty" },
		{ "{'annotations':['*.memory']}", "annotations[0]: has a '*' before its end" },
		{ "{'annotations':['a**']}", "annotations[0]: has a '*' before its end" },
		{ "{'logLevel':'loud'}", "logLevel: unknown value \"loud\"" },
		{ "{'logLevel':3}", "logLevel: must be a string" },
		{ "{'templates':'auto'}", "templates: must be an object" },
		{ "{'templates':{'use':'often'}}", "templates.use: unknown value \"often\"" },
		{ "{'templates':{'use':true}}", "templates.use: must be a string" },
		{ "{'templates':{'directory':'x'}}",
		  "templates.directory: must be an absolute path" },
		{ "{'templates':{'mode':'auto'}}", "templates.mode: is not known here" },
		{ "{'limits':1}", "limits: must be an object" },
		{ "{'limits':{'vcpus':0}}", "limits.vcpus: must be a whole number from 1 to 32" },
		{ "{'limits':{'vcpus':true}}", "limits.vcpus: must be a number" },
		{ "{'limits':{'memory':1}}",
		  "limits.memory: must be a whole number from 67108864" },
		{ "{'limits':{'devices':-1}}", "limits.devices: must be a whole number from 0" },
		{ "{'limits':{'mounts':4294967295}}", "limits.mounts: must be" },
		{ "{'limits':{'mountSources':[]}}", "limits.mountSources: must be an object" },
		{ "{'limits':{'mountSources':{'permit':[]}}}",
		  "limits.mountSources.permit: is not known here" },
		{ "{'limits':{'mountSources':{'allow':'/'}}}", "allow: must be an array" },
		{ "{'limits':{'mountSources':{'allow':[]}}}", "allow: must not be empty" },
		{ "{'limits':{'mountSources':{'deny':['/a','b']}}}",
		  "limits.mountSources.deny[1]: must be an absolute path" },
		{ "{'limits':{'mountSources':{'deny':[null]}}}", "deny[0]: is missing" },
		{ "{'limits':{'mountSources':{'denyHostSystem':1}}}",
		  "limits.mountSources.denyHostSystem: must be true or false" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = { 0 };
		struct administrator_config *config = parse(cases[i].text, &err);

		if (!ok(!config && err.code == EINVAL && strstr(err.text, cases[i].expect) &&
			strncmp(err.text, FILE_NAME ": ", strlen(FILE_NAME ": ")) == 0))
			printf("# %s\n# got  %s\n# want %s\n", cases[i].text, err.text,
			       cases[i].expect);
		administrator_config_free(config);
	}
}

static void test_defaults(void)
{
	struct error err;
	struct administrator_config *config = parse("{}", &err);

	if (!ok(config != NULL))
		return;
	is_str(config->path, FILE_NAME);
	ok(!config->kernel && !config->initramfs);
	is_int(config->first_id, 0x7e000000);
	is_int(config->nr_ids, 65536);
	is_int((long long)config->defaults.memory_bytes, 256 * MIB);
	is_int(config->defaults.nr_vcpus, 1);
	is_int(config->log_level, LOG_LEVEL_WARNING);
	is_int(config->template_use, TEMPLATE_NEVER);
	ok(!config->template_directory);
	is_int(config->annotations.count, 2);
	is_str(config->annotations.items[0], "bulkhead.memory");
	is_int(config->limits.vcpus, UINT32_MAX);
	ok(config->limits.memory == UINT64_MAX);
	is_int(config->limits.devices, UINT32_MAX);
	is_int(config->limits.mounts, UINT32_MAX);
	is_int(config->limits.allowed_sources.count, 0);
	is_int(config->limits.denied_sources.count, 0);
	is_int(config->limits.host_system.count, 0);
	/* Without the switch the state directory is not denied either. */
	is_int(administrator_config_deny_state(config, "/run/state"), 0);
	is_int(config->limits.host_system.count, 0);
	administrator_config_free(config);
}

static const char whole[] =
	"{'kernel':'/k','initramfs':'/i','ids':{'first':4294967294,'count':1},"
	"'defaults':{'memory':104857600,'vcpus':2},'annotations':['bulkhead.vcpus','x.*'],"
	"'logLevel':'debug','templates':{'use':'always','directory':'/t'},"
	"'limits':{'vcpus':2,'memory':134217728,'devices':0,'mounts':7,"
	"'mountSources':{'allow':['//srv/./a/'],'deny':['/srv/a/../b'],'denyHostSystem':true}}}";

static bool has_text(const struct text_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static void test_whole(void)
{
	struct error err;
	struct administrator_config *config = parse(whole, &err);

	if (!ok(config != NULL))
		return;
	is_str(config->kernel, "/k");
	is_str(config->initramfs, "/i");
	ok(config->first_id == UINT32_MAX - 1 && config->nr_ids == 1);
	is_int((long long)config->defaults.memory_bytes, 100 * MIB);
	is_int(config->defaults.nr_vcpus, 2);
	is_int(config->annotations.count, 2);
	is_str(config->annotations.items[1], "x.*");
	is_int(config->log_level, LOG_LEVEL_DEBUG);
	is_int(config->template_use, TEMPLATE_ALWAYS);
	is_str(config->template_directory, "/t");
	is_int(config->limits.vcpus, 2);
	is_int((long long)config->limits.memory, 128 * MIB);
	is_int(config->limits.devices, 0);
	is_int(config->limits.mounts, 7);
	is_str(config->limits.allowed_sources.items[0], "/srv/a");
	is_str(config->limits.denied_sources.items[0], "/srv/b");
	ok(has_text(&config->limits.host_system, "/etc"));
	ok(has_text(&config->limits.host_system, "/run/docker.sock"));
	is_int(administrator_config_deny_state(config, "/run//state/"), 0);
	ok(has_text(&config->limits.host_system, "/run/state"));
	is_int(administrator_config_deny_state(config, "state"), 0);
	ok(!has_text(&config->limits.host_system, "state"));
	administrator_config_free(config);
}

/* No ids: containers run with the caller's. Limits below the defaults lower those. */
static void test_special_values(void)
{
	struct error err;
	struct administrator_config *config = parse("{'ids':{'count':0}}", &err);

	if (ok(config != NULL))
		is_int(config->nr_ids, 0);
	administrator_config_free(config);
	config = parse("{'limits':{'memory':67108864,'vcpus':1}}", &err);
	if (ok(config != NULL)) {
		is_int((long long)config->defaults.memory_bytes,
		       (long long)container_memory_size(64 * MIB));
		ok(container_memory_capacity(config->defaults.memory_bytes) >= 64 * MIB);
		ok(config->defaults.memory_bytes < 128 * MIB);
	}
	administrator_config_free(config);
	config = parse("{'kernel':null,'limits':null,'annotations':[]}", &err);
	if (ok(config != NULL))
		is_int(config->annotations.count, 0);
	administrator_config_free(config);
}

/* What is shown can be used as a file, and then nothing changes. */
static void test_shown(void)
{
	static const char *const texts[] = { whole, "{}", "{'limits':{'memory':67108864}}" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct error err;
		struct administrator_config *config = parse(texts[i], &err);
		json_t *shown = config ? administrator_config_to_json(config) : NULL;
		AUTO_FREE char *text = shown ? json_dumps(shown, 0) : NULL;
		struct administrator_config *again = text ? parse(text, &err) : NULL;
		json_t *shown_again = again ? administrator_config_to_json(again) : NULL;

		ok(shown && shown_again && json_equal(shown, shown_again));
		json_decref(shown);
		json_decref(shown_again);
		administrator_config_free(config);
		administrator_config_free(again);
	}
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	   fchmod(fd, mode) == 0);
	(void)close(fd);
}

static void refused(const char *expect)
{
	struct administrator_config *config = NULL;
	struct error err = { 0 };

	if (!ok(administrator_config_load(&config, &err) < 0 && strstr(err.text, expect)))
		printf("# got %s, want %s\n", err.text, expect);
	administrator_config_free(config);
}

static void test_load(const char *scratch)
{
	struct administrator_config *config = NULL;
	char path[SCRATCH_DIR_SIZE + 16];
	struct error err;

	(void)snprintf(path, sizeof(path), "%s/config.json", scratch);
	is_int(setenv("BULKHEAD_CONFIG", path, 1), 0);
	refused("config.json: no such file or directory");
	write_file(path, "{\"logLevel\":\"info\"}", 0644);
	if (is_int(administrator_config_load(&config, &err), 0)) {
		is_str(config->path, path);
		ok(config->is_present);
		is_int(config->log_level, LOG_LEVEL_INFO);
	}
	administrator_config_free(config);
	write_file(path, "{\"logLevel\":1}", 0600);
	refused("config.json: logLevel: must be a string");
	write_file(path, "{}", 0664);
	refused("config.json has mode 0664: nobody but its owner may be able to write it");
	write_file(path, "{}", 0602);
	refused("config.json has mode 0602");
	write_file(path, "{}", 0600);
	if (geteuid() == 0) {
		is_int(chown(path, 12345, 0), 0);
		refused("config.json belongs to user 12345: it must be root's or the caller's");
		is_int(chown(path, 0, 0), 0);
	}
	is_int(truncate(path, (1 << 20) + 1), 0);
	refused("config.json is larger than 1048576 bytes");
	is_int(unlink(path), 0);
	is_int(mkfifo(path, 0600), 0);
	refused("config.json is not a regular file");
	is_int(unlink(path), 0);
	is_int(mkdir(path, 0700), 0);
	refused("config.json is not a regular file");
	/* An empty name is none. */
	is_int(setenv("BULKHEAD_CONFIG", "", 1), 0);
	if (access(ADMINISTRATOR_CONFIG_PATH, F_OK) < 0 &&
	    is_int(administrator_config_load(&config, &err), 0)) {
		is_str(config->path, "/etc/bulkhead/config.json");
		ok(!config->is_present);
		administrator_config_free(config);
	}
}

int main(void)
{
	char scratch[SCRATCH_DIR_SIZE];

	scratch_dir_make(scratch);
	test_malformed();
	test_defaults();
	test_whole();
	test_special_values();
	test_shown();
	test_load(scratch);
	scratch_dir_remove(scratch);
	return tap_done();
}
