/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_container.c - what a container finds inside: names, users, limits, mounts, devices */
#include <grp.h>
#include <sys/resource.h>

#include "tests/unit/guest_machine.h"

static void test_identity(void)
{
	json_t *plan = plan_make("hostname; echo $$; echo $HOME $A; cat /proc/1/comm; pwd; umask");
	struct machine machine;

	json_object_set_new(process_of(plan), "cwd", json_string("/made/on/demand"));
	json_object_set_new(process_of(plan), "umask", json_integer(027));
	run_plan(&machine, plan);
	is_str(machine.output, "inside\n1\n/root 1\nsh\n/made/on/demand\n0027\n");
}

static void test_user(void)
{
	json_t *plan = plan_make("id -u; id -g; grep ^Groups /proc/self/status; echo $HOME;"
				 "grep -E '^(Cap|NoNewPrivs)' /proc/self/status;"
				 "echo again > /dev/stdout; echo fd > /proc/self/fd/1");
	json_t *process = process_of(plan);
	struct machine machine;

	json_object_set_new(process, "uid", json_integer(1234));
	json_object_set_new(process, "gid", json_integer(5));
	json_object_set_new(process, "additionalGids", json_pack("[i,i]", 7, 9));
	json_object_set_new(process, "noNewPrivileges", json_true());
	json_object_set_new(process, "capabilities",
			    json_pack("{s:i,s:i,s:i,s:i,s:i}", "bounding", 0xff, "effective", 0x3,
				      "inheritable", 0x2, "permitted", 0x7, "ambient", 0x2));
	run_plan(&machine, plan);
	is_str(machine.output, "1234\n5\nGroups:\t7 9 \n/home/bob\n"
			       "CapInh:\t0000000000000002\nCapPrm:\t0000000000000002\n"
			       "CapEff:\t0000000000000002\nCapBnd:\t00000000000000ff\n"
			       "CapAmb:\t0000000000000002\nNoNewPrivs:\t1\nagain\nfd\n");
}

static void test_root_capabilities(void)
{
	struct machine machine;

	run_plan(&machine, plan_make("grep -E '^(Groups|Cap(Prm|Eff|Bnd))' /proc/self/status"));
	/* The groups of whoever started guest-init are not the container's. */
	is_str(machine.output, "Groups:\t \nCapPrm:\t00000000000001ff\nCapEff:\t00000000000001ff\n"
			       "CapBnd:\t00000000000001ff\n");
}

static void test_limits(void)
{
	json_t *plan = plan_make("ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; ulimit -c");
	struct machine machine;

	json_object_set_new(process_of(plan), "rlimits",
			    json_pack("[{s:i,s:i,s:i},{s:i,s:i,s:i}]", "resource", RLIMIT_NOFILE,
				      "soft", 77, "hard", 99, "resource", RLIMIT_CORE, "soft", 0,
				      "hard", 0));
	json_object_set_new(process_of(plan), "oomScoreAdj", json_integer(321));
	run_plan(&machine, plan);
	is_str(machine.output, "77\n99\n321\n0\n");
}

static void test_mounts(void)
{
	json_t *plan = plan_make(
		"cd /; cat /etc/hosts; echo x > /data/file && echo written; cat /dev/shm/shared;"
		"mount | grep -cE ' on /(sys|data) .*[(,]ro[,)]'; cat /opt/sub/copied;"
		"stat -c %u:%g:%a /opt/sub/copied; stat -c %a /volatile /fresh/tmp;"
		"mount | grep -c 'on /volatile type tmpfs (rw,nosuid,noexec'; ls /; ls /proc/1/fd; "
		"true");
	json_t *mounts = plan_mounts(plan);
	json_t *copied = MOUNT("/opt", "tmpfs", "tmpfs", 0, "");
	json_t *file = MOUNT("/etc/hosts", "bind", "/host/file", MS_BIND | MS_REC, "");
	struct machine machine;

	json_object_set_new(copied, "copyUp", json_true());
	json_object_set_new(file, "isFile", json_true());
	json_array_append_new(mounts, copied);
	json_array_append_new(mounts, file);
	json_array_append_new(mounts, MOUNT("/data", "bind", "/host/data",
					    MS_BIND | MS_REC | MS_RDONLY | MS_NOSUID, ""));
	json_array_append_new(mounts, MOUNT("/dev/shm", "bind", "/host/shm", MS_BIND, ""));
	json_array_append_new(mounts, MOUNT("/volatile", "tmpfs", "x", MS_NOSUID | MS_NOEXEC, ""));
	json_array_append_new(mounts, MOUNT("/fresh/tmp", "tmpfs", "x", 0, ""));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "127.0.0.1 volume\nshared\n2\ncopied\n7:8:640\n755\n1777\n1\n"
	       "bin\ndata\ndev\netc\nfresh\nhome\nopt\nprivate\nproc\nsys\nvolatile\n"
	       "0\n1\n2\n");
}

