/* SPDX-License-Identifier: Apache-2.0 */
/* What a good config.json becomes. What is refused: test_malformed_configs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/resource.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"

static struct error err;

/* The good configuration with @change, or NULL when it is refused. */
static struct container_config *parse(const char *change)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;

	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s: %s\n", change, err.text);
	return config;
}

static void test_defaults(void)
{
	struct container_config *config = parse("{}");

	if (!config)
		return;
	is_str(config->oci_version, "1.0.2");
	is_str(config->rootfs, "/bundle/rootfs");
	ok(!config->has_readonly_rootfs && !config->netns_path && !config->cgroups_path);
	ok(config->memory_bytes == 256 << 20);
	is_int(config->nr_vcpus, 1);
	is_int(json_object_size(config->annotations), 0);
	is_str(config->hostname, "box");
	ok(!config->domainname && !config->text);
	is_int(config->nr_mounts, 1);
	is_int(config->nr_devices + config->nr_sysctls, 0);
	is_int(config->warnings.count, 0);
	is_int(config->process.umask, 0022);
	is_int(config->process.nr_rlimits, 1);
	is_int(config->process.rlimits[0].resource, RLIMIT_NOFILE);
	ok(!config->process.has_terminal && !config->process.has_oom_score_adj);
	is_int(config->namespaces, 1 << NAMESPACE_PID | 1 << NAMESPACE_NETWORK |
					   1 << NAMESPACE_MOUNT | 1 << NAMESPACE_IPC |
					   1 << NAMESPACE_UTS);
	container_config_free(config);
}

static void test_process(void)
{
	struct container_config *config =
		parse("{'process':{'terminal':true,'consoleSize':{'height':25,'width':80},"
		      "'args':['sh','-c','exit 3'],'env':['A=','PATH=/bin=x'],'cwd':'/tmp',"
		      "'user':{'uid':4294967294,'gid':7,'additionalGids':[1,2],'umask':511},"
		      "'capabilities':{'bounding':['CAP_CHOWN','cap_kill'],'effective':[],"
		      " 'permitted':['CAP_SYS_ADMIN'],'ambient':['CAP_NET_RAW'],"
		      " 'inheritable':['CAP_NO_SUCH','40']},"
		      "'rlimits':[{'type':'RLIMIT_CORE','soft':0,'hard':18446744073709551615}],"
		      "'oomScoreAdj':-1000,'noNewPrivileges':true}}");
	struct container_process *process;

	if (!config)
		return;
	process = &config->process;
	ok(process->has_terminal && process->rows == 25 && process->columns == 80);
	is_int(process->args.count, 3);
	is_str(process->args.items[2], "exit 3");
	is_int(process->env.count, 2);
	is_str(process->cwd, "/tmp");
	ok(process->uid == 4294967294 && process->gid == 7 && process->umask == 0777);
	ok(process->nr_additional_gids == 2 && process->additional_gids[1] == 2);
	is_int(process->capabilities[CAPABILITY_BOUNDING], 1 << CAP_CHOWN | 1 << CAP_KILL);
	is_int(process->capabilities[CAPABILITY_EFFECTIVE], 0);
	is_int(process->capabilities[CAPABILITY_PERMITTED], 1 << CAP_SYS_ADMIN);
	is_int(process->capabilities[CAPABILITY_AMBIENT], 1 << CAP_NET_RAW);
	is_int(process->capabilities[CAPABILITY_INHERITABLE], 0);
	ok(process->rlimits[0].soft == 0 && process->rlimits[0].hard == UINT64_MAX);
	ok(process->has_oom_score_adj && process->oom_score_adj == -1000);
	ok(process->no_new_privileges);
	is_int(config->warnings.count, 2);
	is_str(config->warnings.items[0], "process.capabilities.inheritable[0]: unknown capability "
					  "\"CAP_NO_SUCH\" is ignored");
	container_config_free(config);
}

static void test_absent_capabilities_are_none(void)
{
	struct container_config *config = parse("{'process':{'capabilities':null}}");

	for (int i = 0; config && i < CONTAINER_NR_CAPABILITY_SETS; i++)
		is_int(config->process.capabilities[i], 0);
	container_config_free(config);
}

