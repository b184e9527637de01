/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_container_plan.c - the "create" message, good and malformed */
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "guest-init/container_plan.h"
#include "guest-init/scope.h"
#include "tests/unit/tap.h"

static const char good_text[] =
	"{\"type\":\"create\",\"time\":7,\"entropy\":\"00ff\",\"hostname\":\"h\",\"namespaces\":["
	"\"pid\","
	"\"uts\"],"
	"\"readonlyRootfs\":true,\"rootfsPropagation\":262144,"
	"\"mounts\":[{\"destination\":\"/"
	"m\",\"type\":\"tmpfs\",\"source\":\"s\",\"data\":\"size=1\","
	"\"flags\":3,\"clearFlags\":8,\"propagation\":0,\"recursiveReadonly\":true,"
	"\"copyUp\":true,\"isFile\":true}],"
	"\"devices\":[{\"path\":\"/dev/d\",\"type\":\"b\",\"major\":8,\"minor\":1,\"mode\":432,"
	"\"uid\":1,\"gid\":2}],\"sysctl\":{\"a.b\":\"1\"},\"maskedPaths\":[\"/a\",\"/b\"],"
	"\"readonlyPaths\":[\"/c\"],"
	"\"process\":{\"terminal\":false,\"rows\":24,\"columns\":80,\"args\":[\"sh\",\"-c\"],"
	"\"env\":[\"A=1\"],\"cwd\":\"/w\",\"uid\":4294967294,\"gid\":3,\"additionalGids\":[4,5],"
	"\"umask\":18,\"capabilities\":{\"bounding\":31,\"effective\":1,\"inheritable\":2,"
	"\"permitted\":4,\"ambient\":8},"
	"\"rlimits\":[{\"resource\":7,\"soft\":10,\"hard\":-1}],\"noNewPrivileges\":true,"
	"\"oomScoreAdj\":-500}}";

static json_t *good_message(void)
{
	json_error_t error;
	json_t *message = json_loads(good_text, 0, &error);

	if (!message)
		printf("# %s\n", error.text);
	return message;
}

static json_t *process_of(json_t *message)
{
	return json_object_get(message, "process");
}

static void test_container(void)
{
	json_t *message = good_message();
	struct container_plan plan;
	struct failure err;

	is_int(container_plan_init(&plan, message, &err), 0);
	is_int(plan.time_ns, 7);
	is_str(plan.entropy, "00ff");
	is_str(plan.hostname, "h");
	ok(!plan.domainname);
	is_int(plan.namespaces, CLONE_NEWPID | CLONE_NEWUTS);
	ok(plan.has_readonly_root);
	is_int(plan.root_propagation, MS_PRIVATE);
	is_int(plan.nr_mounts, 1);
	is_str(plan.mounts[0].destination, "/m");
	is_str(plan.mounts[0].data, "size=1");
	is_int(plan.mounts[0].flags, MS_RDONLY | MS_NOSUID);
	is_int(plan.mounts[0].clear_flags, MS_NOEXEC);
	ok(plan.mounts[0].is_recursive_readonly && plan.mounts[0].is_copied_up &&
	   plan.mounts[0].is_file);
	is_int(plan.nr_devices, 1);
	is_str(plan.devices[0].type, "b");
	is_int(plan.devices[0].mode, 0660);
	is_int(plan.nr_sysctls, 1);
	is_str(plan.sysctls[0].name, "a.b");
	is_str(plan.sysctls[0].value, "1");
	is_int(plan.masked_paths.len, 2);
	is_str(plan.masked_paths.items[1], "/b");
	ok(!plan.masked_paths.items[2]);
	container_plan_fini(&plan);
	json_decref(message);
}

