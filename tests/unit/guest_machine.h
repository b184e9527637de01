/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest_machine.h - guest-init from HELLO to EXITED, without a virtual machine
 *
 * The supervisor runs as PID 1 of a pid namespace, on a machine that is a tmpfs with busybox in
 * it. What the test defines itself is what only a guest has: vsock connections (here socket pairs),
 * the virtio-fs mount (here a directory) and control groups (here none); the linker takes these
 * instead of guest-init's.
 * Everything else is the real thing. Needs root and a static busybox.
 *
 * As tap.h, it belongs into the one source file of a test program.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-init/container_cgroup.h"
#include "guest-init/early.h"
#include "guest-init/guest_clock.h"
#include "guest-init/host_connection.h"
#include "guest-init/protocol.h"
#include "guest-init/shared_tree.h"
#include "guest-init/supervisor.h"
#include "tests/unit/tap.h"

#define BUSYBOX "/bin/busybox"
#define OUTPUT_SIZE 4096
#define MACHINE_TIME 1234567890123456789 /* that a plan has */
#define MACHINE_PROCESSES 4		 /* numbers that have streams */
#define MACHINE_STREAMS (MACHINE_PROCESSES * PROTOCOL_NR_STREAMS)

/* One machine under test: the host's ends of its connections. */
struct machine {
	pid_t pid;
	int control_fd;
	int stream_fds[MACHINE_STREAMS]; /* by protocol_stream_port() */
	char output[OUTPUT_SIZE];	 /* of standard output, or of the terminal */
	struct protocol_frame frame;	 /* the last one received */
};

static int guest_stream_fds[MACHINE_STREAMS];		    /* the guest's ends */
static uid_t image_owner;				    /* of the root directory */
static char machine_directory[] = "/tmp/test-guest-XXXXXX"; /* where the root is mounted */

/* --- what a guest has and the test replaces ------------------------------------------------- */

int host_connection_open(uint32_t port, struct failure *err)
{
	if (port < PROTOCOL_PORT_STREAMS || port >= PROTOCOL_PORT_STREAMS + MACHINE_STREAMS)
		return failure_set(err, ECONNREFUSED, "port %u", port);
	return dup(guest_stream_fds[port - PROTOCOL_PORT_STREAMS]);
}

int host_connection_begin(uint32_t port)
{
	(void)port;
	return -ECONNREFUSED;
}

int shared_tree_mount(struct failure *err)
{
	/* A mount, so that the tree can be unmounted as in a guest. */
	if (mount(SHARED_TREE_PATH, SHARED_TREE_PATH, NULL, MS_BIND | MS_REC, NULL))
		return failure_set(err, errno, "bind the tree");
	return 0;
}

/* The clock of the test's machine is not the test's either. */
int guest_clock_set(int64_t time_ns, struct failure *err)
{
	return time_ns == MACHINE_TIME ? 0 : failure_set(err, EINVAL, "another time");
}

/* Control groups of the test's machine are not the test's: processes stay where they are. */
int container_cgroup_create(struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err)
{
	(void)plan;
	(void)err;
	cgroup->outer_fd = -1;
	cgroup->dir_fd = -1;
	cgroup->events_fd = eventfd(0, EFD_CLOEXEC); /* never has news */
	return 0;
}

uint32_t container_cgroup_oom_kills(const struct container_cgroup *cgroup)
{
	(void)cgroup;
	return 0;
}

int container_cgroup_update(const struct container_cgroup *cgroup, const struct resource_plan *plan,
			    struct failure *err)
{
	(void)cgroup;
	(void)plan;
	(void)err;
	return 0;
}

int container_cgroup_give(const struct container_cgroup *cgroup, uint32_t uid, struct failure *err)
{
	(void)cgroup;
	(void)uid;
	(void)err;
	return 0;
}

int container_cgroup_filter_devices(const struct container_cgroup *cgroup,
				    const struct resource_plan *plan, struct failure *err)
{
	return container_cgroup_update(cgroup, plan, err);
}

void shared_tree_unmount(void)
{
	(void)umount2(SHARED_TREE_PATH, MNT_DETACH);
}

/* --- the machine ---------------------------------------------------------------------------- */

static inline void must(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	_exit(99);
}

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	(void)close(fd);
}

