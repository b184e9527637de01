/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_user_namespace.c - a container whose ids are others outside, and what joins it */
#include <sys/resource.h>

#include "tests/unit/guest_machine.h"

#define ALL_CAPABILITIES ((json_int_t)0x1ffffffffff)

static json_t *range(json_int_t inside, json_int_t outside, json_int_t count)
{
	return json_pack("{s:I, s:I, s:I}", "containerID", inside, "hostID", outside, "size",
			 count);
}

static void set_all_capabilities(json_t *process)
{
	json_object_set_new(process, "capabilities",
			    json_pack("{s:I,s:I,s:I,s:i,s:i}", "bounding", ALL_CAPABILITIES,
				      "effective", ALL_CAPABILITIES, "permitted", ALL_CAPABILITIES,
				      "inheritable", 0, "ambient", 0));
}

/* As engines ask for it: root is 100000 outside, and so is the owner of the root directory. */
static json_t *plan_make_mapped(const char *script)
{
	json_t *plan = plan_make(script);

	json_object_set_new(plan, "namespaces",
			    json_pack("[s,s,s,s,s,s,s]", "pid", "mount", "ipc", "uts", "cgroup",
				      "network", "user"));
	json_object_set_new(plan, "uidMappings",
			    json_pack("[o,o]", range(0, 100000, 1000), range(1000, 1, 9000)));
	json_object_set_new(plan, "gidMappings", json_pack("[o]", range(0, 200000, 65536)));
	json_object_set_new(process_of(plan), "cwd", json_string("/dev"));
	set_all_capabilities(process_of(plan));
	return plan;
}

static void test_ids(void)
{
	json_t *plan = plan_make_mapped(
		"cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g; grep ^Groups "
		"/proc/self/status; grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status;"
		"stat -c %u:%g /bin /opt/sub/copied /dev /dev/null /dev/fd/1; echo x > /dev/made;"
		"stat -c %u:%g /dev/made; cat /proc/self/setgroups; echo again > /dev/stdout");
	struct machine machine;

	json_object_set_new(process_of(plan), "additionalGids", json_pack("[i,i]", 7, 65535));
	run_plan(&machine, plan);
	is_str(machine.output, "         0     100000       1000\n"
			       "      1000          1       9000\n"
			       "         0     200000      65536\n"
			       "0\n0\nGroups:\t7 65535 \nCapPrm:\t000001ffffffffff\n"
			       "CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n"
			       "65534:65534\n1006:65534\n0:0\n0:0\n0:0\n0:0\nallow\nagain\n");
}

static void test_user(void)
{
	json_t *plan = plan_make_mapped("id -u; id -g; echo $HOME; echo again > /dev/stdout;"
					"cat /opt/sub/copied; grep ^CapEff /proc/self/status");
	struct machine machine;

	/* 7 outside, to whom a file of the tree belongs. */
	json_object_set_new(process_of(plan), "uid", json_integer(1006));
	json_object_set_new(process_of(plan), "gid", json_integer(5));
	run_plan(&machine, plan);
	is_str(machine.output, "1006\n5\n/\nagain\ncopied\nCapEff:\t0000000000000000\n");
}

static void test_owned_namespaces(void)
{
	json_t *plan = plan_make_mapped(
		"hostname; hostname other && hostname; cat /proc/sys/net/ipv4/ip_forward;"
		"cat /proc/sys/net/ipv4/ping_group_range; cat /proc/self/oom_score_adj; ulimit "
		"-Hn; ulimit -c;"
		"mount -t tmpfs x /home && touch /home/new && stat -c %u /home/new;"
		"ip link set lo down && echo down; mount | grep -cE 'on "
		"/(proc|sys|dev/mqueue|run)';"
		"busybox mknod /dev/node c 1 3 2>&1; cat /proc/mounts | grep -c ' / '; ls /stage "
		"/tree 2>&1; set -- $(cat /proc/self/stat); shift 18; echo nice $1");
	json_t *process = process_of(plan);
	struct machine machine;

	json_array_append_new(plan_mounts(plan),
			      MOUNT("/run", "cgroup2", "cgroup2", MS_NOSUID, ""));
	json_object_set_new(plan, "sysctl",
			    json_pack("{s:s, s:s}", "net.ipv4.ip_forward", "1",
				      "net.ipv4.ping_group_range", "0 65535"));
	json_object_set_new(process, "oomScoreAdj", json_integer(17));
	json_object_set_new(process, "scheduler",
			    json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i}", "policy", 0, "flags", 0,
				      "nice", -7, "priority", 0, "runtime", 0, "deadline", 0,
				      "period", 0));
	json_object_set_new(process, "rlimits",
			    json_pack("[{s:i,s:i,s:i},{s:i,s:i,s:i}]", "resource", RLIMIT_NOFILE,
				      "soft", 77, "hard", 99, "resource", RLIMIT_CORE, "soft", 0,
				      "hard", 0));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "inside\nother\n1\n0\t65535\n17\n99\n0\n0\ndown\n4\n"
	       "mknod: /dev/node: Operation not permitted\n1\n"
	       "ls: /stage: No such file or directory\nls: /tree: No such file or directory\n"
	       "nice -7\n");
}

