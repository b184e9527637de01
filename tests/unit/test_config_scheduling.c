/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduler, I/O priority, CPUs of exec, personality and clocks, as the guest gets them. */
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/guest_plan.h"

static struct error err;

static struct container_config *parse(const char *change)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;

	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s: %s\n", change, err.text);
	return config;
}

/* The guest's description of the container with @change has @text in it. */
static void plan_has(const char *change, const char *text, bool is_expected)
{
	static const uint8_t entropy[CONTAINER_ENTROPY_SIZE];
	struct container_config *config = parse(change);
	AUTO_FREE char *plan = NULL;

	if (!config)
		return;
	is_int(container_config_guest_plan(config, entropy, "c1", "/bundle", &plan, &err), 0);
	if (!ok(plan && !strstr(plan, text) == !is_expected))
		printf("# %s: %s in %s\n", change, text, plan);
	is_int(config->warnings.count, 0);
	container_config_free(config);
}

static void test_policies(void)
{
	static const struct {
		const char *scheduler, *want;
	} cases[] = {
		{ "'policy':'SCHED_OTHER','nice':-20",
		  "\"policy\":0,\"flags\":0,\"nice\":-20,\"priority\":0" },
		{ "'policy':'SCHED_FIFO','priority':1,'flags':[]",
		  "\"policy\":1,\"flags\":0,\"nice\":0,\"priority\":1" },
		{ "'policy':'SCHED_RR','priority':99,'flags':['SCHED_FLAG_RESET_ON_FORK']",
		  "\"policy\":2,\"flags\":1,\"nice\":0,\"priority\":99" },
		{ "'policy':'SCHED_BATCH','nice':19", "\"policy\":3,\"flags\":0,\"nice\":19" },
		{ "'policy':'SCHED_IDLE'", "\"policy\":5,\"flags\":0,\"nice\":0" },
		{ "'policy':'SCHED_DEADLINE','runtime':1000000,'deadline':2000000,'period':3000000,"
		  "'flags':['SCHED_FLAG_RECLAIM','SCHED_FLAG_DL_OVERRUN',"
		  "'SCHED_FLAG_KEEP_POLICY','SCHED_FLAG_KEEP_PARAMS']",
		  "\"policy\":6,\"flags\":30,\"nice\":0,\"priority\":0,\"runtime\":1000000,"
		  "\"deadline\":2000000,\"period\":3000000" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char change[512];

		(void)snprintf(change, sizeof(change), "{'process':{'scheduler':{%s}}}",
			       cases[i].scheduler);
		plan_has(change, cases[i].want, true);
	}
	plan_has("{}", "\"scheduler\"", false);
	plan_has("{'process':{'scheduler':{}}}", "\"scheduler\"", false);
}

static void test_io_priority(void)
{
	plan_has("{'process':{'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':4}}}",
		 "\"ioPriority\":8196", true);
	plan_has("{'process':{'ioPriority':{'class':'IOPRIO_CLASS_BE'}}}", "\"ioPriority\":16384",
		 true);
	plan_has("{'process':{'ioPriority':{'class':'IOPRIO_CLASS_IDLE','priority':7}}}",
		 "\"ioPriority\":24583", true);
	plan_has("{}", "\"ioPriority\"", false);
}

static void test_exec_affinity(void)
{
	static const struct {
		const char *list;
		uint32_t want;
	} cases[] = {
		{ "", 0 },	    { "0", 1 },	     { "0-3,7", 0x8f },
		{ "31", 1u << 31 }, { "0-31", ~0u }, { " 1 - 2 , 3 ", 0xe },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config;
		char change[256];

		(void)snprintf(change, sizeof(change),
			       "{'process':{'execCPUAffinity':{'initial':'%s','final':'0'}},"
			       "'linux':{'resources':{'cpu':{'quota':3200000}}}}",
			       cases[i].list);
		config = parse(change);
		if (!config)
			continue;
		is_int(config->process.exec_initial_cpus, cases[i].want);
		is_int(config->process.exec_final_cpus, 1);
		container_config_free(config);
	}
}

/* Only an exec has them: they are not for the container's first process. */
static void test_exec_plan(void)
{
	static const char change[] = "{'process':{'execCPUAffinity':{'initial':'0','final':'0'}}}";
	struct container_config *config = parse(change);
	AUTO_FREE char *text = NULL;

	if (!config)
		return;
	is_int(container_process_guest_plan(&config->process, &text, &err), 0);
	ok(text && strstr(text, "\"initialCpus\":1,\"finalCpus\":1"));
	ok(text && !strstr(text, "seccomp") && !strstr(text, "personality"));
	container_config_free(config);
	plan_has(change, "Cpus", false);
}

static void test_personality(void)
{
	plan_has("{'linux':{'personality':{'domain':'LINUX32','flags':[]}}}", "\"personality\":8",
		 true);
	plan_has("{'linux':{'personality':{'domain':'LINUX'}}}", "\"personality\":0", true);
	plan_has("{'linux':{'personality':{}}}", "\"personality\":0", true);
}

static void test_time_offsets(void)
{
#define WITH_TIME                                                                                  \
	"{'linux':{'namespaces':[{'type':'network'},{'type':'mount'},{'type':'time'},"             \
	"{'type':'pid'},{'type':'ipc'},{'type':'uts'}]"

	plan_has(WITH_TIME "}}", "\"timeOffsets\":[]", true);
	plan_has(WITH_TIME ",'timeOffsets':{'boottime':{'secs':-5}}}}",
		 "\"timeOffsets\":[{\"clock\":\"boottime\",\"seconds\":-5,\"nanoseconds\":0}]",
		 true);
	plan_has(WITH_TIME ",'timeOffsets':{'boottime':{'secs':7},"
			   "'monotonic':{'secs':86400,'nanosecs':999999999}}}}",
		 "[{\"clock\":\"monotonic\",\"seconds\":86400,\"nanoseconds\":999999999},"
		 "{\"clock\":\"boottime\",\"seconds\":7,\"nanoseconds\":0}]",
		 true);
}

/* What changes nothing is not refused. */
static void test_trivial_values(void)
{
	plan_has("{'linux':{'intelRdt':{},'netDevices':{},'timeOffsets':{}}}", "create", true);
	plan_has("{'linux':{'intelRdt':{'closID':'','enableCMT':false,'enableMBM':false}},"
		 "'process':{'user':{'username':''},'commandLine':''}}",
		 "create", true);
}

int main(void)
{
	test_policies();
	test_io_priority();
	test_exec_affinity();
	test_exec_plan();
	test_personality();
	test_time_offsets();
	test_trivial_values();
	return tap_done();
}