static inline void copy_program(const char *from, const char *to)
{
	int from_fd = open(from, O_RDONLY | O_CLOEXEC);
	int to_fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	must(from_fd >= 0 && to_fd >= 0, from);
	while (sendfile(to_fd, from_fd, NULL, 1 << 20) > 0)
		;
	(void)close(from_fd);
	(void)close(to_fd);
}

static inline void make_image(void)
{
	static const char *const directories[] = { "tree",	   "container",	    "proc",
						   "dev",	   "tree/bin",	    "tree/etc",
						   "tree/private", "tree/data",	    "tree/dev",
						   "tree/dev/shm", "tree/opt",	    "tree/opt/sub",
						   "tree/home",	   "tree/volatile", "tree/proc",
						   "tree/sys" };
	static const char *const applets[] = { "sh",	"id",	"cat",	    "grep",	"ls",
					       "mount", "stat", "readlink", "hostname", "stty",
					       "sleep", "wc",	"head",	    "kill",	"test",
					       "tty",	"ps",	"touch",    "ip" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		must(!mkdir(directories[i], 0755), directories[i]);
	must(!chown("tree", image_owner, image_owner), "chown");
	copy_program(BUSYBOX, "tree/bin/busybox");
	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "tree/bin/%s", applets[i]);
		must(!symlink("busybox", path), path);
	}
	write_file("tree/etc/passwd",
		   "root:x:0:0::/root:/bin/sh\nbroken\nbob:x:1234:5::/home/bob:\n");
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

static inline _Noreturn void run_machine(int control_fd)
{
	struct failure err = { .text = "" };

	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	must(!mount("machine", machine_directory, "tmpfs", 0, NULL), "tmpfs");
	must(!chdir(machine_directory), "chdir");
	make_image();
	must(!mount("proc", "proc", "proc", 0, NULL), "proc");
	must(!mount("/dev", "dev", NULL, MS_BIND, NULL), "dev");
	must(!mount(".", "/", NULL, MS_MOVE, NULL) && !chroot("."), "root");
	must(!mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL), "shared");
	early_block_signals();
	(void)signal(SIGPIPE, SIG_DFL);
	if (supervisor_run(control_fd, &err))
		fprintf(stderr, "# supervisor: %s\n", err.text);
	_exit(0);
}

static inline void machine_boot(struct machine *machine)
{
	int pair[2];
	int guest_control_fd;

	memset(machine, 0, sizeof(*machine));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	machine->control_fd = pair[0];
	guest_control_fd = pair[1];
	for (size_t i = 0; i < MACHINE_STREAMS; i++) {
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
		machine->stream_fds[i] = pair[0];
		guest_stream_fds[i] = pair[1];
	}
	machine->pid = (pid_t)syscall(SYS_clone,
				      SIGCHLD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS |
					      CLONE_NEWNET | CLONE_NEWIPC,
				      NULL, NULL, NULL, NULL);
	must(machine->pid >= 0, "clone");
	if (!machine->pid) {
		(void)close(machine->control_fd);
		for (size_t i = 0; i < MACHINE_STREAMS; i++)
			(void)close(machine->stream_fds[i]);
		run_machine(guest_control_fd);
	}
	(void)close(guest_control_fd);
	for (size_t i = 0; i < MACHINE_STREAMS; i++)
		(void)close(guest_stream_fds[i]);
}

/* Closing the control connection must end the machine. */
static inline void machine_shut_down(struct machine *machine)
{
	int status = -1;

	(void)close(machine->control_fd);
	for (size_t i = 0; i < MACHINE_STREAMS; i++)
		if (machine->stream_fds[i] >= 0)
			(void)close(machine->stream_fds[i]);
	is_int(waitpid(machine->pid, &status, 0), machine->pid);
	is_int(status, 0);
}

static inline void machine_send(struct machine *machine, json_t *message)
{
	char *text = json_dumps(message, 0);
	uint32_t len = (uint32_t)strlen(text);

	must(write(machine->control_fd, &len, sizeof(len)) == sizeof(len), "send");
	must(write(machine->control_fd, text, len) == (ssize_t)len, "send");
	free(text);
	json_decref(message);
}