static void test_versions(void)
{
	static const char *const versions[] = { "1.0.0", "1.0.2-dev", "1.1.0-rc.3", "1.2.0+dev",
						"1.99.100" };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		char change[64];
		struct container_config *config;

		(void)snprintf(change, sizeof(change), "{'ociVersion':'%s'}", versions[i]);
		config = parse(change);
		is_str(config ? config->oci_version : NULL, versions[i]);
		container_config_free(config);
	}
}

static void test_unknown_members_are_ignored(void)
{
	struct container_config *config =
		parse("{'new':1,'process':{'new':{}},'linux':{'new':[1],"
		      "'resources':{'new':5,'memory':{'new':1}}},'root':{'new':null}}");

	is_int(config ? config->warnings.count : 1, 0);
	container_config_free(config);
}

static void test_root(void)
{
	static const struct {
		const char *change, *want;
	} cases[] = {
		{ "{'root':{'path':'/abs/./root/'}}", "/abs/root" },
		{ "{'root':{'path':'.'}}", "/bundle" },
		{ "{'root':{'path':'../x'}}", "/x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config = parse(cases[i].change);

		is_str(config ? config->rootfs : NULL, cases[i].want);
		container_config_free(config);
	}
}

static void test_guest_mounts(void)
{
	struct container_config *config = parse(
		"{'mounts':["
		"{'destination':'/tmp//x/','type':'tmpfs','source':'shm',"
		" 'options':['nosuid','noexec','strictatime','mode=755','size=64k','tmpcopyup',"
		"  'ro','rw','suid','rprivate','']},"
		"{'destination':'/c','type':'cgroup','options':['ro','rnodev']},"
		"{'destination':'rel/./dir','type':'proc'}]}");
	struct container_mount *mount;

	if (!config)
		return;
	is_int(config->nr_mounts, 3);
	mount = &config->mounts[0];
	is_str(mount->destination, "/tmp/x");
	is_str(mount->type, "tmpfs");
	is_str(mount->source, "shm");
	is_str(mount->data, "mode=755,size=64k");
	ok(mount->flags == (MS_NOEXEC | MS_STRICTATIME));
	ok(mount->clear_flags == (MS_RDONLY | MS_NOSUID));
	ok(mount->propagation == (MS_PRIVATE | MS_REC));
	ok(mount->copies_up && !mount->is_bind && !mount->is_readonly);
	mount = &config->mounts[1];
	is_str(mount->source, "cgroup");
	is_str(mount->data, "");
	ok(mount->flags == (MS_RDONLY | MS_NODEV) && mount->is_readonly);
	ok(!mount->is_recursive_readonly);
	mount = &config->mounts[2];
	is_str(mount->destination, "/rel/dir");
	is_int(config->warnings.count, 1);
	is_str(config->warnings.items[0],
	       "mounts[2].destination: is relative, which is deprecated, and taken as /rel/dir");
	container_config_free(config);
}

static void test_binds(void)
{
	struct container_config *config = parse(
		"{'mounts':["
		"{'destination':'/a','type':'bind','source':'/v/../w','options':['rbind','ro']},"
		"{'destination':'/b','source':'v','options':['bind','rro','rprivate']},"
		"{'destination':'/c','type':'none','source':'../"
		"v','options':['rbind','rro','rrw']},"
		"{'destination':'/d','type':'bind','source':'/v','options':['z']}]}");

	if (!config)
		return;
	for (size_t i = 0; i < config->nr_mounts; i++) {
		ok(config->mounts[i].is_bind && !config->mounts[i].is_file);
		is_str(config->mounts[i].type, "bind");
	}
	is_str(config->mounts[0].source, "/v/../w");
	is_str(config->mounts[1].source, "/bundle/v");
	is_str(config->mounts[2].source, "/v");
	ok(config->mounts[0].is_recursive && config->mounts[0].is_readonly);
	ok(!config->mounts[0].is_recursive_readonly);
	ok(!config->mounts[1].is_recursive && config->mounts[1].is_readonly);
	ok(config->mounts[1].is_recursive_readonly && config->mounts[1].flags == MS_RDONLY);
	ok(!config->mounts[2].is_readonly && !config->mounts[2].is_recursive_readonly);
	ok(config->mounts[2].clear_flags == MS_RDONLY);
	is_int(config->warnings.count, 1);
	is_str(config->warnings.items[0], "mounts[3].options: \"z\" means nothing to a bind");
	container_config_free(config);
}

static void test_linux(void)
{
	struct container_config *config = parse(
		"{'linux':{'namespaces':[{'type':'network','path':'/run/netns/x'},{'type':'time'},"
		" {'type':'pid','path':''},{'type':'uts'},{'type':'ipc'},{'type':'cgroup'}],"
		"'sysctl':{'net.ipv4.ip_forward':'1','kernel.msg-max':''},"
		"'maskedPaths':['/proc//kcore'],'readonlyPaths':['/proc/sys/'],"
		"'rootfsPropagation':'rslave','cgroupsPath':'/docker/x',"
		"'personality':{'domain':'LINUX'},'seccomp':{},'mountLabel':'',"
		"'devices':[{'path':'/dev/fuse','type':'c','major':10,'minor':229,'fileMode':8630,"
		"  'uid':1,'gid':2},{'path':'/dev/x','type':'u','major':1,'minor':3},"
		" {'path':'/dev/pipe','type':'p'}]}}");

	if (!config)
		return;
	is_str(config->netns_path, "/run/netns/x");
	ok(config->namespaces & 1 << NAMESPACE_TIME && config->namespaces & 1 << NAMESPACE_CGROUP);
	ok(config->namespaces & 1 << NAMESPACE_MOUNT);
	is_int(config->warnings.count, 1);
	is_str(config->warnings.items[0],
	       "linux.namespaces: no \"mount\": the virtual machine's is used, not the host's");
	is_int(config->nr_sysctls, 2);
	is_str(config->sysctls[0].name, "net.ipv4.ip_forward");
	is_str(config->sysctls[1].value, "");
	is_str(config->masked_paths.items[0], "/proc/kcore");
	is_str(config->readonly_paths.items[0], "/proc/sys");
	ok(config->root_propagation == (MS_SLAVE | MS_REC));
	is_str(config->cgroups_path, "/docker/x");
	is_int(config->nr_devices, 3);
	is_int(config->devices[0].mode, 0666);
	ok(config->devices[0].uid == 1 && config->devices[0].gid == 2);
	ok(config->devices[1].type == 'c' && config->devices[1].mode == 0666);
	ok(config->devices[2].type == 'p');
	container_config_free(config);
}

static void test_labels_are_warned_about(void)
{
	struct container_config *config =
		parse("{'process':{'apparmorProfile':'docker-default','selinuxLabel':'a:b:c'},"
		      "'linux':{'mountLabel':'x','rootfsPropagation':'shared'}}");

	if (!config)
		return;
	is_int(config->warnings.count, 4);
	is_str(config->warnings.items[0], "process.apparmorProfile: has no meaning in the virtual "
					  "machine and is ignored");
	is_str(config->warnings.items[2],
	       "linux.rootfsPropagation: \"shared\" works inside the virtual machine only");
	container_config_free(config);
}

static void test_memory(void)
{
	static const struct {
		const char *limit;
		uint64_t want_mib;
	} cases[] = {
		{ "-1", 256 },	      { "0", 256 },	      { "null", 256 },
		{ "1", 64 },	      { "30000000", 64 },     { "67108863", 102 },
		{ "67108864", 102 },  { "67108865", 103 },    { "268435456", 312 },
		{ "805306368", 872 }, { "1073741824", 1136 }, { "1099511627776", 1081424 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config;
		char change[128];

		(void)snprintf(change, sizeof(change),
			       "{'linux':{'resources':{'memory':{'limit':%s,'swap':-1}}}}",
			       cases[i].limit);
		config = parse(change);
		is_int(config ? config->memory_bytes >> 20 : 0, cases[i].want_mib);
		ok(config && config->memory_bytes % (1 << 20) == 0);
		is_int(config ? config->warnings.count : 99, 0);
		container_config_free(config);
	}
}

static void test_cpus(void)
{
	static const struct {
		const char *cpu;
		unsigned int want;
	} cases[] = {
		{ "", 1 },
		{ "'quota':-1", 1 },
		{ "'quota':0,'period':50000", 1 },
		{ "'quota':50000,'period':100000", 1 },
		{ "'quota':100000", 1 },
		{ "'quota':100001", 2 },
		{ "'quota':400000,'period':100000", 4 },
		{ "'quota':3200000", 32 },
		{ "'quota':3300000", 32 },
		{ "'quota':4000000000000000000,'period':1000", 32 },
		{ "'shares':0,'realtimeRuntime':0,'cpus':'','idle':0", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config;
		char change[160];

		(void)snprintf(change, sizeof(change), "{'linux':{'resources':{'cpu':{%s}}}}",
			       cases[i].cpu);
		config = parse(change);
		is_int(config ? config->nr_vcpus : 0, cases[i].want);
		is_int(config ? config->warnings.count : 99, 0);
		container_config_free(config);
	}
}

/* What engines send for "no limit". */
static void test_limits_that_limit_nothing(void)
{
	struct container_config *config =
		parse("{'hooks':{'prestart':[]},'linux':{'resources':{"
		      "'devices':[{'allow':false,'access':'rwm'},"
		      " {'allow':true,'type':'c','major':-1,'minor':3,'access':'rm'},"
		      " {'allow':true,'type':'a','access':'r'}],"
		      "'memory':{'disableOOMKiller':false,'reservation':0,'kernel':-1},"
		      "'pids':{'limit':-1},'blockIO':{'weight':0,'weightDevice':[]},"
		      "'hugepageLimits':[{'pageSize':'2MB','limit':0}],'unified':{},'rdma':{},"
		      "'network':{'classID':0,'priorities':[]}}}}");

	is_int(config ? config->warnings.count : 1, 0);
	container_config_free(config);
}

/* The shape of what Docker and podman write, shortened: all of it is taken. */
static void test_engines(void)
{
	static const char engine[] =
		"{'ociVersion':'1.0.2-dev','hooks':{'prestart':[{'path':'/proc/7/exe'}]},"
		"'process':{'user':{'additionalGids':[0]},'apparmorProfile':'docker-default'},"
		"'mounts':["
		"{'destination':'/proc','type':'proc','source':'proc','options':['nosuid']},"
		"{'destination':'/dev','type':'tmpfs','source':'tmpfs',"
		" 'options':['nosuid','strictatime','mode=755','size=65536k']},"
		"{'destination':'/dev/pts','type':'devpts','source':'devpts',"
		" 'options':['newinstance','ptmxmode=0666','mode=0620','gid=5']},"
		"{'destination':'/dev/shm','type':'bind','source':'/s/shm',"
		" 'options':['bind','rprivate','nosuid','noexec','nodev']},"
		"{'destination':'/dev/mqueue','type':'mqueue','source':'mqueue'},"
		"{'destination':'/sys','type':'sysfs','source':'sysfs','options':['ro']},"
		"{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup',"
		" 'options':['rprivate','relatime','ro']},"
		"{'destination':'/scratch','type':'tmpfs','options':['rw','tmpcopyup']},"
		"{'destination':'/etc/hosts','type':'bind','source':'/s/hosts',"
		" 'options':['rbind','rprivate']}],"
		"'annotations':{'io.container.manager':'libpod'},"
		"'linux':{'sysctl':{'net.ipv4.ping_group_range':'0 0'},"
		"'resources':{'devices':[{'allow':false,'access':'rwm'}],"
		" 'memory':{'limit':67108864,'swap':134217728,'disableOOMKiller':false},"
		" 'cpu':{'shares':0,'quota':50000,'period':100000},'pids':{'limit':50},"
		" 'blockIO':{'weight':0}},'cgroupsPath':'/docker/x',"
		"'seccomp':{'defaultAction':'SCMP_ACT_ERRNO'}}}";
	AUTO_FREE char *text = changed_config_text(engine);
	struct container_config *config = NULL;

	if (!ok(container_config_parse(text, strlen(text), "/b", &config, &err) == 0))
		printf("# %s\n", err.text);
	container_config_free(config);
}

static void test_load(void)
{
	AUTO_FREE char *text =
		changed_config_text("{'annotations':{'a':'b'},'mounts':["
				    "{'destination':'/a','type':'bind','source':'volume'},"
				    "{'destination':'/b','type':'bind','source':'notes.txt'},"
				    "{'destination':'/c','type':'bind','source':'/dev/null'},"
				    "{'destination':'/d','type':'tmpfs','source':'nothing'}]}");
	struct container_config *config = NULL;
	AUTO_CLOSE int fd = -1;
	char scratch[SCRATCH_DIR_SIZE];
	char rootfs[SCRATCH_DIR_SIZE + 8];

	scratch_dir_make(scratch);
	fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(bundle_files_write(fd) == 0);
	is_int(file_replace(fd, "config.json", text, strlen(text), &err), 0);
	if (!is_int(container_config_load(fd, CONTAINER_CONFIG_NAME, scratch, &container_defaults,
					  &config, &err),
		    0))
		return;
	(void)snprintf(rootfs, sizeof(rootfs), "%s/rootfs", scratch);
	is_str(config->rootfs, rootfs);
	is_str(config->text, text);
	is_str(json_string_value(json_object_get(config->annotations, "a")), "b");
	ok(!config->mounts[0].is_file);
	ok(config->mounts[1].is_file);
	ok(config->mounts[2].is_file);
	ok(!config->mounts[3].is_file);
	container_config_free(config);
	scratch_dir_remove(scratch);
}

static void test_process_file(void)
{
	static const char good[] = "{\"args\":[\"id\"],\"cwd\":\"/\",\"user\":{\"uid\":5},"
				   "\"capabilities\":{\"bounding\":[\"CAP_X\"]}}";
	static const char bad[] = "{\"args\":[\"id\"],\"cwd\":\"x\"}";
	static const char refused[] = "{\"args\":[\"id\"],\"cwd\":\"/\",\"commandLine\":\"x\"}";
	struct container_process process = { 0 };
	struct text_list warnings = { 0 };
	AUTO_CLOSE int fd = -1;
	char scratch[SCRATCH_DIR_SIZE];
	char path[SCRATCH_DIR_SIZE + 16];
	char want[256];

	scratch_dir_make(scratch);
	fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/p.json", scratch);
	is_int(container_process_load(path, &process, &warnings, &err), -ENOENT);

	is_int(file_replace(fd, "p.json", good, strlen(good), &err), 0);
	is_int(container_process_load(path, &process, &warnings, &err), 0);
	is_int(process.uid, 5);
	is_str(process.args.items[0], "id");
	is_int(warnings.count, 1);
	container_process_clear(&process);
	text_list_clear(&warnings);
	ok(!process.cwd);

	is_int(file_replace(fd, "p.json", bad, strlen(bad), &err), 0);
	is_int(container_process_load(path, &process, &warnings, &err), -EINVAL);
	(void)snprintf(want, sizeof(want), "%s: cwd: must be an absolute path", path);
	is_str(err.text, want);

	is_int(file_replace(fd, "p.json", refused, strlen(refused), &err), 0);
	is_int(container_process_load(path, &process, &warnings, &err), -EINVAL);
	(void)snprintf(want, sizeof(want), "%s: commandLine is not supported", path);
	is_str(err.text, want);
	scratch_dir_remove(scratch);
}

/* Thousands of notes are cut short, and the error stays one that fits. */
static void test_many_refusals(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct container_config *config = NULL;
	AUTO_FREE char *whole = NULL;

	(void)fprintf(out, "{'linux':{'devices':[");
	for (int i = 0; i < 5000; i++)
		(void)fprintf(out, "%s{'path':'/dev/x','type':'b','major':1,'minor':%d}",
			      i ? "," : "", i);
	(void)fprintf(out, "]}}");
	(void)fclose(out);
	whole = changed_config_text(text);
	is_int(container_config_parse(whole, strlen(whole), "/b", &config, &err), -EINVAL);
	ok(strstr(err.text, "linux.devices[0]: \"/dev/x\" (b 1:0) is a host device"));
	ok(strlen(err.text) < sizeof(err.text));
	free(text);
}

int main(void)
{
	test_defaults();
	test_process();
	test_absent_capabilities_are_none();
	test_versions();
	test_unknown_members_are_ignored();
	test_root();
	test_guest_mounts();
	test_binds();
	test_linux();
	test_labels_are_warned_about();
	test_memory();
	test_cpus();
	test_limits_that_limit_nothing();
	test_engines();
	test_load();
	test_process_file();
	test_many_refusals();
	container_config_free(NULL);
	return tap_done();
}
