/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_supervisor.c - guest-init from HELLO to EXITED, without a virtual machine
 *
 * The supervisor runs as PID 1 of a pid namespace, on a machine that is a tmpfs with busybox in
 * it. What the test defines itself is what only a guest has: vsock connections (here socket pairs)
 * and the virtio-fs mount (here a directory). Everything else is the real thing. Needs root and
 * a static busybox; without them the program reports a skip.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/early.h"
#include "guest-init/host_connection.h"
#include "guest-init/protocol.h"
#include "guest-init/shared_tree.h"
#include "guest-init/supervisor.h"
#include "tests/unit/tap.h"

#define BUSYBOX "/bin/busybox"
#define OUTPUT_SIZE 4096

/* One machine under test: the host's ends of its connections. */
struct machine {
	pid_t pid;
	int control_fd;
	int stream_fds[PROTOCOL_NR_STREAMS];
	char output[OUTPUT_SIZE]; /* of standard output, or of the terminal */
	struct protocol_frame frame; /* the last one received */
};

static int guest_stream_fds[PROTOCOL_NR_STREAMS]; /* the guest's ends */
static char machine_directory[] = "/tmp/test-guest-XXXXXX";

/* --- what a guest has and the test replaces ------------------------------------------------- */

int host_connection_open(uint32_t port, struct failure *err)
{
	if (port < PROTOCOL_PORT_STREAMS || port >= PROTOCOL_PORT_STREAMS + PROTOCOL_NR_STREAMS)
		return failure_set(err, ECONNREFUSED, "port %u", port);
	return dup(guest_stream_fds[port - PROTOCOL_PORT_STREAMS]);
}

int shared_tree_mount(struct failure *err)
{
	/* A mount, so that the tree can be unmounted as in a guest. */
	if (mount(SHARED_TREE_PATH, SHARED_TREE_PATH, NULL, MS_BIND | MS_REC, NULL))
		return failure_set(err, errno, "bind the tree");
	return 0;
}

void shared_tree_unmount(void)
{
	(void)umount2(SHARED_TREE_PATH, MNT_DETACH);
}

/* --- the machine ---------------------------------------------------------------------------- */

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	_exit(99);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	(void)close(fd);
}

static void copy_program(const char *from, const char *to)
{
	int from_fd = open(from, O_RDONLY | O_CLOEXEC);
	int to_fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	must(from_fd >= 0 && to_fd >= 0, from);
	while (sendfile(to_fd, from_fd, NULL, 1 << 20) > 0)
		;
	(void)close(from_fd);
	(void)close(to_fd);
}

static void make_image(void)
{
	static const char *const directories[] = {
		"tree",	    "root",	    "proc",	 "dev",		 "tree/bin",
		"tree/etc", "tree/private", "tree/data", "tree/dev",	 "tree/dev/shm",
		"tree/opt", "tree/opt/sub", "tree/home", "tree/volatile"};
	static const char *const applets[] = {"sh",  "id",   "cat",   "grep",  "ls",	"mount",
					      "stat", "readlink", "hostname", "stty", "sleep", "wc",
					      "head", "kill", "test", "tty", "ps", "touch"};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		must(!mkdir(directories[i], 0755), directories[i]);
	copy_program(BUSYBOX, "tree/bin/busybox");
	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "tree/bin/%s", applets[i]);
		must(!symlink("busybox", path), path);
	}
	write_file("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\nbroken\nbob:x:1234:5::/home/bob:\n");
	write_file("tree/etc/hosts", "127.0.0.1 volume\n");
	write_file("tree/private/secret", "secret\n");
	write_file("tree/data/file", "data\n");
	write_file("tree/dev/shm/shared", "shared\n");
	write_file("tree/opt/sub/copied", "copied\n");
	write_file("tree/bin/garbage", "\177ELFgarbage");
	must(!chmod("tree/bin/garbage", 0755), "chmod");
	must(!chown("tree/opt/sub/copied", 7, 8), "chown");
	must(!chmod("tree/opt/sub/copied", 0640), "chmod");
	must(!symlink("/proc/self/fd", "tree/home/link"), "symlink");
	must(!symlink("/var/missing", "tree/home/dangling"), "symlink");
	must(!symlink("/../../../../etc", "tree/home/escape"), "symlink");
}