static void test_devices(void)
{
	json_t *plan = plan_make(
		"cd /dev; stat -c '%n %a %t:%T' null zero full random urandom tty extra net/deep;"
		"for i in fd stdin stdout stderr ptmx; do readlink $i; done; ls pts");
	struct machine machine;

	json_object_set_new(
		plan, "devices",
		json_pack("[{s:s,s:s,s:i,s:i,s:i,s:i,s:i},{s:s,s:s,s:i,s:i,s:i,s:i,s:i}]", "path",
			  "/dev/extra", "type", "c", "major", 10, "minor", 229, "mode", 0640, "uid",
			  0, "gid", 0, "path", "/dev/net/deep", "type", "p", "major", 0, "minor", 0,
			  "mode", 0600, "uid", 0, "gid", 0));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "null 666 1:3\nzero 666 1:5\nfull 666 1:7\nrandom 666 1:8\nurandom 666 1:9\n"
	       "tty 666 5:0\nextra 640 a:e5\nnet/deep 600 0:0\n"
	       "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
	       "ptmx\n");
}

static void test_restricted_paths(void)
{
	json_t *plan = plan_make("ls /private; cat /proc/filesystems; (echo x > /data/file) 2>&1;"
				 "touch /etc/new 2>&1; touch /dev/new 2>&1; touch /home/new 2>&1;"
				 "(echo 1 > /proc/sys/kernel/domainname) 2>&1");
	struct machine machine;

	json_object_set_new(plan, "maskedPaths",
			    json_pack("[s,s,s]", "/private", "/proc/filesystems", "/missing"));
	json_object_set_new(plan, "readonlyPaths",
			    json_pack("[s,s,s]", "/data", "/proc/sys", "/nope"));
	json_object_set_new(plan, "readonlyRootfs", json_true());
	json_object_set_new(json_array_get(plan_mounts(plan), 1), "flags",
			    json_integer(MS_RDONLY | MS_NOSUID));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "sh: can't create /data/file: Read-only file system\n"
	       "touch: /etc/new: Read-only file system\n"
	       "touch: /dev/new: Read-only file system\n"
	       "touch: /home/new: Read-only file system\n"
	       "sh: can't create /proc/sys/kernel/domainname: Read-only file system\n");
}

static void test_sysctl(void)
{
	json_t *plan = plan_make("cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax");
	struct machine machine;

	json_object_set_new(
		plan, "sysctl",
		json_pack("{s:s,s:s}", "kernel.msgmax", "4242", "kernel/domainname", "example"));
	run_plan(&machine, plan);
	is_str(machine.output, "example\n4242\n");

	plan = plan_make("true");
	json_object_set_new(plan, "sysctl", json_pack("{s:s}", "no.such", "1"));
	is_refused(plan, "sysctl \"no.such\" = \"1\": no such file or directory");
	plan = plan_make("true");
	json_object_set_new(plan, "sysctl", json_pack("{s:s}", "../../etc/passwd", "1"));
	is_refused(plan, "sysctl \"../../etc/passwd\" = \"1\": invalid argument");
}

