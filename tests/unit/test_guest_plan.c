/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "guest-init/container_plan.h"
#include "guest-init/failure.h"
#include "guest-init/protocol.h"
#include "guest-init/resource_plan.h"
#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/guest_plan.h"

static const uint8_t entropy[CONTAINER_ENTROPY_SIZE] = { 0x00, 0x1f, 0xff, [63] = 0xa5 };

/* The text of the plan for the good configuration with @change; NULL on failure. */
static char *plan_text(const char *change)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;
	struct error err = { 0 };
	char *plan = NULL;

	if (!ok(container_config_parse(text, strlen(text), "/host/bundle", &config, &err) == 0 &&
		container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err) == 0))
		printf("# %s\n", err.text);
	container_config_free(config);
	return plan;
}

static const char everything[] =
	"{'process':{'terminal':true,'consoleSize':{'height':25,'width':80},"
	" 'args':['a','b'],'env':['A=b'],'cwd':'/w','oomScoreAdj':-5,'noNewPrivileges':true,"
	" 'user':{'uid':1,'gid':2,'umask':63,'additionalGids':[3]},"
	" 'capabilities':{'bounding':['CAP_DAC_OVERRIDE'],'ambient':['CAP_CHOWN']},"
	" 'rlimits':[{'type':'RLIMIT_CORE','soft':5,'hard':18446744073709551615}]},"
	"'root':{'path':'secret-rootfs','readonly':true},'hostname':'h','domainname':'d',"
	"'annotations':{'secret-annotation':'secret-value'},"
	"'mounts':[{'destination':'/t','type':'tmpfs','source':'src','options':"
	" ['nosuid','dev','rslave','tmpcopyup','size=1k']},"
	" {'destination':'/v','type':'bind','source':'/secret-source','options':['rbind','rro']}],"
	"'linux':{'namespaces':[{'type':'network','path':'/secret-netns'},{'type':'pid'},"
	" {'type':'uts'},{'type':'ipc'},{'type':'mount'}],'cgroupsPath':'/secret-cgroup',"
	" 'rootfsPropagation':'private','sysctl':{'kernel.x':'y'},'maskedPaths':['/m'],"
	" 'resources':{'pids':{'limit':9},'devices':[{'allow':false,'type':'b','major':8,"
	"  'access':'rw'}]},"
	" 'readonlyPaths':['/r'],'devices':[{'path':'/dev/z','type':'c','major':1,'minor':5,"
	"  'fileMode':384,'uid':6,'gid':7}]}}";

/* Rules that every container has. */
#define RULE(type, major, minor, access)                                                           \
	",{\"allow\":true,\"type\":\"" type "\",\"major\":" #major ",\"minor\":" #minor            \
	",\"access\":" #access "}"
#define MAKE(type) RULE(type, -1, -1, 1)
#define ALLOW(major, minor) RULE("c", major, minor, 7)

static void test_every_member(void)
{
	AUTO_FREE char *text = plan_text(everything);
	AUTO_FREE char *want = NULL;

	ok(asprintf(&want,
		    "{\"type\":\"create\",\"entropy\":\"001fff%0120da5\",\"hostname\":\"h\","
		    "\"domainname\":\"d\",\"namespaces\":[\"pid\",\"mount\",\"ipc\",\"uts\","
		    "\"network\"],\"readonlyRootfs\":true,\"rootfsPropagation\":%lu,"
		    "\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"src\","
		    "\"flags\":%lu,\"clearFlags\":%lu,\"propagation\":%lu,\"data\":\"size=1k\","
		    "\"recursiveReadonly\":false,\"copyUp\":true,\"isFile\":false},"
		    "{\"destination\":\"/v\",\"type\":\"bind\",\"source\":\"\",\"flags\":1,"
		    "\"clearFlags\":0,\"propagation\":0,\"data\":\"\",\"recursiveReadonly\":true,"
		    "\"copyUp\":false,\"isFile\":false}],"
		    "\"devices\":[{\"path\":\"/dev/z\",\"type\":\"c\",\"major\":1,\"minor\":5,"
		    "\"mode\":384,\"uid\":6,\"gid\":7}],\"sysctl\":{\"kernel.x\":\"y\"},"
		    "\"maskedPaths\":[\"/m\"],\"readonlyPaths\":[\"/r\"],"
		    "\"resources\":{\"controls\":[{\"file\":\"pids.max\",\"value\":\"9\","
		    "\"field\":\"linux.resources.pids.limit\"}],\"devices\":["
		    "{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":-1,\"access\":6}" MAKE(
			    "c") MAKE("b") ALLOW(1, 3) ALLOW(1, 5) ALLOW(1, 7) ALLOW(1, 8)
			    ALLOW(1, 9) ALLOW(5, 0) ALLOW(5, 2) ALLOW(
				    136,
				    -1) "]},"
					"\"process\":{\"terminal\":true,\"rows\":25,\"columns\":80,"
					"\"args\":[\"a\",\"b\"],\"env\":[\"A=b\"],\"cwd\":\"/"
					"w\",\"uid\":1,\"gid\":2,"
					"\"additionalGids\":[3],\"umask\":63,\"capabilities\":{"
					"\"bounding\":2,"
					"\"effective\":32,\"inheritable\":0,\"permitted\":0,"
					"\"ambient\":1},"
					"\"rlimits\":[{\"resource\":%d,\"soft\":5,\"hard\":-1}],"
					"\"noNewPrivileges\":true,\"oomScoreAdj\":-5,"
					"\"personality\":0,"
					"\"seccomp\":{\"flags\":0,\"filter\":[]}},\"timeOffsets\":["
					"]}",
		    0, (unsigned long)MS_PRIVATE, (unsigned long)MS_NOSUID, (unsigned long)MS_NODEV,
		    (unsigned long)(MS_SLAVE | MS_REC), RLIMIT_CORE) > 0);
	is_str(text, want);
}