static _Noreturn void run_machine(int control_fd)
{
	struct failure err = {.text = ""};

	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	must(!mount("machine", machine_directory, "tmpfs", 0, NULL), "tmpfs");
	must(!chdir(machine_directory), "chdir");
	make_image();
	must(!mount("proc", "proc", "proc", 0, NULL), "proc");
	must(!mount("/dev", "dev", NULL, MS_BIND, NULL), "dev");
	must(!mount(".", "/", NULL, MS_MOVE, NULL) && !chroot("."), "root");
	must(!mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL), "shared");
	early_block_signals();
	if (supervisor_run(control_fd, &err))
		fprintf(stderr, "# supervisor: %s\n", err.text);
	_exit(0);
}

static void machine_boot(struct machine *machine)
{
	int pair[2];
	int guest_control_fd;

	memset(machine, 0, sizeof(*machine));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	machine->control_fd = pair[0];
	guest_control_fd = pair[1];
	for (size_t i = 0; i < PROTOCOL_NR_STREAMS; i++) {
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
		machine->stream_fds[i] = pair[0];
		guest_stream_fds[i] = pair[1];
	}
	machine->pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS |
							 CLONE_NEWNET | CLONE_NEWIPC,
				      NULL, NULL, NULL, NULL);
	must(machine->pid >= 0, "clone");
	if (!machine->pid) {
		(void)close(machine->control_fd);
		for (size_t i = 0; i < PROTOCOL_NR_STREAMS; i++)
			(void)close(machine->stream_fds[i]);
		run_machine(guest_control_fd);
	}
	(void)close(guest_control_fd);
	for (size_t i = 0; i < PROTOCOL_NR_STREAMS; i++)
		(void)close(guest_stream_fds[i]);
}

/* Closing the control connection must end the machine. */
static void machine_shut_down(struct machine *machine)
{
	int status = -1;

	(void)close(machine->control_fd);
	for (size_t i = 0; i < PROTOCOL_NR_STREAMS; i++)
		if (machine->stream_fds[i] >= 0)
			(void)close(machine->stream_fds[i]);
	is_int(waitpid(machine->pid, &status, 0), machine->pid);
	is_int(status, 0);
}

static void machine_send(struct machine *machine, json_t *message)
{
	char *text = json_dumps(message, 0);
	uint32_t len = (uint32_t)strlen(text);

	must(write(machine->control_fd, &len, sizeof(len)) == sizeof(len), "send");
	must(write(machine->control_fd, text, len) == (ssize_t)len, "send");
	free(text);
	json_decref(message);
}

/* The type of the next frame, which is then in @machine, or 0. */
static uint32_t machine_receive(struct machine *machine)
{
	memset(&machine->frame, 0, sizeof(machine->frame));
	if (recv(machine->control_fd, &machine->frame, sizeof(machine->frame), MSG_WAITALL) !=
	    sizeof(machine->frame))
		return 0;
	return machine->frame.type;
}

/* Read the stream until its end. */
static void machine_read_output(struct machine *machine, enum protocol_stream stream)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(machine->output) - 1 &&
	       (n = read(machine->stream_fds[stream], machine->output + len,
			 sizeof(machine->output) - 1 - len)) > 0)
		len += (size_t)n;
	machine->output[len] = 0;
}

static void machine_close_stream(struct machine *machine, enum protocol_stream stream)
{
	(void)close(machine->stream_fds[stream]);
	machine->stream_fds[stream] = -1;
}

/* --- plans ---------------------------------------------------------------------------------- */