/* Every namespace a plan can ask for is new, and a new network has its loopback interface up. */
static void test_namespaces(void)
{
	static const char *const names[] = { "pid", "mnt", "ipc", "uts", "cgroup", "net", "time" };
	json_t *plan = plan_make("cd /proc/self/ns; for i in pid mnt ipc uts cgroup net time; do "
				 "readlink $i; done; ip addr show lo | grep -c 'LOOPBACK,UP'");
	struct machine machine;
	char *line = machine.output;

	json_object_set_new(plan, "namespaces",
			    json_pack("[s,s,s,s,s,s,s]", "pid", "mount", "ipc", "uts", "cgroup",
				      "network", "time"));
	run_plan(&machine, plan);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		char ours[64];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, ours, sizeof(ours) - 1);
		must(n > 0, path);
		ours[n] = 0;
		ok(!strncmp(line, names[i], strlen(names[i])));
		ok(strncmp(line, ours, (size_t)n) != 0);
		line = strchrnul(line, '\n') + 1;
	}
	is_str(line, "1\n");
}

static void test_hostile_links(void)
{
	json_t *plan = plan_make("mount | grep -c 'on /var/missing/sub type tmpfs';"
				 "mount | grep -c 'on /etc type tmpfs'");
	struct machine machine;

	json_array_append_new(plan_mounts(plan), MOUNT("/home/dangling/sub", "tmpfs", "x", 0, ""));
	json_array_append_new(plan_mounts(plan), MOUNT("/home/escape", "tmpfs", "x", 0, ""));
	run_plan(&machine, plan);
	is_str(machine.output, "1\n1\n");
}

static void test_refusals(void)
{
	json_t *plan = plan_make(NULL);

	plan_set_args(plan, "nope", NULL);
	is_refused(plan, "exec: \"nope\": executable file not found in $PATH");
	plan = plan_make(NULL);
	plan_set_args(plan, "/nope", NULL);
	is_refused(plan, "exec: \"/nope\": stat /nope: no such file or directory");
	plan = plan_make(NULL);
	plan_set_args(plan, "/etc/passwd", NULL);
	is_refused(plan, "exec: \"/etc/passwd\": permission denied");
	plan = plan_make("true");
	json_array_append_new(plan_mounts(plan), MOUNT("/x", "tmpfs", "x", 0, "size=many"));
	is_refused(plan, "mount \"tmpfs\" to \"/x\": mount: tmpfs: Bad value for 'size'");
	plan = plan_make("true");
	json_array_append_new(plan_mounts(plan), MOUNT("/x", "nofs", "x", 0, ""));
	is_refused(plan, "mount \"nofs\" to \"/x\": mount: no such device");
	plan = plan_make("true");
	json_array_append_new(plan_mounts(plan), MOUNT("/gone", "bind", "x", MS_BIND, ""));
	is_refused(plan, "mount \"bind\" to \"/gone\": open the source: no such file or directory");
	plan = plan_make("true");
	json_object_set_new(process_of(plan), "cwd", json_string("/etc/passwd"));
	is_refused(plan, "chdir to cwd (\"/etc/passwd\") set in config.json failed: "
			 "not a directory");
	plan = plan_make("true");
	json_object_set_new(process_of(plan), "args", json_array());
	is_refused(plan, "process: args must not be empty");
	plan = plan_make("true");
	json_object_set_new(process_of(plan), "terminal", json_true());
	json_array_remove(plan_mounts(plan), 2);
	is_refused(plan, "open the terminal \"/dev/pts/ptmx\": no such file or directory");
}

int main(void)
{
	static const gid_t groups[] = { 0, 1, 27 };

	if (!machines_begin())
		return 0;
	ok(setgroups(sizeof(groups) / sizeof(*groups), groups) == 0);
	test_identity();
	test_user();
	test_root_capabilities();
	test_limits();
	test_mounts();
	test_devices();
	test_restricted_paths();
	test_sysctl();
	test_namespaces();
	test_hostile_links();
	test_refusals();
	return machines_end();
}
