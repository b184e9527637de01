/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sandbox/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sandbox/attempts_network.h"

#define CANARY "/var/lib/bulkhead-canary" /* a file of the host, outside of every container */
#define DESCRIPTORS 64			  /* those of a process are the first */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int open_file(void)
{
	return result(open(CANARY, O_RDONLY));
}

/* From every directory that is open, as high as it goes. */
static int climb(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (openat(fd, "../../../../../../../.." CANARY, O_RDONLY) >= 0)
			return 0;
	return ENOENT;
}

static int climb_to_kernel_settings(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (openat(fd, "../../sys/kernel/core_pattern", O_WRONLY) >= 0 ||
		    openat(fd, "../sys/kernel/core_pattern", O_WRONLY) >= 0 ||
		    openat(fd, "sys/kernel/core_pattern", O_WRONLY) >= 0)
			return 0;
	return result(open("/proc/sys/kernel/core_pattern", O_WRONLY));
}

static int write_runtime_binary(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (openat(fd, "../exe", O_RDONLY) >= 0 || openat(fd, "self/exe", O_RDONLY) >= 0)
			return 0;
	return result(open("/proc/self/exe", O_WRONLY));
}

static int open_by_handle(void)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[8];
	} handle = { .handle = { .handle_bytes = 8, .handle_type = 1 } };

	return result(open_by_handle_at(0, &handle.handle, O_RDONLY));
}

static int open_device(void)
{
	if (mknod("/attempt", S_IFCHR | 0600, 1 << 8 | 1) < 0) /* /dev/mem */
		return errno;
	return result(open("/attempt", O_RDWR));
}

static int make_file(void)
{
	return result(mkdir("/attempt", 0700));
}

/* --- the world outside ------------------------------------------------------------------------ */

static int connect_internet(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(9),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	/* Where no interface is up there is no route. */
	return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

static int connect_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/attempt.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? errno : result(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

/* An abstract name, which a network namespace has its own of. */
static int connect_abstract(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0bulkhead-canary" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? errno
		      : result(connect(fd, (struct sockaddr *)&address,
				       offsetof(struct sockaddr_un, sun_path) + 16));
}

static int packet_socket(void)
{
	/* As the network process makes them. */
	return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int vsock_socket(void)
{
	return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}

/* --- other processes -------------------------------------------------------------------------- */

static int execute(void)
{
	char *const arguments[] = { (char *)(uintptr_t) "/bin/sh", NULL };

	return result(execve(arguments[0], arguments, NULL));
}

static int make_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit, 0);
	return result(pid);
}

static int make_thread(void)
{
	return result(syscall(SYS_clone3, NULL, 0));
}

/* The numbers of a pid namespace are few: 1 is the container process or the monitor itself. */
static int trace_process(void)
{
	int code = ESRCH;

	for (pid_t pid = 1; pid < 64; pid++) {
		if (pid == getpid())
			continue;
		if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0)
			return 0;
		if (errno != ESRCH)
			code = errno;
	}
	return code;
}

static int read_memory(void)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)(uintptr_t)0x400000, 1 };
	int code = ESRCH;

	for (pid_t pid = 1; pid < 64; pid++) {
		if (pid == getpid())
			continue;
		if (process_vm_readv(pid, &to, 1, &from, 1, 0) > 0 || errno == EFAULT)
			return 0;
		if (errno != ESRCH)
			code = errno;
	}
	return code;
}

/* In its pid namespace there are itself, the monitor and their threads, with small numbers. */
static int signal_others(void)
{
	for (pid_t pid = 300; pid < 32768; pid++)
		if (pid != getpid() && kill(pid, 0) == 0)
			return 0;
	return errno;
}

static int take_descriptor(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid() == 1 ? 2 : 1, 0);

	return pidfd < 0 ? errno : result(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static int kill_thread(void)
{
	return result(syscall(SYS_tgkill, getpid(), gettid(), SIGWINCH));
}

/* --- the kernel ------------------------------------------------------------------------------- */

static int mount_file_system(void)
{
	return result(mount("proc", "/", "proc", 0, NULL));
}

static int unmount(void)
{
	return result(umount2("/", MNT_DETACH));
}

static int join_namespace(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (setns(fd, 0) == 0)
			return 0;
	return errno;
}

static int make_namespaces(void)
{
	return result(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID));
}

static int change_root(void)
{
	return result(chroot("/"));
}

static int become_root(void)
{
	return geteuid() == 0 ? EPERM : result(setuid(0));
}

