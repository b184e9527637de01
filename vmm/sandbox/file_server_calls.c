/* SPDX-License-Identifier: Apache-2.0 */
/* file_server_calls.c - what the container process's threads call once it is sealed */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "vmm/base/checked_math.h"
#include "vmm/sandbox/call_rules.h"

static const struct call_rule file_server_rules[] = {
	CALL(recvfrom, "requests"),
	CALL(sendto, "answers"),
	CALL_IF(poll, "requests, while another one's answer waits", IS(1, 1)),
	CALL(openat, "LOOKUP, OPEN, OPENDIR, CREATE"),
	CALL(close, "FORGET, RELEASE"),
	CALL(statx, "GETATTR, and all answers with attributes"),
	CALL(fstatfs, "STATFS; file systems that are not served"),
	CALL(fchownat, "SETATTR; who owns what is created"),
	CALL(fchmodat, "SETATTR"),
	CALL(fchmod, "SETATTR of an open file"),
	CALL(ftruncate, "SETATTR"),
	CALL(utimensat, "SETATTR"),
	CALL(readlinkat, "READLINK"),
	CALL(symlinkat, "SYMLINK"),
	CALL(mknodat, "MKNOD"),
	CALL(mkdirat, "MKDIR"),
	CALL(unlinkat, "UNLINK, RMDIR"),
	CALL(renameat, "RENAME"),
	CALL(renameat2, "RENAME2"),
	CALL(linkat, "LINK"),
	CALL(umask, "the mode of what is created is the guest's"),
	CALL(pread64, "READ"),
	CALL(pwrite64, "WRITE"),
	CALL(lseek, "LSEEK, READDIR"),
	CALL(getdents64, "READDIR, READDIRPLUS"),
	CALL(fallocate, "FALLOCATE"),
	CALL(copy_file_range, "COPY_FILE_RANGE"),
	CALL(fsync, "FSYNC"),
	CALL(fdatasync, "FSYNC of the data"),
	CALL(syncfs, "SYNCFS"),
	CALL(getxattr, "GETXATTR"),
	CALL(setxattr, "SETXATTR"),
	CALL(listxattr, "LISTXATTR"),
	CALL(removexattr, "REMOVEXATTR"),
	CALL_IF(fcntl, "another descriptor for a node", IS(1, F_DUPFD_CLOEXEC)),
	CALL_IF(fcntl, "whether an open file's writes append", IS(1, F_GETFL)),
	CALL_IF(fcntl, "make them append, or no longer", IS(1, F_SETFL)),
	CALL_IF(socket, "whether somebody listens on a socket", IS(0, AF_UNIX)),
	CALL(connect, "the same"),
	CALL(sendmsg, "offer a socket to the guest"),
	CALL(getrandom, "the number under which it is offered"),
	CALL(clock_gettime, "how long ago, where the vDSO does not know it"),
	CALL(futex, "the list of sockets, which two threads use; malloc's lock"),
	CALL(brk, "memory for nodes"),
	CALL(restart_syscall, "a wait that a stop of the process interrupted"),
	CALL(exit_group, "without files there is no container"),
};

const struct call_filter file_server_filter = {
	.role = "file server",
	.rules = file_server_rules,
	.nr_rules = ARRAY_SIZE(file_server_rules),
};

/* The last part is oom_report.c: processes whose end is all that they are for. */
static const struct call_rule container_process_rules[] = {
	CALL(poll, "wait for signals, messages, the monitor's end"),
	CALL(restart_syscall, "a wait that a stop of the process interrupted"),
	CALL(read, "signals, the monitor's news of an OOM kill"),
	CALL(write, "the log"),
	CALL(recvfrom, "the command line lets go"),
	CALL(sendto, "the answer to that"),
	CALL_IF(prctl, "no longer die with the command line", IS(0, PR_SET_PDEATHSIG)),
	CALL(kill, "pass a signal on to the monitor"),
	CALL(wait4, "the monitor's end"),
	CALL(exit_group, "the end"),
	CALL(recvmsg, "the monitor asks for a connection to a socket"),
	CALL(sendmsg, "here it is"),
	CALL(fchdir, "where the number of a descriptor is its name"),
	CALL_IF(socket, "the connection", IS(0, AF_UNIX)),
	CALL(connect, "the same"),
	CALL_IF(fcntl, "another descriptor for the socket's node", IS(1, F_DUPFD_CLOEXEC)),
	CALL(shutdown, "a monitor that breaks the rules"),
	CALL(close, "connections"),
	CALL(clock_gettime, "the time in a log line, where the vDSO does not know it"),
	CALL(futex, "the list of sockets, which two threads use; malloc's lock"),
	CALL(brk, "memory for messages"),
	CALL_IF(clone, "report an OOM kill: fork()",
		IS(0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)),
	CALL_IF(clone, "the same: the process that is killed", IS(0, CLONE_VM | SIGCHLD)),
	CALL(set_robust_list, "fork() in the child"),
	CALL(dup2, "the same: keep one descriptor"),
	CALL(close_range, "the same"),
	CALL_IF(mmap, "the same: memory to be killed for", ONLY(2, PROT_READ | PROT_WRITE),
		ONLY(3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)),
	CALL(munmap, "the same"),
	CALL(rt_sigaction, "the same: end in any case"),
	CALL(rt_sigprocmask, "the same"),
	CALL(alarm, "the same"),
	CALL(pause, "the same"),
	CALL(clock_nanosleep, "the same: wait for the process that is killed"),
};

const struct call_filter container_process_filter = {
	.role = "container process",
	.rules = container_process_rules,
	.nr_rules = ARRAY_SIZE(container_process_rules),
};