static void test_process(void)
{
	json_t *message = good_message();
	struct container_plan plan;
	const struct plan_process *process = &plan.process;
	struct failure err;

	is_int(container_plan_init(&plan, message, &err), 0);
	json_decref(message); /* the plan keeps its own reference */
	is_int(process->args.len, 2);
	is_str(process->args.items[1], "-c");
	ok(!process->args.items[2]);
	is_str(process->env.items[0], "A=1");
	is_str(process->cwd, "/w");
	is_int(process->uid, 4294967294);
	is_int(process->nr_additional_gids, 2);
	is_int(process->additional_gids[1], 5);
	is_int(process->umask, 022);
	is_int(process->capabilities.bounding, 31);
	is_int(process->capabilities.effective, 1);
	is_int(process->capabilities.inheritable, 2);
	is_int(process->capabilities.permitted, 4);
	is_int(process->capabilities.ambient, 8);
	is_int(process->rlimits[0].resource, RLIMIT_NOFILE);
	is_int(process->rlimits[0].soft, 10);
	ok(process->rlimits[0].hard == RLIM_INFINITY);
	ok(process->no_new_privileges);
	is_int(process->oom_score_adj, -500);
	container_plan_fini(&plan);
}

static void test_optional_members(void)
{
	json_t *message = good_message();
	struct container_plan plan;
	struct failure err;

	(void)json_object_del(process_of(message), "capabilities");
	(void)json_object_del(process_of(message), "oomScoreAdj");
	(void)json_object_del(message, "hostname");
	is_int(container_plan_init(&plan, message, &err), 0);
	is_int(plan.process.capabilities.bounding, 0);
	is_int(plan.process.oom_score_adj, PLAN_OOM_SCORE_UNSET);
	ok(!plan.hostname);
	container_plan_fini(&plan);
	json_decref(message);
}

/* Takes @message; the sentence is @sentence. */
static void is_malformed(json_t *message, const char *sentence)
{
	struct container_plan plan;
	struct failure err = { .code = 0 };

	ok(container_plan_init(&plan, message, &err) < 0);
	is_str(err.text, sentence);
	json_decref(message);
}

/* The good message with @object's member @name set to the JSON @text. */
static json_t *changed(json_t *message, json_t *object, const char *name, const char *text)
{
	(void)json_object_set_new(object, name, json_loads(text, JSON_DECODE_ANY, NULL));
	return message;
}

static void test_malformed_container(void)
{
	json_t *m = good_message();

	(void)json_object_del(m, "entropy");
	is_malformed(m, "\"entropy\" is missing");
	m = good_message();
	is_malformed(changed(m, m, "entropy", "7"), "\"entropy\" is not a string");
	m = good_message();
	is_malformed(changed(m, m, "readonlyRootfs", "1"), "\"readonlyRootfs\" is not a boolean");
	m = good_message();
	is_malformed(changed(m, m, "rootfsPropagation", "-1"),
		     "\"rootfsPropagation\" is not a whole number from 0 to 9223372036854775807");
	m = good_message();
	is_malformed(changed(m, m, "namespaces", "[\"pid\",\"host\"]"),
		     "namespace \"host\" is not supported in a guest");
	m = good_message();
	is_malformed(changed(m, m, "namespaces", "7"), "\"namespaces\" is not a list");
	m = good_message();
	is_malformed(changed(m, m, "maskedPaths", "[\"/a\",1]"), "maskedPaths[1] is not a string");
	m = good_message();
	is_malformed(changed(m, m, "sysctl", "{\"a\":1}"), "sysctl \"a\" is not a string");
	m = good_message();
	is_malformed(changed(m, m, "sysctl", "[]"), "\"sysctl\" is missing or not an object");
	is_malformed(json_array(), "not an object");
}

static void test_malformed_lists(void)
{
	json_t *m = good_message();

	is_malformed(changed(m, m, "mounts", "{}"), "\"mounts\" is missing or not a list");
	m = good_message();
	is_malformed(changed(m, m, "mounts", "[7]"), "mounts[0]: not an object");
	m = good_message();
	is_malformed(changed(m, json_array_get(json_object_get(m, "mounts"), 0), "destination",
			     "\"relative\""),
		     "mounts[0]: destination \"relative\" is not an absolute path");
	m = good_message();
	is_malformed(changed(m, json_array_get(json_object_get(m, "devices"), 0), "type", "\"x\""),
		     "devices[0]: type \"x\" is not \"c\", \"b\" or \"p\"");
	m = good_message();
	is_malformed(
		changed(m, json_array_get(json_object_get(m, "devices"), 0), "major", "4294967296"),
		"devices[0]: \"major\" is not a whole number from 0 to 4294967295");
}