#define MOUNT(destination, type, source, flags, data)                                              \
	json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:b, s:b, s:b}", "destination",             \
		  (destination), "type", (type), "source", (source), "data", (data), "flags",      \
		  (json_int_t)(flags), "clearFlags", 0, "propagation", 0, "recursiveReadonly", 0,  \
		  "copyUp", 0, "isFile", 0)

static json_t *process_of(json_t *plan)
{
	return json_object_get(plan, "process");
}

static void plan_set_args(json_t *plan, const char *program, const char *script)
{
	json_t *args = json_array();

	json_array_append_new(args, json_string(program));
	if (script) {
		json_array_append_new(args, json_string("-c"));
		json_array_append_new(args, json_string(script));
	}
	json_object_set_new(process_of(plan), "args", args);
}

/* A container like those that engines ask for, which runs @script. */
static json_t *plan_make(const char *script)
{
	json_t *plan = json_pack(
		"{s:s, s:s, s:s, s:[s,s,s,s,s], s:b, s:i, s:{}, s:[], s:[], s:[]}", "type", "create",
		"entropy", "00112233445566778899aabbccddeeff", "hostname", "inside", "namespaces",
		"pid", "mount", "ipc", "uts", "cgroup", "readonlyRootfs", 0, "rootfsPropagation", 0,
		"sysctl", "maskedPaths", "readonlyPaths", "devices");
	json_t *process = json_pack(
		"{s:b, s:i, s:i, s:[s,s], s:s, s:i, s:i, s:[], s:i, s:[], s:b, s:{s:I,s:I,s:I,s:I,s:I}}",
		"terminal", 0, "rows", 0, "columns", 0, "env", "PATH=/nonsense:/bin", "A=1", "cwd",
		"/", "uid", 0, "gid", 0, "additionalGids", "umask", 022, "rlimits",
		"noNewPrivileges", 0, "capabilities", "bounding", (json_int_t)0x1ff, "effective",
		(json_int_t)0x1ff, "inheritable", (json_int_t)0, "permitted", (json_int_t)0x1ff,
		"ambient", (json_int_t)0);
	json_t *mounts = json_array();
	unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	json_array_append_new(mounts, MOUNT("/proc", "proc", "proc", safe, ""));
	json_array_append_new(mounts, MOUNT("/dev", "tmpfs", "tmpfs", MS_NOSUID | MS_STRICTATIME,
					    "mode=755,size=65536k"));
	json_array_append_new(mounts, MOUNT("/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC,
					    "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	json_array_append_new(mounts, MOUNT("/sys", "sysfs", "sysfs", safe | MS_RDONLY, ""));
	json_array_append_new(mounts, MOUNT("/dev/mqueue", "mqueue", "mqueue", safe, ""));
	json_object_set_new(plan, "mounts", mounts);
	json_object_set_new(plan, "process", process);
	plan_set_args(plan, "sh", script);
	return plan;
}

static json_t *plan_mounts(json_t *plan)
{
	return json_object_get(plan, "mounts");
}

/* Boot, create and start; false when the container could not be created or started. */
static bool machine_start(struct machine *machine, json_t *plan)
{
	machine_boot(machine);
	is_int(machine_receive(machine), PROTOCOL_HELLO);
	is_int(machine->frame.code, PROTOCOL_VERSION);
	machine_send(machine, plan);
	if (machine_receive(machine) != PROTOCOL_CREATED)
		return false;
	machine_send(machine, json_pack("{s:s}", "type", "start"));
	return machine_receive(machine) == PROTOCOL_STARTED;
}

/* Run the container of @plan to its end. Its output is then in @machine, and its frame. */
static void run_plan(struct machine *machine, json_t *plan)
{
	if (!ok(machine_start(machine, plan))) {
		printf("# %s\n", machine->frame.text);
		machine_shut_down(machine);
		return;
	}
	machine_read_output(machine, PROTOCOL_STDOUT);
	is_int(machine_receive(machine), PROTOCOL_EXITED);
	machine_shut_down(machine);
}

static void send_signal(struct machine *machine, int signal)
{
	machine_send(machine, json_pack("{s:s, s:i, s:i}", "type", "signal", "process", 0, "signal",
					signal));
}

/* The sentence with which the container of @plan is refused. */
static void is_refused(json_t *plan, const char *sentence)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan);
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, sentence);
	machine_shut_down(&machine);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void test_exit_code_and_output(void)
{
	struct machine machine;

	run_plan(&machine, plan_make("echo out; exit 3"));
	is_str(machine.output, "out\n");
	is_int(machine.frame.code, 3);
	is_int(machine.frame.is_signal, 0);
}

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

	run_plan(&machine, plan_make("grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status"));
	is_str(machine.output, "CapPrm:\t00000000000001ff\nCapEff:\t00000000000001ff\n"
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
		"mount | grep -c 'on /volatile type tmpfs (rw,nosuid,noexec'; ls /; ls /proc/1/fd");
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
	is_str(machine.output, "127.0.0.1 volume\nshared\n2\ncopied\n7:8:640\n755\n1777\n1\n"
			       "bin\ndata\ndev\netc\nfresh\nhome\nopt\nprivate\nproc\nsys\nvolatile\n"
			       "0\n1\n2\n");
}

