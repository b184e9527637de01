/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/malformed_configs.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/error.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"

#define DEPTH 100000

static const char good[] =
	"{'ociVersion': '1.0.2',"
	" 'process': {'terminal': false, 'user': {'uid': 0, 'gid': 0}, 'args': ['true'],"
	"  'env': ['PATH=/bin'], 'cwd': '/',"
	"  'capabilities': {'bounding': ['CAP_KILL'], 'effective': ['CAP_KILL']},"
	"  'rlimits': [{'type': 'RLIMIT_NOFILE', 'soft': 1024, 'hard': 1024}]},"
	" 'root': {'path': 'rootfs'},"
	" 'hostname': 'box',"
	" 'mounts': [{'destination': '/proc', 'type': 'proc', 'source': 'proc'}],"
	" 'linux': {'namespaces': [{'type': 'pid'}, {'type': 'network'}, {'type': 'mount'},"
	"   {'type': 'ipc'}, {'type': 'uts'}]}}";

#define NS(more) "{'linux':{'namespaces':[{'type':'network'}" more "]}}"
#define PROCESS(member) "{'process':{" member "}}"
#define SCHEDULER(members) PROCESS("'scheduler':{" members "}")
#define AFFINITY(members) PROCESS("'execCPUAffinity':{" members "}")
#define RLIMIT(text) "{'process':{'rlimits':[{'type':'RLIMIT_CORE','soft':0,'hard':0}," text "]}}"
#define MOUNT(members) "{'mounts':[{'destination':'/a','type':'tmpfs'},{" members "}]}"
#define BIND(members) MOUNT("'destination':'/b','type':'bind'" members)
#define SECCOMP(first, second)                                                                     \
	LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ERRNO'," first "," second "}")
#define RULE(members) SECCOMP("'x':1", "'syscalls':[{" members "}]")
#define LINUX(member) "{'linux':{" member "}}"
#define RESOURCES(member) "{'linux':{'resources':{" member "}}}"
#define DEVICE(members) "{'linux':{'devices':[{" members "}]}}"
#define CLOCKS(members)                                                                            \
	"{'linux':{'namespaces':[{'type':'network'},{'type':'time'}],"                             \
	"'timeOffsets':{" members "}}}"
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

#define FIELD(change, expect)                                                                      \
	{                                                                                          \
		change, expect, MALFORMED_FIELD                                                    \
	}

