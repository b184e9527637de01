/* SPDX-License-Identifier: Apache-2.0 */
/* test_sandbox.c - what a process may still do once it is sealed; each check in a child */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/call_rules.h"
#include "vmm/sandbox/landlock.h"
#include "vmm/sandbox/namespaces.h"
#include "vmm/sandbox/privileges.h"

#define OTHER_USER 123456
#define DONE 7 /* what a child ends with when all was as it should be */
#define FAILED 1

static const struct call_rule rules[] = {
	CALL(exit_group, "the end"),
	CALL(getppid, "allowed with any argument"),
	CALL_IF(prctl, "one operation", IS(0, PR_GET_DUMPABLE)),
	CALL_IF(prctl, "another", IS(0, PR_GET_KEEPCAPS)),
	CALL_IF(mmap, "no code", ONLY(2, PROT_READ | PROT_WRITE), IS(4, -1)),
};
static const struct call_filter filter = { "test", rules, ARRAY_SIZE(rules) };

/* Not _Noreturn: before such a call the sanitizer makes one of its own, which may be refused. */
static void end(int code)
{
	syscall(SYS_exit_group, code);
}

/* The status with which a child ends that calls @function. */
static int status_of(void (*function)(void))
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		function();
		end(DONE);
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static bool is_done(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == DONE;
}