static void test_devices(void)
{
	json_t *plan = plan_make(
		"cd /dev; stat -c '%n %a %t:%T' null zero full random urandom tty extra net/deep;"
		"readlink fd stdin stdout stderr ptmx; echo > /dev/null; ls -d pts/ptmx");
	struct machine machine;

	json_object_set_new(plan, "devices",
			    json_pack("[{s:s,s:s,s:i,s:i,s:i,s:i,s:i},{s:s,s:s,s:i,s:i,s:i,s:i,s:i}]",
				      "path", "/dev/extra", "type", "c", "major", 10, "minor", 229,
				      "mode", 0640, "uid", 0, "gid", 0, "path", "/dev/net/deep",
				      "type", "p", "major", 0, "minor", 0, "mode", 0600, "uid", 0,
				      "gid", 0));
	run_plan(&machine, plan);
	is_str(machine.output,
	       "null 666 1:3\nzero 666 1:5\nfull 666 1:7\nrandom 666 1:8\nurandom 666 1:9\n"
	       "tty 666 5:0\nextra 640 a:e5\nnet/deep 600 0:0\n"
	       "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
	       "pts/ptmx\n");
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
	is_str(machine.output, "sh: can't create /data/file: Read-only file system\n"
			       "touch: /etc/new: Read-only file system\n"
			       "touch: /dev/new: Read-only file system\n"
			       "touch: /home/new: Read-only file system\n"
			       "sh: can't create /proc/sys/kernel/domainname: Read-only file system\n");
}

static void test_sysctl(void)
{
	json_t *plan = plan_make("cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax");
	struct machine machine;

	json_object_set_new(plan, "sysctl",
			    json_pack("{s:s,s:s}", "kernel.msgmax", "4242", "kernel/domainname",
				      "example"));
	run_plan(&machine, plan);
	is_str(machine.output, "example\n4242\n");

	plan = plan_make("true");
	json_object_set_new(plan, "sysctl", json_pack("{s:s}", "no.such", "1"));
	is_refused(plan, "sysctl \"no.such\" = \"1\": no such file or directory");
	plan = plan_make("true");
	json_object_set_new(plan, "sysctl", json_pack("{s:s}", "../../etc/passwd", "1"));
	is_refused(plan, "sysctl \"../../etc/passwd\" = \"1\": no such file or directory");
}