const struct malformed_config malformed_configs[] = {
	/* The file. */
	{ NULL, "config.json: no such file or directory", MALFORMED_MISSING },
	{ NULL, "config.json is not a regular file", MALFORMED_DIRECTORY },
	{ NULL, "config.json is not a regular file", MALFORMED_FIFO },
	{ NULL, "config.json is larger than 16777216 bytes", MALFORMED_HUGE },

	/* The JSON. */
	{ "", "line 1, column 0: ", MALFORMED_TEXT },
	{ "   \n\t\n", "line 3, column 0: ", MALFORMED_TEXT },
	{ "null", "line 1, column 4: ", MALFORMED_TEXT },
	{ "[]", "must be an object", MALFORMED_TEXT },
	{ "\"text\"", "line 1, column ", MALFORMED_TEXT },
	{ "{}", "ociVersion: is missing", MALFORMED_TEXT },
	{ "{} {}", "line 1, column 4: end of file expected", MALFORMED_TEXT },
	{ "{\"ociVersion\": }", "line 1, column ", MALFORMED_TEXT },
	{ "{\"ociVersion\": \"1.0.0\",}", "line 1, column ", MALFORMED_TEXT },
	{ "{\"ociVersion\": \"1.0.0\", \"ociVersion\": \"1.0.0\"}", "duplicate object key",
	  MALFORMED_TEXT },
	{ "{\"hostname\": \"\xff\xfe\"}", "unable to decode byte 0xff", MALFORMED_TEXT },
	{ "{\"hostname\": \"\xed\xa0\x80\"}", "unable to decode byte 0xed", MALFORMED_TEXT },
	{ "{\"hostname\": \"a\\u0000b\"}", "\\u0000 is not allowed", MALFORMED_TEXT },
	{ "{\"hostname\": \"\\ud800\"}", "invalid Unicode", MALFORMED_TEXT },
	{ "{\"hostname\": \"a\tb\"}", "control character 0x9", MALFORMED_TEXT },
	{ "{\"hostname\": \"a\nb\"}", "unexpected newline", MALFORMED_TEXT },
	{ "{'hostname': 1}", "string or '}' expected", MALFORMED_TEXT },
	{ "{\"a\": 1e999}", "real number overflow", MALFORMED_TEXT },
	{ "{\"a\": 0x10}", "line 1, column ", MALFORMED_TEXT },
	{ "{\"a\": NaN}", "line 1, column ", MALFORMED_TEXT },
	{ "\xef\xbb\xbf{}", "line 1, column ", MALFORMED_TEXT },
	{ NULL, "line 1, column ", MALFORMED_NUL },
	{ NULL, "line 1, column ", MALFORMED_TRUNCATED },
	{ NULL, "maximum parsing depth reached", MALFORMED_DEEP },

	/* The top. */
	FIELD("{'ociVersion':null}", "ociVersion: is missing"),
	FIELD("{'ociVersion':1}", "ociVersion: must be a string"),
	FIELD("{'ociVersion':''}", "ociVersion: \"\" is not a version this runtime knows (1.x.y)"),
	FIELD("{'ociVersion':'2.0.0'}", "ociVersion: \"2.0.0\" is not a version"),
	FIELD("{'ociVersion':'1.0'}", "ociVersion: \"1.0\" is not a version"),
	FIELD("{'ociVersion':'1.0.0x'}", "ociVersion: \"1.0.0x\" is not a version"),
	FIELD("{'ociVersion':'1.-1.0'}", "ociVersion: \"1.-1.0\" is not a version"),
	FIELD("{'ociVersion':'1.0.2\\n'}", "ociVersion: \"1.0.2\\n\" is not a version"),
	FIELD("{'hostname':5}", "hostname: must be a string"),
	FIELD("{'hostname':'" X64 "x'}", "hostname: is longer than 64 bytes"),
	FIELD("{'domainname':'" X64 "x'}", "domainname: is longer than 64 bytes"),
	FIELD("{'annotations':[]}", "annotations: must be an object"),
	FIELD("{'annotations':{'a':'b','c':1}}", "annotations.c: must be a string"),
	FIELD("{'annotations':{'c':null}}", "annotations.c: is missing"),
	FIELD("{'annotations':{'\\u0007':1}}", "annotations.?: must be a string"),
	FIELD("{'annotations':{'krun.cpus':'4'}}", "annotations.krun.cpus: is not supported"),
	FIELD("{'annotations':{'run.oci.handler':'krun'}}", "annotations.run.oci.handler: is not"),
	FIELD("{'annotations':{'bulkhead.':'1'}}", "annotations.bulkhead.: is not supported"),
	FIELD("{'annotations':{'bulkhead.vcpus':'0'}}",
	      "annotations.bulkhead.vcpus: must be a whole number from 1 to 32"),
	FIELD("{'annotations':{'bulkhead.vcpus':'33'}}", "annotations.bulkhead.vcpus: must be"),
	FIELD("{'annotations':{'bulkhead.vcpus':''}}", "annotations.bulkhead.vcpus: must be"),
	FIELD("{'annotations':{'bulkhead.vcpus':'+2'}}", "annotations.bulkhead.vcpus: must be"),
	FIELD("{'annotations':{'bulkhead.vcpus':2}}", "annotations.bulkhead.vcpus: must be a s"),
	FIELD("{'annotations':{'bulkhead.memory':'256m'}}", "annotations.bulkhead.memory: must be"),
	FIELD("{'annotations':{'bulkhead.memory':'1'}}",
	      "annotations.bulkhead.memory: must be a whole number from 67108864 to 1099511627776"),
	FIELD("{'annotations':{'bulkhead.memory':'99999999999999999999'}}",
	      "annotations.bulkhead.memory: must be"),
	FIELD("{'annotations':{'bulkhead.memory':'134217728'},"
	      "'linux':{'resources':{'memory':{'limit':134217728}}}}",
	      "linux.resources.memory.limit: needs a virtual machine of "),
	FIELD("{'hooks':1}", "hooks: must be an object"),
	FIELD("{'hooks':{'prestart':{}}}", "hooks.prestart: must be an array"),
	FIELD("{'hooks':{'prestart':[{'path':'/x'},1]}}", "hooks.prestart[1]: must be an object"),
	FIELD("{'hooks':{'createRuntime':[{}]}}", "hooks.createRuntime[0].path: is missing"),
	FIELD("{'hooks':{'createContainer':[{'path':1}]}}",
	      "hooks.createContainer[0].path: must be a string"),
	FIELD("{'hooks':{'startContainer':[{'path':''}]}}",
	      "hooks.startContainer[0].path: \"\" is not an absolute path"),
	FIELD("{'hooks':{'poststop':[{'path':'x/y'}]}}",
	      "hooks.poststop[0].path: \"x/y\" is not an absolute path"),
	FIELD("{'hooks':{'poststart':[{'path':'/x','args':'a'}]}}",
	      "hooks.poststart[0].args: must be an array"),
	FIELD("{'hooks':{'poststart':[{'path':'/x','env':['A=b',1]}]}}",
	      "hooks.poststart[0].env[1]: must be a string"),
	FIELD("{'hooks':{'prestart':[{'path':'/x','timeout':0}]}}",
	      "hooks.prestart[0].timeout: must be a whole number from 1 to 2147483647"),
	FIELD("{'hooks':{'prestart':[{'path':'/x','timeout':'1s'}]}}",
	      "hooks.prestart[0].timeout: must be a number"),
	FIELD("{'vm':{'hypervisor':{'path':'/x'}}}", "vm is not supported"),
	FIELD("{'windows':{'layerFolders':['x']}}", "windows is not supported"),
	FIELD("{'windows':{'x':1},'vm':{'kernel':{}}}",
	      "vm is not supported; windows is not supported"),

	/* root */
	FIELD("{'root':null}", "root: is missing"),
	FIELD("{'root':'rootfs'}", "root: must be an object"),
	FIELD("{'root':{'path':null}}", "root.path: is missing"),
	FIELD("{'root':{'path':''}}", "root.path: must not be empty"),
	FIELD("{'root':{'path':['rootfs']}}", "root.path: must be a string"),
	FIELD("{'root':{'path':'nothing'}}", "/nothing: no such file or directory"),
	FIELD("{'root':{'path':'notes.txt'}}", "/notes.txt: not a directory"),
	FIELD("{'root':{'readonly':1}}", "root.readonly: must be true or false"),

	/* process */
	FIELD("{'process':null}", "process: is missing"),
	FIELD("{'process':[]}", "process: must be an object"),
	FIELD(PROCESS("'terminal':'yes'"), "process.terminal: must be true or false"),
	FIELD(PROCESS("'consoleSize':[80,25]"), "process.consoleSize: must be an object"),
	FIELD(PROCESS("'consoleSize':{'height':-1,'width':80}"),
	      "process.consoleSize.height: must be a whole number from 0 to 65535"),
	FIELD(PROCESS("'consoleSize':{'height':1,'width':65536}"),
	      "process.consoleSize.width: must be a whole number from 0 to 65535"),
	FIELD(PROCESS("'args':null"), "process.args: is missing"),
	FIELD(PROCESS("'args':[]"), "process.args: must not be empty"),
	FIELD(PROCESS("'args':'sh'"), "process.args: must be an array"),
	FIELD(PROCESS("'args':['sh',1]"), "process.args[1]: must be a string"),
	FIELD(PROCESS("'args':['sh',null]"), "process.args[1]: is missing"),
	FIELD(PROCESS("'env':{'PATH':'/bin'}"), "process.env: must be an array"),
	FIELD(PROCESS("'env':['A=b','NOVALUE']"), "process.env[1]: must have the form NAME=VALUE"),
	FIELD(PROCESS("'env':['=b']"), "process.env[0]: must have the form NAME=VALUE"),
	FIELD(PROCESS("'cwd':null"), "process.cwd: is missing"),
	FIELD(PROCESS("'cwd':''"), "process.cwd: must be an absolute path"),
	FIELD(PROCESS("'cwd':'tmp'"), "process.cwd: must be an absolute path"),
	FIELD(PROCESS("'user':'root'"), "process.user: must be an object"),
	FIELD(PROCESS("'user':{'uid':-1}"), "process.user.uid: must be a whole number from 0 to"),
	FIELD(PROCESS("'user':{'uid':4294967295}"),
	      "process.user.uid: must be a whole number from 0 to 4294967294"),
	FIELD(PROCESS("'user':{'gid':1.5}"), "process.user.gid: must be a whole number"),
	FIELD(PROCESS("'user':{'gid':'0'}"), "process.user.gid: must be a number"),
	FIELD(PROCESS("'user':{'umask':512}"),
	      "process.user.umask: must be a whole number from 0 to 511"),
	FIELD(PROCESS("'user':{'additionalGids':[0,4294967296]}"),
	      "process.user.additionalGids[1]: must be a whole number"),
	FIELD(PROCESS("'user':{'additionalGids':[18446744073709551616]}"),
	      "process.user.additionalGids[0]: must be a whole number"),
	FIELD(PROCESS("'capabilities':['CAP_KILL']"), "process.capabilities: must be an object"),
	FIELD(PROCESS("'capabilities':{'bounding':'CAP_KILL'}"),
	      "process.capabilities.bounding: must be an array"),
	FIELD(PROCESS("'capabilities':{'ambient':[5]}"),
	      "process.capabilities.ambient[0]: must be a string"),
	FIELD(PROCESS("'rlimits':{}"), "process.rlimits: must be an array"),
	FIELD(RLIMIT("null"), "process.rlimits[1].type: is missing"),
	FIELD(RLIMIT("{'soft':1,'hard':1}"), "process.rlimits[1].type: is missing"),
	FIELD(RLIMIT("{'type':'RLIMIT_X','soft':1,'hard':1}"),
	      "process.rlimits[1].type: unknown value \"RLIMIT_X\""),
	FIELD(RLIMIT("{'type':'RLIMIT_CPU','hard':1}"), "process.rlimits[1].soft: is missing"),
	FIELD(RLIMIT("{'type':'RLIMIT_CPU','soft':1}"), "process.rlimits[1].hard: is missing"),
	FIELD(RLIMIT("{'type':'RLIMIT_CPU','soft':-1,'hard':1}"),
	      "process.rlimits[1].soft: must be a whole number from 0"),
	FIELD(RLIMIT("{'type':'RLIMIT_CPU','soft':2,'hard':1}"),
	      "process.rlimits[1].soft: is larger than the hard limit"),
	FIELD(RLIMIT("{'type':'RLIMIT_CPU','soft':1,'hard':36893488147419103232}"),
	      "process.rlimits[1].hard: must be a whole number"),
	FIELD(RLIMIT("{'type':'RLIMIT_CORE','soft':1,'hard':1}"),
	      "process.rlimits[1].type: duplicate RLIMIT_CORE"),
	FIELD(PROCESS("'oomScoreAdj':1001"),
	      "process.oomScoreAdj: must be a whole number from -1000 to 1000"),
	FIELD(PROCESS("'noNewPrivileges':0"), "process.noNewPrivileges: must be true or false"),
	FIELD(PROCESS("'apparmorProfile':false"), "process.apparmorProfile: must be a string"),
	FIELD(PROCESS("'commandLine':'cmd'"), "process.commandLine is not supported"),
	FIELD(PROCESS("'user':{'username':'x'}"), "process.user.username is not supported"),
	FIELD(PROCESS("'scheduler':'SCHED_FIFO'"), "process.scheduler: must be an object"),
	FIELD(SCHEDULER("'nice':1"), "process.scheduler.policy: is missing"),
	FIELD(SCHEDULER("'policy':'SCHED_FAIR'"),
	      "process.scheduler.policy: unknown value \"SCHED_FAIR\""),
	FIELD(SCHEDULER("'policy':'SCHED_ISO'"),
	      "process.scheduler.policy: SCHED_ISO is not supported"),
	FIELD(SCHEDULER("'policy':'SCHED_OTHER','nice':20"),
	      "process.scheduler.nice: must be a whole number from -20 to 19"),
	FIELD(SCHEDULER("'policy':'SCHED_OTHER','priority':1"),
	      "process.scheduler.priority: is for SCHED_FIFO and SCHED_RR only"),
	FIELD(SCHEDULER("'policy':'SCHED_FIFO'"),
	      "process.scheduler.priority: must be from 1 to 99 with SCHED_FIFO"),
	FIELD(SCHEDULER("'policy':'SCHED_RR','priority':100"),
	      "process.scheduler.priority: must be a whole number from 0 to 99"),
	FIELD(SCHEDULER("'policy':'SCHED_BATCH','deadline':5"),
	      "process.scheduler.deadline: is for SCHED_DEADLINE only"),
	FIELD(SCHEDULER("'policy':'SCHED_DEADLINE','period':-1"),
	      "process.scheduler.period: must be a whole number from 0"),
	FIELD(SCHEDULER("'policy':'SCHED_IDLE','flags':['SCHED_FLAG_X']"),
	      "process.scheduler.flags[0]: unknown value \"SCHED_FLAG_X\""),
	FIELD(SCHEDULER("'policy':'SCHED_IDLE','flags':['SCHED_FLAG_UTIL_CLAMP_MAX']"),
	      "process.scheduler.flags[0]: SCHED_FLAG_UTIL_CLAMP_MAX is not supported"),
	FIELD(PROCESS("'ioPriority':3"), "process.ioPriority: must be an object"),
	FIELD(PROCESS("'ioPriority':{'priority':3}"), "process.ioPriority.class: is missing"),
	FIELD(PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_NONE'}"),
	      "process.ioPriority.class: unknown value \"IOPRIO_CLASS_NONE\""),
	FIELD(PROCESS("'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}"),
	      "process.ioPriority.priority: must be a whole number from 0 to 7"),
	FIELD(AFFINITY("'initial':0"), "process.execCPUAffinity.initial: must be a string"),
	FIELD(AFFINITY("'initial':'all'"),
	      "process.execCPUAffinity.initial: is not a list of CPUs (0-3,7)"),
	FIELD(AFFINITY("'initial':'2-1'"), "process.execCPUAffinity.initial: is not a list"),
	FIELD(AFFINITY("'final':'0,'"), "process.execCPUAffinity.final: is not a list of CPUs"),
	FIELD(AFFINITY("'final':'0 1'"), "process.execCPUAffinity.final: is not a list of CPUs"),
	FIELD(AFFINITY("'final':'99999999999999999999'"),
	      "process.execCPUAffinity.final: names a CPU above 31"),
	FIELD(AFFINITY("'initial':'0','final':'0-1'"),
	      "process.execCPUAffinity.final: names a CPU above 0, the last one of the virtual"),

	/* mounts */
	FIELD("{'mounts':{}}", "mounts: must be an array"),
	FIELD("{'mounts':[null]}", "mounts[0]: is missing"),
	FIELD("{'mounts':['/proc']}", "mounts[0]: must be an object"),
	FIELD(MOUNT("'type':'tmpfs'"), "mounts[1].destination: is missing"),
	FIELD(MOUNT("'destination':'','type':'tmpfs'"), "mounts[1].destination: must not be empty"),
	FIELD(MOUNT("'destination':'/a/..','type':'tmpfs'"),
	      "mounts[1].destination: a mount over the root is not supported"),
	FIELD(MOUNT("'destination':'/b'"), "mounts[1].type: is missing"),
	FIELD(MOUNT("'destination':'/b','type':'nfs'"), "mounts[1].type: \"nfs\" is not supported"),
	FIELD(MOUNT("'destination':'/b','type':7"), "mounts[1].type: must be a string"),
	FIELD(MOUNT("'destination':'/b','type':'tmpfs','options':'ro'"),
	      "mounts[1].options: must be an array"),
	FIELD(MOUNT("'destination':'/b','type':'tmpfs','options':['ro',true]"),
	      "mounts[1].options[1]: must be a string"),
	FIELD(MOUNT("'destination':'/b','type':'proc','options':['tmpcopyup']"),
	      "mounts[1].options: tmpcopyup is for tmpfs only"),
	FIELD(BIND(""), "mounts[1].source: is missing"),
	FIELD(BIND(",'source':''"), "mounts[1].source: must not be empty"),
	FIELD(BIND(",'source':'nothing'"), "/nothing: no such file or directory"),
	FIELD(BIND(",'source':'notes.txt/x'"), "/notes.txt/x: not a directory"),
	FIELD(BIND(",'source':'fifo'"), "/fifo: binding a FIFO is not supported"),
	FIELD(BIND(",'source':'/dev/kmsg'"), "/dev/kmsg: binding a host device is not supported"),
	FIELD(BIND(",'source':'volume','options':['idmap']"),
	      "mounts[1].options[0]: idmap is not supported"),
	FIELD(BIND(",'source':'volume','uidMappings':[{'containerID':0,'hostID':1,'size':1}]"),
	      "mounts[1].uidMappings is not supported"),
	FIELD(BIND(",'source':'volume','options':['remount']"),
	      "mounts[1].options[0]: remount is not supported"),
	FIELD(MOUNT("'destination':'/b','type':'tmpfs','options':['remount','ro']"),
	      "mounts[1].options[0]: remount is not supported"),

	/* linux */
	FIELD("{'linux':[]}", "linux: must be an object"),
	FIELD("{'linux':null}", "linux.namespaces: no \"network\""),
	FIELD(LINUX("'namespaces':'pid'"), "linux.namespaces: must be an array"),
	FIELD(LINUX("'namespaces':[{'type':'pid'}]"),
	      "linux.namespaces: no \"network\": the host's network is not supported"),
	FIELD(NS(",'pid'"), "linux.namespaces[1]: must be an object"),
	FIELD(NS(",{}"), "linux.namespaces[1].type: is missing"),
	FIELD(NS(",{'type':'net'}"), "linux.namespaces[1].type: unknown value \"net\""),
	FIELD(NS(",{'type':'network'}"), "linux.namespaces[1].type: duplicate \"network\""),
	FIELD(NS(",{'type':'user'}"),
	      "linux.namespaces: user namespaces enabled, but no namespace path to join nor "
	      "mappings to apply specified"),
	FIELD(NS(",{'type':'user','path':'/proc/1/ns/user'}"),
	      "linux.namespaces[1].path: joining an existing user namespace is not supported"),
	FIELD(NS(",{'type':'pid','path':'/proc/1/ns/pid'}"),
	      "linux.namespaces[1].path: joining an existing pid namespace is not supported"),
	FIELD("{'linux':{'namespaces':[{'type':'network','path':'ns/net'}]}}",
	      "linux.namespaces[0].path: must be an absolute path"),
	FIELD(LINUX("'sysctl':[]"), "linux.sysctl: must be an object"),
	FIELD(LINUX("'sysctl':{'net.ipv4.ip_forward':1}"),
	      "linux.sysctl.net.ipv4.ip_forward: must be a string"),
	FIELD(LINUX("'sysctl':{'net/../../x':'1'}"),
	      "linux.sysctl.net/../../x: is not the name of a setting"),
	FIELD(LINUX("'sysctl':{'kernel..x':'1'}"), "linux.sysctl.kernel..x: is not the name"),
	FIELD(LINUX("'sysctl':{'.kernel':'1'}"), "linux.sysctl..kernel: is not the name"),
	FIELD(LINUX("'sysctl':{'':'1'}"), "linux.sysctl.: is not the name of a setting"),
	FIELD(LINUX("'maskedPaths':['proc/kcore']"),
	      "linux.maskedPaths[0]: must be an absolute path"),
	FIELD(LINUX("'readonlyPaths':['/proc/sys',{}]"),
	      "linux.readonlyPaths[1]: must be a string"),
	FIELD(LINUX("'rootfsPropagation':'sideways'"),
	      "linux.rootfsPropagation: unknown value \"sideways\""),
	FIELD(LINUX("'seccomp':[]"), "linux.seccomp: must be an object"),
	FIELD(LINUX("'seccomp':{'syscalls':[]}"), "linux.seccomp.defaultAction: is missing"),
	FIELD(SECCOMP("'x':1", "'syscalls':{}"), "linux.seccomp.syscalls: must be an array"),
	FIELD(SECCOMP("'x':1", "'flags':['SECCOMP_FILTER_FLAG_X']"),
	      "linux.seccomp.flags[0]: unknown value \"SECCOMP_FILTER_FLAG_X\""),
	FIELD(SECCOMP("'x':1", "'architectures':['X86_64']"),
	      "linux.seccomp.architectures[0]: unknown architecture"),
	FIELD(SECCOMP("'x':1", "'architectures':['SCMP_ARCH_PDP11']"),
	      "linux.seccomp.architectures[0]: unknown architecture"),
	FIELD(SECCOMP("'x':1", "'listenerPath':'/run/listener'"),
	      "linux.seccomp.listenerPath is not supported"),
	FIELD(SECCOMP("'defaultErrnoRet':4096", "'syscalls':[]"),
	      "linux.seccomp.defaultErrnoRet: must be a whole number from 0 to 4095"),
	FIELD(RULE("'action':'SCMP_ACT_ALLOW'"), "linux.seccomp.syscalls[0].names: is missing"),
	FIELD(RULE("'names':['read']"), "linux.seccomp.syscalls[0].action: is missing"),
	FIELD(RULE("'names':['read'],'action':'ALLOW'"),
	      "linux.seccomp.syscalls[0].action: unknown value \"ALLOW\""),
	FIELD(RULE("'names':['read'],'action':'SCMP_ACT_NOTIFY'"),
	      "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported"),
	FIELD(RULE("'names':['read',7],'action':'SCMP_ACT_ALLOW'"),
	      "linux.seccomp.syscalls[0].names[1]: must be a string"),
	FIELD(RULE("'names':['read'],'action':'SCMP_ACT_ALLOW','args':[{'op':'SCMP_CMP_EQ'}]"),
	      "linux.seccomp.syscalls[0].args[0].index: is missing"),
	FIELD(RULE("'names':['read'],'action':'SCMP_ACT_ALLOW',"
		   "'args':[{'index':6,'op':'SCMP_CMP_EQ'}]"),
	      "linux.seccomp.syscalls[0].args[0].index: must be a whole number from 0 to 5"),
	FIELD(RULE("'names':['read'],'action':'SCMP_ACT_ALLOW','args':[{'index':1,'op':'<'}]"),
	      "linux.seccomp.syscalls[0].args[0].op: unknown value \"<\""),
	FIELD(LINUX("'intelRdt':{'closID':'x'}"), "linux.intelRdt.closID is not supported"),
	FIELD(LINUX("'intelRdt':{'enableMBM':true}"), "linux.intelRdt.enableMBM is not supported"),
	FIELD(LINUX("'intelRdt':{'enableCMT':1}"),
	      "linux.intelRdt.enableCMT: must be true or false"),
	FIELD(LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	      "linux.uidMappings: user namespace mappings specified, but user namespace isn't "
	      "enabled in the config"),
	FIELD(LINUX("'gidMappings':[{'containerID':0,'hostID':0,'size':1}]"),
	      "linux.gidMappings: user namespace mappings specified, but user namespace isn't "
	      "enabled in the config"),
	FIELD(LINUX("'timeOffsets':{'monotonic':{'secs':1}}"),
	      "linux.timeOffsets: needs a \"time\" namespace"),
	FIELD(CLOCKS("'realtime':{'secs':1}"),
	      "linux.timeOffsets.realtime: is not a clock with an offset"),
	FIELD(CLOCKS("'monotonic':1"), "linux.timeOffsets.monotonic: must be an object"),
	FIELD(CLOCKS("'boottime':{'secs':'1'}"), "linux.timeOffsets.boottime.secs: must be a"),
	FIELD(CLOCKS("'boottime':{'nanosecs':1000000000}"),
	      "linux.timeOffsets.boottime.nanosecs: must be a whole number from 0 to 999999999"),
	FIELD(LINUX("'netDevices':{'eth0':{}}"), "linux.netDevices is not supported"),
	FIELD(LINUX("'memoryPolicy':{'mode':'MPOL_BIND'}"), "linux.memoryPolicy is not supported"),
	FIELD(LINUX("'personality':{'domain':'BSD'}"),
	      "linux.personality.domain: unknown value \"BSD\""),
	FIELD(LINUX("'personality':{'flags':['ADDR_NO_RANDOMIZE']}"),
	      "linux.personality.domain: is missing"),
	FIELD(LINUX("'personality':{'domain':'LINUX','flags':['ADDR_NO_RANDOMIZE']}"),
	      "linux.personality.flags is not supported"),
	FIELD(LINUX("'cgroupsPath':{}"), "linux.cgroupsPath: must be a string"),
	FIELD(DEVICE("'type':'c','major':1,'minor':3"), "linux.devices[0].path: is missing"),
	FIELD(DEVICE("'path':'null','type':'c','major':1,'minor':3"),
	      "linux.devices[0].path: must be an absolute path"),
	FIELD(DEVICE("'path':'/dev/x','type':'z'"), "linux.devices[0].type: unknown value \"z\""),
	FIELD(DEVICE("'path':'/dev/x','type':'c','major':1"), "linux.devices[0].minor: is missing"),
	FIELD(DEVICE("'path':'/dev/x','type':'c','major':-1,'minor':3"),
	      "linux.devices[0].major: must be a whole number"),
	FIELD(DEVICE("'path':'/dev/null','type':'c','major':1,'minor':3,'fileMode':65536"),
	      "linux.devices[0].fileMode: must be a whole number from 0 to 65535"),
	FIELD(DEVICE("'path':'/dev/sda','type':'b','major':8,'minor':0"),
	      "linux.devices[0]: \"/dev/sda\" (b 8:0) is a host device, which is not supported"),
	FIELD(DEVICE("'path':'/dev/kvm','type':'c','major':10,'minor':232"),
	      "linux.devices[0]: \"/dev/kvm\" (c 10:232) is a host device"),

	/* linux.resources */
	FIELD(LINUX("'resources':[]"), "linux.resources: must be an object"),
	FIELD(RESOURCES("'memory':5"), "linux.resources.memory: must be an object"),
	FIELD(RESOURCES("'memory':{'limit':'64m'}"),
	      "linux.resources.memory.limit: must be a number"),
	FIELD(RESOURCES("'memory':{'limit':-2}"), "linux.resources.memory.limit: must be a whole"),
	FIELD(RESOURCES("'memory':{'limit':9223372036854775807}"),
	      "linux.resources.memory.limit: must be a whole number from -1 to 1099511627776"),
	FIELD(RESOURCES("'memory':{'limit':134217728,'swap':134217727}"),
	      "linux.resources.memory.swap: is smaller than the memory limit"),
	FIELD(RESOURCES("'memory':{'swap':134217727}"),
	      "linux.resources.memory.swap: needs a memory limit"),
	FIELD(RESOURCES("'memory':{'reservation':'1m'}"),
	      "linux.resources.memory.reservation: must be a number"),
	FIELD(RESOURCES("'memory':{'checkBeforeUpdate':1}"),
	      "linux.resources.memory.checkBeforeUpdate: must be true or false"),
	FIELD(RESOURCES("'memory':{'disableOOMKiller':true}"),
	      "linux.resources.memory.disableOOMKiller is not supported"),
	FIELD(RESOURCES("'memory':{'swappiness':101}"),
	      "linux.resources.memory.swappiness: must be a whole number from 0 to 100"),
	FIELD(RESOURCES("'cpu':{'quota':50}"), "linux.resources.cpu.quota: must be at least 1000"),
	FIELD(RESOURCES("'cpu':{'quota':50000,'period':999}"),
	      "linux.resources.cpu.period: must be at least 1000"),
	FIELD(RESOURCES("'cpu':{'quota':50000,'period':1000001}"),
	      "linux.resources.cpu.period: must be a whole number from 0 to 1000000"),
	FIELD(RESOURCES("'cpu':{'quota':50000,'burst':50001}"),
	      "linux.resources.cpu.burst: is larger than the quota"),
	FIELD(RESOURCES("'cpu':{'shares':-1}"), "linux.resources.cpu.shares: must be a whole"),
	FIELD(RESOURCES("'cpu':{'idle':2}"),
	      "linux.resources.cpu.idle: must be a whole number from 0 to 1"),
	FIELD(RESOURCES("'cpu':{'cpus':'0-1-2'}"),
	      "linux.resources.cpu.cpus: must be a list of numbers"),
	FIELD(RESOURCES("'cpu':{'cpus':'1,'}"),
	      "linux.resources.cpu.cpus: must be a list of numbers"),
	FIELD(RESOURCES("'cpu':{'mems':'a'}"),
	      "linux.resources.cpu.mems: must be a list of numbers"),
	FIELD(RESOURCES("'cpu':{'realtimeRuntime':1}"),
	      "linux.resources.cpu.realtimeRuntime is not supported"),
	FIELD(RESOURCES("'pids':{'limit':-2}"), "linux.resources.pids.limit: must be a whole"),
	FIELD(RESOURCES("'pids':5"), "linux.resources.pids: must be an object"),
	FIELD(RESOURCES("'blockIO':{'leafWeight':500}"),
	      "linux.resources.blockIO.leafWeight is not supported"),
	FIELD(RESOURCES("'blockIO':{'weight':9}"),
	      "linux.resources.blockIO.weight: must be at least 10"),
	FIELD(RESOURCES("'blockIO':{'throttleReadBpsDevice':[{'major':8,'rate':5}]}"),
	      "linux.resources.blockIO.throttleReadBpsDevice[0].minor: is missing"),
	FIELD(RESOURCES("'hugepageLimits':[{'pageSize':'2MB','limit':1}]"),
	      "linux.resources.hugepageLimits[0].limit is not supported"),
	FIELD(RESOURCES("'unified':{'memory.high':1}"),
	      "linux.resources.unified.memory.high: must be a string"),
	FIELD(RESOURCES("'unified':{'../memory.high':'1'}"),
	      "linux.resources.unified.../memory.high: must be a file name (no slashes)"),
	FIELD(RESOURCES("'unified':{'memory':'1'}"),
	      "linux.resources.unified.memory: must be in the form CONTROLLER.PARAMETER"),
	FIELD(RESOURCES("'unified':{'.x':'1'}"),
	      "linux.resources.unified..x: must be in the form CONTROLLER.PARAMETER"),
	FIELD(RESOURCES("'unified':{'hugetlb.2MB.max':'1'}"),
	      "linux.resources.unified.hugetlb.2MB.max: controller \"hugetlb\" not available"),
	FIELD(RESOURCES("'unified':{'cgroup.freeze':'1'}"),
	      "linux.resources.unified.cgroup.freeze is not supported"),
	FIELD(RESOURCES("'rdma':{'mlx5':{'hcaHandles':1}}"),
	      "linux.resources.rdma is not supported"),
	FIELD(RESOURCES("'network':{'classID':1}"),
	      "linux.resources.network.classID is not supported"),
	FIELD(RESOURCES("'devices':[{'access':'rwm'}]"),
	      "linux.resources.devices[0].allow: is missing"),
	FIELD(RESOURCES("'devices':[{'allow':false,'access':'rwx'}]"),
	      "linux.resources.devices[0].access: must be made of r, w and m"),
	FIELD(RESOURCES("'devices':[{'allow':false}]"),
	      "linux.resources.devices[0].access: must be made of r, w and m"),
	FIELD(RESOURCES("'devices':[{'allow':false,'type':'x'}]"),
	      "linux.resources.devices[0].type: unknown value \"x\""),

	/* Well-formed, and too much for the message to the guest. */
	{ NULL, "more than the 8388544 bytes a guest takes", MALFORMED_LONG_ENV },
};
const size_t nr_malformed_configs = ARRAY_SIZE(malformed_configs);