static int raise_capabilities(void)
{
	uint32_t header[2] = { 0x20080522, 0 };
	uint32_t data[6] = { ~0u, ~0u, ~0u, ~0u, ~0u, ~0u };

	return result(syscall(SYS_capset, header, data));
}

static int set_host_name(void)
{
	return result(sethostname("attempt", 7));
}

static int load_module(void)
{
	return result(syscall(SYS_init_module, NULL, 0, ""));
}

static int reboot_host(void)
{
	return result(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			      LINUX_REBOOT_CMD_CAD_OFF, NULL));
}

static int load_bpf(void)
{
	union bpf_attr attributes = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

static int make_ring(void)
{
	struct io_uring_params parameters = { 0 };

	return result(syscall(SYS_io_uring_setup, 1, &parameters));
}

static int watch_performance(void)
{
	struct perf_event_attr attributes = { .type = PERF_TYPE_HARDWARE,
					      .size = sizeof(attributes) };

	return result(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0));
}

static int read_kernel_log(void)
{
	char text[16];

	return result(syscall(SYS_syslog, 3, text, sizeof(text)));
}

static int add_key(void)
{
	return result(syscall(SYS_add_key, "user", "attempt", "x", 1, KEY_SPEC_SESSION_KEYRING));
}

static int handle_page_faults(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

/* --- calls that the threads have, with other arguments ---------------------------------------- */

static int map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED
		       ? errno
		       : 0;
}

static int make_heap_executable(void)
{
	return result(mprotect((void *)((uintptr_t)sbrk(0) & ~(uintptr_t)4095), 4096,
			       PROT_READ | PROT_EXEC));
}

static int create_vm(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (ioctl(fd, KVM_CREATE_VM, 0) >= 0)
			return 0;
	return errno;
}

static int add_guest_memory(void)
{
	struct kvm_userspace_memory_region region = { .slot = 30 };

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region) >= 0)
			return 0;
	return errno;
}

static int type_at_terminal(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (ioctl(fd, TIOCSTI, "x") >= 0)
			return 0;
	return errno;
}

static int become_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1));
}

static int set_owner(void)
{
	return result(fcntl(0, F_SETOWN, 1));
}

/* The system call 20, getpid, of 32-bit programs. */
static int call_as_32_bit(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	return r < 0 ? (int)-r : 0;
}

const struct attempt attempts[] = {
	{ "open-file", open_file },
	{ "climb", climb },
	{ "climb-to-kernel-settings", climb_to_kernel_settings },
	{ "write-runtime-binary", write_runtime_binary },
	{ "open-by-handle", open_by_handle },
	{ "open-device", open_device },
	{ "make-file", make_file },
	{ "connect-internet", connect_internet },
	{ "connect-unix", connect_unix },
	{ "connect-abstract", connect_abstract },
	{ "packet-socket", packet_socket },
	{ "vsock-socket", vsock_socket },
	{ "raw-socket", attempt_raw_socket },
	{ "open-namespace", attempt_open_namespace },
	{ "move-interface", attempt_move_interface },
	{ "reach-peer", attempt_reach_peer },
	{ "persist-interface", attempt_persist_interface },
	{ "make-process", make_process },
	{ "make-thread", make_thread },
	{ "trace-process", trace_process },
	{ "read-memory", read_memory },
	{ "signal-others", signal_others },
	{ "take-descriptor", take_descriptor },
	{ "kill-thread", kill_thread },
	{ "mount-file-system", mount_file_system },
	{ "unmount", unmount },
	{ "join-namespace", join_namespace },
	{ "make-namespaces", make_namespaces },
	{ "change-root", change_root },
	{ "become-root", become_root },
	{ "raise-capabilities", raise_capabilities },
	{ "set-host-name", set_host_name },
	{ "load-module", load_module },
	{ "reboot-host", reboot_host },
	{ "load-bpf", load_bpf },
	{ "make-ring", make_ring },
	{ "watch-performance", watch_performance },
	{ "read-kernel-log", read_kernel_log },
	{ "add-key", add_key },
	{ "handle-page-faults", handle_page_faults },
	{ "map-code", map_code },
	{ "make-heap-executable", make_heap_executable },
	{ "create-vm", create_vm },
	{ "add-guest-memory", add_guest_memory },
	{ "type-at-terminal", type_at_terminal },
	{ "become-dumpable", become_dumpable },
	{ "set-owner", set_owner },
	{ "call-as-32-bit", call_as_32_bit },
	/* Last: its process is no longer one of those that wait to be looked at. */
	{ "execute", execute },
	{ 0 },
};