static void test_hostile_links(void)
{
	json_t *plan = plan_make("mount | grep -c 'on /var/missing/sub type tmpfs';"
				 "mount | grep -c 'on /etc type tmpfs'");
	struct machine machine;

	json_array_append_new(plan_mounts(plan),
			      MOUNT("/home/dangling/sub", "tmpfs", "x", 0, ""));
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

static void test_exec_failure(void)
{
	json_t *plan = plan_make(NULL);
	struct machine machine;

	plan_set_args(plan, "/bin/garbage", NULL);
	ok(!machine_start(&machine, plan));
	is_int(machine.frame.type, PROTOCOL_ERROR);
	is_str(machine.frame.text, "exec /bin/garbage: exec format error");
	machine_shut_down(&machine);
}

static void test_stdin_to_stdout(void)
{
	enum { CHUNK = 65536, NR_CHUNKS = 1600 }; /* 100 MiB */
	static unsigned char sent[CHUNK], got[CHUNK];
	struct machine machine;
	uint64_t nr_got = 0;
	bool is_intact = true;
	pid_t writer;
	ssize_t n;

	for (size_t i = 0; i < CHUNK; i++)
		sent[i] = (unsigned char)(i * 7 + (i >> 8));
	ok(machine_start(&machine, plan_make("cat; echo end >&2")));
	writer = fork();
	if (!writer) {
		for (size_t i = 0; i < NR_CHUNKS; i++)
			must(send(machine.stream_fds[PROTOCOL_STDIN], sent, CHUNK, 0) == CHUNK,
			     "send");
		_exit(shutdown(machine.stream_fds[PROTOCOL_STDIN], SHUT_WR));
	}
	while ((n = read(machine.stream_fds[PROTOCOL_STDOUT], got, CHUNK)) > 0) {
		for (ssize_t i = 0; i < n && is_intact; i++)
			is_intact = got[i] == sent[(nr_got + (uint64_t)i) % CHUNK];
		nr_got += (uint64_t)n;
	}
	is_int(nr_got, (int64_t)CHUNK * NR_CHUNKS);
	ok(is_intact);
	machine_read_output(&machine, PROTOCOL_STDERR);
	is_str(machine.output, "end\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 0);
	ok(waitpid(writer, NULL, 0) == writer);
	machine_shut_down(&machine);
}

/* A host that reads nothing must stall the writer, not the rest of guest-init. */
static void test_back_pressure(void)
{
	struct machine machine;

	ok(machine_start(&machine, plan_make("trap 'exit 9' TERM; while :; do echo y; done")));
	(void)usleep(100000);
	send_signal(&machine, SIGKILL);
	machine_read_output(&machine, PROTOCOL_STDERR);
	/* What was written before the end still comes, and only then the end. */
	while (read(machine.stream_fds[PROTOCOL_STDOUT], machine.output, OUTPUT_SIZE) > 0)
		;
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, SIGKILL);
	is_int(machine.frame.is_signal, 1);
	machine_shut_down(&machine);
}

static void test_closed_output_is_sigpipe(void)
{
	struct machine machine;

	ok(machine_start(&machine, plan_make("cat /dev/zero; echo $? >&2")));
	machine_close_stream(&machine, PROTOCOL_STDOUT);
	machine_read_output(&machine, PROTOCOL_STDERR);
	is_str(machine.output, "141\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static void test_signal_of_running(void)
{
	struct machine machine;

	ok(machine_start(&machine,
			 plan_make("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 1; done")));
	is_int(read(machine.stream_fds[PROTOCOL_STDOUT], machine.output, 6), 6);
	send_signal(&machine, SIGTERM); /* PID 1 of a namespace ignores what it does not handle */
	send_signal(&machine, SIGUSR1);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "got\n");
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 5);
	machine_shut_down(&machine);
}

static void test_signal_of_created(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan_make("echo never"));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	send_signal(&machine, SIGWINCH);
	send_signal(&machine, SIGTERM);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.is_signal, 1);
	machine_read_output(&machine, PROTOCOL_STDOUT);
	is_str(machine.output, "");
	machine_shut_down(&machine);
}