static void test_malformed_hooks(void)
{
	json_t *m = good_message();

	is_malformed(changed(m, m, "startContainer", "{\"hooks\":[]}"),
		     "startContainer: \"state\" is not an object");
	m = good_message();
	is_malformed(changed(m, m, "startContainer", "{\"state\":{}}"),
		     "startContainer: \"hooks\" is missing or not a list");
	m = good_message();
	is_malformed(changed(m, m, "startContainer",
			     "{\"state\":{},\"hooks\":[{\"path\":\"/x\",\"args\":[\"x\"],"
			     "\"env\":[],\"timeout\":0},{\"path\":\"/x\",\"args\":[\"x\"],"
			     "\"env\":[],\"timeout\":-1}]}"),
		     "startContainer: hooks[1]: \"timeout\" is not a whole number from 0 to "
		     "4294967295");
	m = good_message();
	is_malformed(changed(m, m, "startContainer",
			     "{\"state\":{},\"hooks\":[{\"path\":\"/x\",\"args\":[],"
			     "\"env\":[],\"timeout\":0}]}"),
		     "startContainer: hooks[0]: args must not be empty");
}

static void test_malformed_process(void)
{
	json_t *m = good_message();

	(void)json_object_del(m, "process");
	is_malformed(m, "process: not an object");
	m = good_message();
	is_malformed(changed(m, process_of(m), "args", "[]"), "process: args must not be empty");
	m = good_message();
	is_malformed(changed(m, process_of(m), "env", "[\"A=1\",\"B\"]"),
		     "process: invalid environment variable: missing '=': B");
	m = good_message();
	is_malformed(changed(m, process_of(m), "cwd", "\"\""),
		     "process: cwd \"\" is not an absolute path");
	m = good_message();
	is_malformed(changed(m, process_of(m), "additionalGids", "[1,-1]"),
		     "process: additionalGids[1]: \"gid\" is not a whole number from 0 to "
		     "4294967295");
	m = good_message();
	is_malformed(
		changed(m, process_of(m), "rlimits", "[{\"resource\":7,\"soft\":-2,\"hard\":1}]"),
		"process: rlimits[0]: \"soft\" is not a whole number from -1 to "
		"9223372036854775807");
	m = good_message();
	is_malformed(changed(m, json_object_get(process_of(m), "capabilities"), "ambient",
			     "2199023255552"),
		     "process: capabilities: a capability above 40 does not exist");
	m = good_message();
	is_malformed(changed(m, process_of(m), "capabilities", "{}"),
		     "process: capabilities: \"bounding\" is missing");
}

/* A namespace of its own and a mount that is not read-only. */
static void test_writable_cgroup(void)
{
	static const struct {
		int namespaces;
		const char *type;
		uint64_t flags;
		bool is_writable;
	} cases[] = {
		{ CLONE_NEWCGROUP, "cgroup2", 0, true },
		{ CLONE_NEWCGROUP | CLONE_NEWPID, "cgroup", MS_NOSUID, true },
		{ CLONE_NEWCGROUP, "cgroup", MS_NOSUID | MS_RDONLY, false },
		{ CLONE_NEWPID, "cgroup", 0, false },
		{ CLONE_NEWCGROUP, "tmpfs", 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct plan_mount mounts[] = { { .type = "proc" },
					       { .type = cases[i].type, .flags = cases[i].flags } };
		const struct container_plan plan = { .namespaces = cases[i].namespaces,
						     .mounts = mounts,
						     .nr_mounts = ARRAY_SIZE(mounts) };

		is_int(container_plan_has_writable_cgroup(&plan), cases[i].is_writable);
	}
}

int main(void)
{
	test_container();
	test_writable_cgroup();
	test_process();
	test_optional_members();
	test_malformed_container();
	test_malformed_lists();
	test_malformed_hooks();
	test_malformed_process();
	return tap_done();
}