static bool is_refused(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void check(bool is_true)
{
	if (!is_true)
		end(FAILED);
}

/* --- filters ---------------------------------------------------------------------------------- */

static void load(void)
{
	struct error err;

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	check(call_filter_load(&filter, &err) == 0);
}

static void call_what_is_allowed(void)
{
	load();
	check(syscall(SYS_getppid) > 0);
	check(syscall(SYS_prctl, PR_GET_DUMPABLE) >= 0 && syscall(SYS_prctl, PR_GET_KEEPCAPS) >= 0);
	/* The kernel does not look at the upper half of this argument either. */
	check(syscall(SYS_prctl, PR_GET_DUMPABLE | 1L << 32) >= 0);
	check(syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != -1);
}

static void call_another(void)
{
	load();
	syscall(SYS_getuid);
}

static void call_with_another_argument(void)
{
	load();
	syscall(SYS_prctl, PR_SET_DUMPABLE, 1);
}

static void call_with_one_bit_more(void)
{
	load();
	syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void call_with_second_condition_wrong(void)
{
	load();
	syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0, 0);
}

/* getpid of 32-bit programs has the number of an allowed call of none. */
static void call_as_32_bit(void)
{
	long r = 20;

	load();
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
}

static void test_filter(void)
{
	is_int(call_filter_count(&filter), 4);
	ok(is_done(status_of(call_what_is_allowed)));
	ok(is_refused(status_of(call_another)));
	ok(is_refused(status_of(call_with_another_argument)));
	ok(is_refused(status_of(call_with_one_bit_more)));
	ok(is_refused(status_of(call_with_second_condition_wrong)));
	ok(is_refused(status_of(call_as_32_bit)));
}

/* No rule is vague: each has a reason, and what an argument gives many meanings a condition. */
static void test_tables(void)
{
	static const struct call_filter *const all[] = { &event_loop_filter, &vcpu_filter,
							 &file_server_filter,
							 &container_process_filter,
							 &network_process_filter };
	static const int vague[] = { SYS_ioctl,	   SYS_prctl,  SYS_fcntl,  SYS_mmap,
				     SYS_mprotect, SYS_socket, SYS_mremap, SYS_clone,
				     SYS_bpf,	   SYS_ptrace, SYS_clone3, SYS_madvise };
	unsigned int nr_vague = 0, nr_without_reason = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		for (size_t j = 0; j < all[i]->nr_rules; j++) {
			const struct call_rule *rule = &all[i]->rules[j];

			nr_without_reason += !rule->reason || !*rule->reason;
			for (size_t k = 0; k < ARRAY_SIZE(vague); k++)
				nr_vague += rule->number == vague[k] && !rule->conditions[0].mask;
		}
	is_int(nr_without_reason, 0);
	is_int(nr_vague, 0);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void become_and_drop(void)
{
	uint32_t header[2] = { 0x20080522, 0 }, data[6];
	struct rlimit limit;
	struct error err;

	check(setenv("SECRET", "of the engine", 1) == 0);
	check(privileges_become(OTHER_USER, &err) == 0);
	check(privileges_drop(0, &err) == 0);
	privileges_forget_environment();
	check(getuid() == OTHER_USER && getegid() == OTHER_USER && getgroups(0, NULL) == 0);
	check(syscall(SYS_capget, header, data) == 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		check(data[i] == 0);
	check(prctl(PR_CAPBSET_READ, 21) == 0);
	check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 0);
	check(prctl(PR_GET_SECUREBITS) & SECBIT_NOROOT_LOCKED);
	check(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
	check(!getenv("SECRET") && setuid(0) < 0);
}

static void drop_all_but_one(void)
{
	uint32_t header[2] = { 0x20080522, 0 }, data[6];
	struct error err;

	check(privileges_drop(1, &err) == 0);
	check(syscall(SYS_capget, header, data) == 0);
	check(data[0] == 1 && data[1] == 1 && data[2] == 0 && data[3] == 0 && data[4] == 0);
	check(chown("/", 0, 0) == 0 && mkdir("/proc/attempt", 0700) < 0);
	check(unshare(CLONE_NEWNET) < 0 && errno == EPERM);
}

static void enter_empty(void)
{
	struct error err;
	DIR *root;

	check(privileges_become(OTHER_USER, &err) == 0);
	check(namespaces_enter_empty(&err) == 0);
	root = opendir("/");
	check(root != NULL);
	for (const struct dirent *entry; (entry = readdir(root)) != NULL;)
		check(entry->d_name[0] == '.');
	check(mkdir("/attempt", 0700) < 0 && errno == EROFS);
	check(open("/proc/self/exe", O_RDONLY) < 0 && errno == ENOENT);
	check(chdir("../../..") == 0 && open("etc/passwd", O_RDONLY) < 0);
}

/* The child is in a network namespace that is there as long as its descriptor. */
static void fork_offline(void)
{
	struct stat own, empty, after;
	struct error err;
	int fd = -1, status;
	pid_t pid;

	check(stat("/proc/self/ns/net", &own) == 0);
	pid = namespaces_fork_offline(&fd, &err);
	if (pid == 0)
		end(stat("/proc/self/ns/net", &empty) == 0 && empty.st_ino != own.st_ino ? DONE
											 : FAILED);
	check(pid > 1 && waitpid(pid, &status, 0) == pid && is_done(status));
	check(fstat(fd, &empty) == 0 && empty.st_ino != own.st_ino);
	check(stat("/proc/self/ns/net", &after) == 0 && after.st_ino == own.st_ino);
	check(setns(fd, CLONE_NEWNET) == 0);
}

/* Without a control group it is namespaces_fork(). */
static void fork_nowhere(void)
{
	struct error err;
	bool is_inside = true;
	int status;
	pid_t pid = namespaces_fork_into(-1, &is_inside, &err);

	if (pid == 0)
		end(getpid() == 1 ? DONE : FAILED);
	check(!is_inside && pid > 1 && waitpid(pid, &status, 0) == pid && is_done(status));
}

static void fork_into_namespace(void)
{
	struct error err;
	int status;
	pid_t pid = namespaces_fork(&err);

	if (pid == 0)
		end(getpid() == 1 ? DONE : FAILED);
	check(pid > 1 && waitpid(pid, &status, 0) == pid && is_done(status));
	/* Later children are in the old one. */
	pid = fork();
	if (pid == 0)
		end(getpid() == 1 ? FAILED : DONE);
	check(waitpid(pid, &status, 0) == pid && is_done(status));
}

static void deny_files(void)
{
	struct error err;

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	check(landlock_deny_all(false, &err) == 0);
	check(landlock_abi() == 0 || (open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES));
}

int main(void)
{
	test_filter();
	test_tables();
	ok(is_done(status_of(deny_files)));
	if (geteuid() == 0) {
		ok(is_done(status_of(become_and_drop)));
		ok(is_done(status_of(drop_all_but_one)));
		ok(is_done(status_of(enter_empty)));
		ok(is_done(status_of(fork_into_namespace)));
		ok(is_done(status_of(fork_offline)));
		ok(is_done(status_of(fork_nowhere)));
	} else {
		printf("ok %u - users and namespaces # SKIP needs root\n", ++tap_checks);
	}
	return tap_done();
}