/* Without a pid namespace nobody but guest-init ends what the first process left behind. */
static void test_left_behind(void)
{
	json_t *plan = plan_make("sleep 1000 & sleep 1000 & echo done");
	struct machine machine;

	json_object_set_new(plan, "namespaces", json_pack("[s,s]", "mount", "uts"));
	run_plan(&machine, plan);
	is_str(machine.output, "done\n");
	is_int(machine.frame.code, 0);
	run_plan(&machine, plan_make("sleep 1000 & echo done"));
	is_str(machine.output, "done\n");
}

static void test_terminal(void)
{
	json_t *plan = plan_make("tty; stty size; test -t 2 && echo stderr; stat -c %u:%g /dev/pts/0;"
				 "echo 1 > /dev/console; read line; echo \"<$line>\"; read line;"
				 "stty size");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	json_object_set_new(process_of(plan), "rows", json_integer(33));
	json_object_set_new(process_of(plan), "columns", json_integer(99));
	ok(machine_start(&machine, plan));
	must(write(machine.stream_fds[PROTOCOL_TERMINAL], "hello\n", 6) == 6, "write");
	(void)usleep(200000);
	machine_send(&machine, json_pack("{s:s, s:i, s:i, s:i}", "type", "resize", "process", 0,
					 "rows", 44, "columns", 120));
	(void)usleep(200000);
	must(write(machine.stream_fds[PROTOCOL_TERMINAL], "\n", 1) == 1, "write");
	machine_read_output(&machine, PROTOCOL_TERMINAL);
	ok(strstr(machine.output, "/dev/pts/0\r\n33 99\r\nstderr\r\n0:5\r\n1\r\n") != NULL);
	ok(strstr(machine.output, "<hello>\r\n") != NULL);
	ok(strstr(machine.output, "44 120\r\n") != NULL);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	machine_shut_down(&machine);
}

static void test_terminal_hang_up(void)
{
	json_t *plan = plan_make("trap 'exit 7' HUP; echo ready; while :; do sleep 1; done");
	struct machine machine;

	json_object_set_new(process_of(plan), "terminal", json_true());
	ok(machine_start(&machine, plan));
	is_int(read(machine.stream_fds[PROTOCOL_TERMINAL], machine.output, 7), 7);
	machine_close_stream(&machine, PROTOCOL_TERMINAL);
	is_int(machine_receive(&machine), PROTOCOL_EXITED);
	is_int(machine.frame.code, 7);
	machine_shut_down(&machine);
}

static void test_protocol_order(void)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, json_pack("{s:s}", "type", "start"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "the container is not waiting to be started");
	machine_send(&machine, json_pack("{s:s}", "type", "dance"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "unknown message type \"dance\"");
	machine_send(&machine, plan_make("true"));
	is_int(machine_receive(&machine), PROTOCOL_CREATED);
	machine_send(&machine, plan_make("true"));
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, "a container exists already");
	machine_shut_down(&machine);
}

int main(void)
{
	if (geteuid() || access(BUSYBOX, X_OK)) {
		printf("1..0 # skip needs root and a static %s\n", BUSYBOX);
		return 0;
	}
	(void)alarm(120);
	(void)signal(SIGPIPE, SIG_IGN);
	must(mkdtemp(machine_directory) != NULL, machine_directory);
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	test_exit_code_and_output();
	test_identity();
	test_user();
	test_root_capabilities();
	test_limits();
	test_mounts();
	test_devices();
	test_restricted_paths();
	test_sysctl();
	test_hostile_links();
	test_refusals();
	test_exec_failure();
	test_stdin_to_stdout();
	test_back_pressure();
	test_closed_output_is_sigpipe();
	test_signal_of_running();
	test_signal_of_created();
	test_left_behind();
	test_terminal();
	test_terminal_hang_up();
	test_protocol_order();
	must(!rmdir(machine_directory), machine_directory);
	return tap_done();
}