/* The type of the next frame, which is then in @machine, or 0. */
static inline uint32_t machine_receive(struct machine *machine)
{
	memset(&machine->frame, 0, sizeof(machine->frame));
	if (recv(machine->control_fd, &machine->frame, sizeof(machine->frame), MSG_WAITALL) !=
	    sizeof(machine->frame))
		return 0;
	return machine->frame.type;
}

/* Read the stream until its end. */
static inline void machine_read_output(struct machine *machine, enum protocol_stream stream)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(machine->output) - 1 &&
	       (n = read(machine->stream_fds[stream], machine->output + len,
			 sizeof(machine->output) - 1 - len)) > 0)
		len += (size_t)n;
	machine->output[len] = 0;
}

/* Read the stream up to @text, or until its end, which is false. */
static inline bool machine_read_until(struct machine *machine, enum protocol_stream stream,
				      const char *text)
{
	size_t len = 0;

	while (len < sizeof(machine->output) - 1 &&
	       read(machine->stream_fds[stream], machine->output + len, 1) == 1) {
		machine->output[++len] = 0;
		if (len >= strlen(text) && !strcmp(machine->output + len - strlen(text), text))
			return true;
	}
	machine->output[len] = 0;
	return false;
}

static inline void machine_close_stream(struct machine *machine, enum protocol_stream stream)
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

static inline json_t *process_of(json_t *plan)
{
	return json_object_get(plan, "process");
}

static inline void plan_set_args(json_t *plan, const char *program, const char *script)
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
static inline json_t *plan_make(const char *script)
{
	json_t *plan = json_pack(
		"{s:s, s:I, s:s, s:s, s:[s,s,s,s,s], s:b, s:i, s:{}, s:[], s:[], s:[]}", "type",
		"create", "time", MACHINE_TIME, "entropy", "00112233445566778899aabbccddeeff",
		"hostname", "inside", "namespaces", "pid", "mount", "ipc", "uts", "cgroup",
		"readonlyRootfs", 0, "rootfsPropagation", 0, "sysctl", "maskedPaths",
		"readonlyPaths", "devices");
	json_t *process =
		json_pack("{s:b, s:i, s:i, s:[s,s], s:s, s:i, s:i, s:[], s:i, s:[], s:b, "
			  "s:{s:I,s:I,s:I,s:I,s:I}}",
			  "terminal", 0, "rows", 0, "columns", 0, "env", "PATH=/nonsense:/bin",
			  "A=1", "cwd", "/", "uid", 0, "gid", 0, "additionalGids", "umask", 022,
			  "rlimits", "noNewPrivileges", 0, "capabilities", "bounding",
			  (json_int_t)0x1ff, "effective", (json_int_t)0x1ff, "inheritable",
			  (json_int_t)0, "permitted", (json_int_t)0x1ff, "ambient", (json_int_t)0);
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

static inline json_t *plan_mounts(json_t *plan)
{
	return json_object_get(plan, "mounts");
}

/* Boot, create and start; false when the container could not be created or started. */
static inline bool machine_start(struct machine *machine, json_t *plan)
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
static inline void run_plan(struct machine *machine, json_t *plan)
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

static inline void send_signal(struct machine *machine, int signal)
{
	machine_send(machine, json_pack("{s:s, s:i, s:i}", "type", "signal", "process", 0, "signal",
					signal));
}

/* The sentence with which the container of @plan is refused. */
static inline void is_refused(json_t *plan, const char *sentence)
{
	struct machine machine;

	machine_boot(&machine);
	is_int(machine_receive(&machine), PROTOCOL_HELLO);
	machine_send(&machine, plan);
	is_int(machine_receive(&machine), PROTOCOL_ERROR);
	is_str(machine.frame.text, sentence);
	machine_shut_down(&machine);
}

/* --- the frame of a test program -------------------------------------------------------------- */

/* False (and the plan of a skipped program is printed) where machines cannot run. */
static inline bool machines_begin(void)
{
	if (geteuid() || access(BUSYBOX, X_OK)) {
		printf("1..0 # skip needs root and a static %s\n", BUSYBOX);
		return false;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	must(mkdtemp(machine_directory) != NULL, machine_directory);
	return true;
}

static inline int machines_end(void)
{
	must(!rmdir(machine_directory), machine_directory);
	return tap_done();
}
