/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_guest_plan.c - messages that guest-init's parsers get: nearly right ones, and any text
 *
 * What is refused is refused with a sentence; what is taken is in bounds. Nothing is carried out.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/container_plan.h"
#include "guest-init/control_channel.h"
#include "guest-init/exec_plan.h"
#include "guest-init/resource_plan.h"
#include "tests/fuzz/json_edit.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good_text[] =
	"{\"type\":\"create\",\"time\":7,\"entropy\":\"00ff\",\"hostname\":\"h\",\"domainname\":"
	"\"d\","
	"\"namespaces\":[\"pid\",\"uts\",\"user\",\"time\",\"cgroup\"],"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":65536}],"
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":65536}],"
	"\"readonlyRootfs\":true,\"rootfsPropagation\":262144,"
	"\"mounts\":[{\"destination\":\"/m\",\"type\":\"tmpfs\",\"source\":\"s\","
	"\"data\":\"size=1\",\"flags\":3,\"clearFlags\":8,\"propagation\":0,"
	"\"recursiveReadonly\":true,\"copyUp\":true,\"isFile\":true}],"
	"\"devices\":[{\"path\":\"/dev/d\",\"type\":\"b\",\"major\":8,\"minor\":1,\"mode\":432,"
	"\"uid\":1,\"gid\":2}],\"sysctl\":{\"a.b\":\"1\"},\"maskedPaths\":[\"/a\",\"/b\"],"
	"\"readonlyPaths\":[\"/c\"],\"timeOffsets\":[{\"clock\":\"boottime\",\"seconds\":5,"
	"\"nanoseconds\":6}],"
	"\"startContainer\":{\"state\":{\"id\":\"x\"},\"hooks\":[{\"path\":\"/h\","
	"\"args\":[\"h\"],\"env\":[\"A=1\"],\"timeout\":3}]},"
	"\"resources\":{\"controls\":[{\"file\":\"memory.max\",\"value\":\"1\",\"field\":\"f\"}],"
	"\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":-1,\"access\":7}]},"
	"\"number\":1,"
	"\"process\":{\"terminal\":false,\"rows\":24,\"columns\":80,\"args\":[\"sh\",\"-c\"],"
	"\"env\":[\"A=1\"],\"cwd\":\"/w\",\"uid\":42,\"gid\":3,\"additionalGids\":[4,5],"
	"\"umask\":18,\"capabilities\":{\"bounding\":31,\"effective\":1,\"inheritable\":2,"
	"\"permitted\":4,\"ambient\":8},"
	"\"rlimits\":[{\"resource\":7,\"soft\":10,\"hard\":-1}],\"noNewPrivileges\":true,"
	"\"seccomp\":{\"flags\":0,\"filter\":[1688849860263936,281474976710655]},"
	"\"scheduler\":{\"policy\":0,\"flags\":0,\"nice\":1,\"priority\":0,\"runtime\":0,"
	"\"deadline\":0,\"period\":0},\"personality\":8,\"ioPriority\":4,\"initialCpus\":1,"
	"\"finalCpus\":3,\"oomScoreAdj\":-500}}";

static void check_failure(const struct failure *failure)
{
	BUG_ON(failure->code <= 0 || !failure->text[0]);
	BUG_ON(strnlen(failure->text, sizeof(failure->text)) == sizeof(failure->text));
}

static void check_process(const struct plan_process *process)
{
	BUG_ON(!process->args.len || process->args.items[process->args.len]);
	BUG_ON(process->env.items[process->env.len]);
	BUG_ON(process->cwd[0] != '/' || process->filter_len > BPF_MAXINSNS);
	for (size_t i = 0; i < process->env.len; i++)
		BUG_ON(!strchr(process->env.items[i], '='));
}

/* The next three return whether the message was taken. */
static bool try_exec(json_t *message, const struct container_plan *container)
{
	struct failure failure = { 0 };
	struct exec_plan plan;

	if (exec_plan_init(&plan, message, container, &failure)) {
		check_failure(&failure);
		return false;
	}
	BUG_ON(plan.number == 0 || plan.number >= PROTOCOL_PROCESSES_MAX);
	check_process(&plan.process);
	exec_plan_fini(&plan);
	return true;
}

static bool try_create(json_t *message)
{
	struct failure failure = { 0 };
	struct container_plan plan;
	uint32_t outside;
	bool is_taken;

	if (container_plan_init(&plan, message, &failure)) {
		check_failure(&failure);
		return false;
	}
	check_process(&plan.process);
	(void)container_plan_has_writable_cgroup(&plan);
	BUG_ON(!id_map_outside(&plan.uid_map, plan.process.uid, &outside));
	BUG_ON(outside != plan.process.outer_uid);
	for (size_t i = 0; i < plan.nr_mounts; i++)
		BUG_ON(plan.mounts[i].destination[0] != '/');
	for (size_t i = 0; i < plan.nr_start_hooks; i++)
		BUG_ON(plan.start_hooks[i].path[0] != '/' || !plan.start_hooks[i].args.len);
	is_taken = try_exec(message, &plan);
	container_plan_fini(&plan);
	return is_taken;
}

static bool try_resources(json_t *message)
{
	struct failure failure = { 0 };
	struct resource_plan plan;

	if (resource_plan_init(&plan, message, &failure)) {
		check_failure(&failure);
		return false;
	}
	for (size_t i = 0; i < plan.nr_controls; i++)
		BUG_ON(strchr(plan.controls[i].file, '/') || plan.controls[i].file[0] == '.' ||
		       !plan.controls[i].file[0]);
	for (size_t i = 0; i < plan.nr_device_rules; i++)
		BUG_ON(plan.device_rules[i].access > 7);
	resource_plan_fini(&plan);
	return true;
}

/* What arrives over the connection, whose header says any length, in two pieces. */
static void receive(const char *text, size_t size, uint32_t claimed)
{
	struct control_channel channel;
	struct failure failure = { 0 };
	json_t *message = NULL;
	int pair[2];
	int r = 0;

	BUG_ON(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0);
	control_channel_init(&channel, pair[0]);
	BUG_ON(write(pair[1], &claimed, sizeof(claimed)) != sizeof(claimed));
	for (unsigned int part = 0; part < 2 && !r; part++) {
		size_t start = part ? size / 2 : 0;
		size_t len = part ? size - size / 2 : size / 2;

		BUG_ON(send(pair[1], text + start, len, MSG_DONTWAIT) != (ssize_t)len);
		r = control_channel_receive(&channel, &message, &failure);
	}
	(void)close(pair[1]);
	if (!r)
		r = control_channel_receive(&channel, &message, &failure);
	BUG_ON(!r || r > 1);
	if (r < 0) {
		check_failure(&failure);
	} else if (message) {
		(void)try_create(message);
		(void)try_resources(message);
		json_decref(message);
	}
	free(channel.message);
	(void)close(pair[0]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	json_t *message = json_loads(good_text, JSON_REJECT_DUPLICATES, NULL);

	(void)argc;
	(void)argv;
	BUG_ON(!try_create(message) || !try_resources(message));
	json_decref(message);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = size ? data[--size] : 0;
	size_t len = 0;
	AUTO_FREE char *text = json_edit_text(good_text, data, size, &len);

	receive(text, len, how < 240 ? (uint32_t)len : (uint32_t)len + (uint32_t)(how - 248) * 97);
	return 0;
}