static void test_devices(void)
{
	json_t *plan = plan_make_mapped(
		"cd /dev; stat -c '%n %a %t:%T %u:%g' null zero full random urandom tty extra pipe;"
		"echo x > null; head -c 3 zero | wc -c; cat null; (echo x > full) 2>&1; ls pts;"
		"readlink ptmx; head -c 9 urandom | wc -c");
	struct machine machine;

	json_object_set_new(
		plan, "devices",
		json_pack("[{s:s,s:s,s:i,s:i,s:i,s:i,s:i},{s:s,s:s,s:i,s:i,s:i,s:i,s:i}]", "path",
			  "/dev/extra", "type", "c", "major", 1, "minor", 3, "mode", 0640, "uid", 3,
			  "gid", 4, "path", "/dev/pipe", "type", "p", "major", 0, "minor", 0,
			  "mode", 0600, "uid", 5, "gid", 6));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "null 666 1:3 0:0\nzero 666 1:5 0:0\nfull 666 1:7 0:0\nrandom 666 1:8 0:0\n"
	       "urandom 666 1:9 0:0\ntty 666 5:0 0:0\nextra 640 1:3 3:4\npipe 600 0:0 5:6\n"
	       "3\nsh: write error: No space left on device\nptmx\npts/ptmx\n9\n");
}

static void test_mounts(void)
{
	json_t *plan = plan_make_mapped(
		"mount | grep -oE 'on /(data|etc/hosts|opt|volatile) .*'; cat /data/file;"
		"touch /data/new 2>&1; ls /private; stat -c %t:%T /etc/passwd;"
		"(echo 1 > /proc/sys/kernel/domainname) 2>&1; "
		"busybox umount -l / 2>&1");
	json_t *mounts = plan_mounts(plan);
	json_t *copied = MOUNT("/opt", "tmpfs", "tmpfs", 0, "mode=700,uid=3,gid=4");
	struct machine machine;

	json_t *nobodys = MOUNT("/volatile", "tmpfs", "tmpfs", 0, "");

	json_object_set_new(nobodys, "copyUp", json_true());
	json_array_append_new(mounts, nobodys);
	json_array_append_new(mounts, copied);
	json_array_append_new(mounts, MOUNT("/data", "bind", "/host/data",
					    MS_BIND | MS_RDONLY | MS_NOATIME | MS_NODEV, ""));
	json_object_set_new(plan, "maskedPaths", json_pack("[s,s]", "/private", "/etc/passwd"));
	json_object_set_new(plan, "readonlyPaths", json_pack("[s]", "/proc/sys"));
	json_object_set_new(plan, "readonlyRootfs", json_true());
	run_plan(&machine, plan);
	/* The root cannot be unmounted: what is below it is not the container's. */
	is_str(machine.output,
	       "on /volatile type tmpfs (rw,relatime,mode=755,uid=100000,"
	       "gid=265534)\non /opt type tmpfs (rw,relatime,mode=700,uid=100003,gid=200004)\n"
	       "on /data type tmpfs (ro,nodev,noatime)\ndata\n"
	       "touch: /data/new: Read-only file system\n1:3\n"
	       "sh: can't create /proc/sys/kernel/domainname: Read-only file "
	       "system\numount: can't unmount /: Invalid argument\n");
}