/* JSON of a text in which ' stands for ". */
static json_t *parse_quoted(const char *text)
{
	AUTO_FREE char *copy = strdup(text);

	for (char *c = copy; c && *c; c++)
		if (*c == '\'')
			*c = '"';
	/* As reals the numbers that are too large for an integer survive. */
	return copy ? json_loads(copy, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
}

/* Integers were made reals above; print them as integers again. */
static json_t *restore_integers(json_t *value)
{
	const char *name;
	json_t *member;
	size_t index;

	json_object_foreach (value, name, member)
		(void)json_object_set_new_nocheck(value, name, restore_integers(member));
	json_array_foreach (value, index, member)
		(void)json_array_set_new(value, index, restore_integers(member));
	if (json_is_real(value) && json_real_value(value) > -0x1p62 &&
	    json_real_value(value) < 0x1p62 &&
	    (double)(json_int_t)json_real_value(value) == json_real_value(value))
		return json_integer((json_int_t)json_real_value(value));
	return json_incref(value);
}

char *changed_config_text(const char *change)
{
	json_t *config = parse_quoted(good);
	json_t *merge = parse_quoted(change);
	json_t *whole = NULL;
	char *text = NULL;

	if (config && merge && json_object_update_recursive(config, merge) == 0)
		whole = restore_integers(config);
	if (whole)
		text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	json_decref(merge);
	json_decref(config);
	return text;
}

char *good_config_text(void)
{
	return changed_config_text("{}");
}

static int write_file(int dir_fd, const char *name, const char *text, size_t len)
{
	struct error err;

	return file_replace(dir_fd, name, text, len, &err) < 0 ? -1 : 0;
}

int bundle_files_write(int dir_fd)
{
	if (mkdirat(dir_fd, "rootfs", 0755) < 0 || mkdirat(dir_fd, "volume", 0755) < 0 ||
	    mknodat(dir_fd, "fifo", S_IFIFO | 0644, 0) < 0)
		return -1;
	return write_file(dir_fd, "notes.txt", "notes\n", 6);
}

static int write_repeated(int dir_fd, const char *start, char c, size_t count, const char *end)
{
	size_t start_len = strlen(start);
	size_t end_len = strlen(end);
	AUTO_FREE char *text = malloc(start_len + count + end_len);

	if (!text)
		return -1;
	memcpy(text, start, start_len);
	memset(text + start_len, c, count);
	memcpy(text + start_len + count, end, end_len);
	return write_file(dir_fd, "config.json", text, start_len + count + end_len);
}

/* The good configuration with a variable of 9 MiB. */
static int write_long_env(int dir_fd, const char *text)
{
	static const char before[] = "PATH=/bin";
	const char *place = strstr(text, before);
	AUTO_FREE char *start = NULL;

	if (!place)
		return -1;
	place += strlen(before);
	start = strndup(text, (size_t)(place - text));
	return start ? write_repeated(dir_fd, start, 'x', (size_t)9 << 20, place) : -1;
}

int malformed_config_write(const struct malformed_config *config, int dir_fd)
{
	AUTO_FREE char *text = config->kind == MALFORMED_FIELD ? changed_config_text(config->change)
							       : good_config_text();

	if (!text || bundle_files_write(dir_fd) < 0)
		return -1;
	switch (config->kind) {
	case MALFORMED_FIELD:
		return write_file(dir_fd, "config.json", text, strlen(text));
	case MALFORMED_TEXT:
		return write_file(dir_fd, "config.json", config->change, strlen(config->change));
	case MALFORMED_NUL:
		return write_file(dir_fd, "config.json", text, strlen(text) + 1);
	case MALFORMED_TRUNCATED:
		return write_file(dir_fd, "config.json", text, strlen(text) / 2);
	case MALFORMED_DEEP:
		return write_repeated(dir_fd, "", '[', DEPTH, "");
	case MALFORMED_HUGE:
		return write_repeated(dir_fd, "", ' ', CONTAINER_CONFIG_SIZE_MAX + 1, "");
	case MALFORMED_LONG_ENV:
		return write_long_env(dir_fd, text);
	case MALFORMED_DIRECTORY:
		return mkdirat(dir_fd, "config.json", 0755);
	case MALFORMED_FIFO:
		return mkfifoat(dir_fd, "config.json", 0644);
	case MALFORMED_MISSING:
		return 0;
	}
	return -1;
}