/* An instruction is one number, as protocol.h says: here "return SECCOMP_RET_ALLOW". */
static void test_seccomp(void)
{
	const json_int_t allow = (json_int_t)(BPF_RET | BPF_K) << 48 | SECCOMP_RET_ALLOW;
	AUTO_FREE char *text = plan_text("{'linux':{'seccomp':{'defaultAction':'SCMP_ACT_ALLOW',"
					 "'flags':['SECCOMP_FILTER_FLAG_LOG']}}}");
	json_t *plan = json_loads(text, 0, NULL), *seccomp, *value;
	unsigned int nr_allow = 0;
	size_t i;

	seccomp = json_object_get(json_object_get(plan, "process"), "seccomp");
	is_int(json_integer_value(json_object_get(seccomp, "flags")), SECCOMP_FILTER_FLAG_LOG);
	json_array_foreach (json_object_get(seccomp, "filter"), i, value)
		nr_allow += json_integer_value(value) == allow;
	is_int(nr_allow, 1);
	json_decref(plan);
}

static void test_nothing_of_the_host(void)
{
	AUTO_FREE char *text = plan_text(everything);

	ok(text && !strstr(text, "secret"));
	ok(text && !strstr(text, "/host"));
}

/* The one thing for which a guest is told of its bundle. */
static void test_start_hooks(void)
{
	AUTO_FREE char *text =
		plan_text("{'annotations':{'a':'b'},'hooks':{'prestart':[{'path':'/secret'}],"
			  "'startContainer':[{'path':'/x','env':['A=1'],'timeout':4}]}}");

	ok(text && !strstr(text, "secret"));
	ok(text &&
	   strstr(text, ",\"startContainer\":{\"state\":{\"ociVersion\":\"1.3.0\",\"id\":\"c1\","
			"\"status\":\"created\",\"bundle\":\"/bundle\",\"annotations\":{\"a\":"
			"\"b\"}},\"hooks\":[{\"path\":\"/x\",\"args\":[\"/x\"],\"env\":[\"A=1\"],"
			"\"timeout\":4}]}}"));
}

static void test_optional_members(void)
{
	AUTO_FREE char *text = plan_text("{'hostname':null}");

	ok(text && !strstr(text, "hostname") && !strstr(text, "domainname") &&
	   !strstr(text, "startContainer") && !strstr(text, "/bundle") &&
	   !strstr(text, "oomScoreAdj"));
	ok(text && strstr(text, "\"capabilities\":{\"bounding\":32,"));
}

/* Both ends of the protocol agree. */
static void test_guest_init_reads_it(void)
{
	static const char *const changes[] = {
		"{'hooks':{'startContainer':[{'path':'/x'},{'path':'/y','timeout':4}]}}", everything
	};

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		AUTO_FREE char *text = plan_text(changes[i]);
		json_t *message = text ? json_loads(text, 0, NULL) : NULL;
		struct container_plan plan;
		struct resource_plan resources;
		struct failure failure = { 0 };

		(void)json_object_set_new(message, "time", json_integer(1));
		if (!ok(message && container_plan_init(&plan, message, &failure) == 0)) {
			printf("# %s\n", failure.text);
			json_decref(message);
			continue;
		}
		is_int(plan.process.args.len, i == 0 ? 1 : 2);
		is_int(plan.nr_mounts, i == 0 ? 1 : 2);
		is_int(plan.nr_start_hooks, i == 0 ? 2 : 0);
		if (i == 0) {
			is_str(plan.start_hooks[1].args.items[0], "/y");
			is_int(plan.start_hooks[1].timeout_s, 4);
		}
		if (i == 1) {
			ok(plan.process.rlimits[0].hard == RLIM_INFINITY);
			is_int(plan.process.oom_score_adj, -5);
			is_int(plan.process.capabilities.ambient, 1);
			is_str(plan.mounts[1].destination, "/v");
		}
		container_plan_fini(&plan);
		is_int(resource_plan_init(&resources, message, &failure), 0);
		is_int(resources.nr_controls, i);
		is_int(resources.nr_device_rules, 10 + i);
		resource_plan_fini(&resources);
		json_decref(message);
	}
}

/* GUEST_PLAN_MAX is the last size that is accepted. */
static void test_size(void)
{
	AUTO_FREE char *text = good_config_text();
	struct container_config *config = NULL;
	AUTO_FREE char *variable = NULL;
	AUTO_FREE char *plan = NULL;
	struct error err = { 0 };
	size_t room;

	ok(container_config_parse(text, strlen(text), "/b", &config, &err) == 0);
	is_int(container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err), 0);
	room = GUEST_PLAN_MAX - strlen(plan) - strlen(",\"\"");
	variable = malloc(room + 2);
	memset(variable, 'x', room + 1);
	variable[room + 1] = 0;
	memcpy(variable, "A=", 2);
	variable[room] = 0;
	is_int(text_list_add(&config->process.env, "%s", variable), 0);
	free(pointer_take(plan));
	is_int(container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err), 0);
	is_int(plan ? strlen(plan) : 0, GUEST_PLAN_MAX);
	is_int(text_list_add(&config->process.env, "B="), 0);
	free(pointer_take(plan));
	ok(container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err) < 0);
	is_str(err.text, "config.json: more than the 8388544 bytes a guest takes");
	container_config_free(config);
}

int main(void)
{
	test_every_member();
	test_seccomp();
	test_nothing_of_the_host();
	test_start_hooks();
	test_optional_members();
	test_guest_init_reads_it();
	test_size();
	return tap_done();
}