static void test_terminal(void)
{
	json_t *plan = plan_make_mapped("tty; stat -c %u:%g /dev/console $(tty); echo x > "
					"/dev/tty; echo y > /dev/console");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	json_object_set_new(process_of(plan), "uid", json_integer(12));
	if (!ok(machine_start(&machine, plan)))
		printf("# %s\n", machine.frame.text);
	machine_read_output(&machine, PROTOCOL_TERMINAL);
	is_str(machine.output, "/dev/pts/0\r\n12:5\r\n12:5\r\nx\r\ny\r\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static json_t *exec_message(const char *script, json_int_t uid)
{
	json_t *plan = plan_make(script);
	json_t *process = json_incref(process_of(plan));

	json_decref(plan);
	set_all_capabilities(process);
	json_object_set_new(process, "uid", json_integer(uid));
	json_object_set_new(process, "oomScoreAdj", json_integer(21));
	return json_pack("{s:s, s:i, s:o}", "type", "exec", "number", 1, "process", process);
}

static void test_exec(void)
{
	struct machine machine;

	if (!ok(machine_start(&machine, plan_make_mapped("read line"))))
		printf("# %s\n", machine.frame.text);
	machine_send(&machine, exec_message("no", 10001));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "process.user.uid 10001 is not in linux.uidMappings");
	machine_send(&machine,
		     exec_message("cat /proc/self/oom_score_adj; id -u; echo $HOME;"
				  "readlink /proc/self/ns/user > /dev/shared;"
				  "readlink /proc/1/ns/user | cmp - /dev/shared;"
				  "stat -c %u /dev/shared; cat /proc/self/gid_map;"
				  "busybox hostname joined; hostname; echo z >/dev/stdout",
				  0));
	is_int(machine_receive(&machine), PROTOCOL_STARTED);
	machine_read_output(&machine, PROTOCOL_NR_STREAMS + PROTOCOL_STDOUT);
	is_str(machine.output, "21\n0\n/root\n0\n         0     200000      65536\njoined\nz\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 0);
	machine_close_stream(&machine, PROTOCOL_STDIN);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static void test_refusals(void)
{
	json_t *plan = plan_make_mapped("no");

	json_object_set_new(process_of(plan), "uid", json_integer(10000));
	is_refused(plan, "process.user.uid 10000 is not in linux.uidMappings");

	plan = plan_make_mapped("no");
	json_object_del(plan, "gidMappings");
	is_refused(plan, "\"gidMappings\" is missing or not a list");

	plan = plan_make_mapped("no");
	json_object_set_new(plan, "uidMappings", json_array());
	is_refused(plan, "\"uidMappings\" has 0 entries, not 1 to 340");

	plan = plan_make_mapped("no");
	json_object_set_new(plan, "gidMappings",
			    json_pack("[o,o]", range(0, 0, 10), range(5, 100, 1)));
	is_refused(plan, "linux.gidMappings: invalid argument");

	plan = plan_make_mapped("no");
	json_object_set_new(plan, "devices",
			    json_pack("[{s:s,s:s,s:i,s:i,s:i,s:i,s:i}]", "path", "/dev/extra",
				      "type", "c", "major", 1, "minor", 3, "mode", 0640, "uid", 0,
				      "gid", 65536));
	is_refused(plan, "device \"/dev/extra\": gid 65536 is not in linux.gidMappings");

	plan = plan_make_mapped("no");
	json_object_set_new(plan, "uidMappings", json_pack("[o]", range(1, 100000, 1)));
	json_object_set_new(process_of(plan), "uid", json_integer(1));
	is_refused(plan, "device \"/dev/null\": uid 0 is not in linux.uidMappings");
}

static void test_most_ranges(void)
{
	json_t *plan = plan_make_mapped("wc -l < /proc/self/uid_map");
	json_t *ranges = json_array();
	struct machine machine;

	for (int i = 0; i < 340; i++)
		json_array_append_new(ranges, range(i, 1000 + i, 1));
	json_object_set_new(plan, "uidMappings", ranges);
	run_plan(&machine, plan);
	is_str(machine.output, "340\n");
}

int main(void)
{
	if (!machines_begin())
		return 0;
	image_owner = 100000;
	test_ids();
	test_user();
	test_owned_namespaces();
	test_devices();
	test_mounts();
	test_terminal();
	test_exec();
	test_refusals();
	test_most_ranges();
	return machines_end();
}
