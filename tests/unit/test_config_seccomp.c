/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "linux.seccomp" becomes a program that does what the profile says: every profile here is
 * installed in a process, which then makes the calls.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"

/* Calls that do nothing, and that nothing else here makes. */
#define CALL SYS_getpriority /* its arguments may be anything */
#define OTHER SYS_getpgid
#define X32 0x40000000L
#define UNTOUCHED (-1) /* no errno value: the call was let through */

static struct error err;

/* The good configuration with the members @seccomp in its profile, or NULL. */
static struct container_config *parse(const char *seccomp)
{
	struct container_config *config = NULL;
	AUTO_FREE char *change = NULL;
	AUTO_FREE char *text = NULL;

	if (asprintf(&change, "{'linux':{'seccomp':{%s}}}", seccomp) < 0)
		return NULL;
	text = changed_config_text(change);
	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s: %s\n", seccomp, err.text);
	return config;
}

/* In a new process with the filter: what CALL with @argument fails with, as its exit code. */
static _Noreturn void call_filtered(const struct container_seccomp *seccomp, long call,
				    unsigned long argument, unsigned long second)
{
	const struct sock_fprog program = { .len = (unsigned short)seccomp->nr_instructions,
					    .filter = seccomp->program };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, seccomp->flags, &program) < 0)
		_exit(254);
	errno = 0;
	/* Below 0 the real call fails with EINVAL or ESRCH: neither is used by a profile here. */
	(void)syscall(call, argument, second);
	/* Not _exit(), before which the sanitizer makes calls of its own. */
	for (;;)
		(void)syscall(SYS_exit_group, errno == EINVAL || errno == ESRCH ? 0 : errno);
}

/* What @profile makes of a call: 0 let through, an errno value, or 128 + a signal. */
static int outcome(const char *profile, long call, unsigned long argument, unsigned long second)
{
	struct container_config *config = parse(profile);
	int status = 0;
	pid_t pid;

	if (!config)
		return UNTOUCHED;
	ok(config->seccomp.nr_instructions > 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		call_filtered(&config->seccomp, call, argument, second);
	is_int(waitpid(pid, &status, 0), pid);
	container_config_free(config);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define ALLOW_BUT(action)                                                                          \
	"'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['getpriority'],'action':'" action  \
	"'}]"
#define WHEN(...)                                                                                  \
	"'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['getpriority'],"                   \
	"'action':'SCMP_ACT_ERRNO','errnoRet':71,'args':[" __VA_ARGS__ "]}]"
#define ARG(index, op, value) "{'index':" index ",'op':'SCMP_CMP_" op "','value':" value "}"

static void test_actions(void)
{
	is_int(outcome(ALLOW_BUT("SCMP_ACT_ERRNO"), CALL, 9, 0), EPERM);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_ERRNO','errnoRet':71,'x':'"), CALL, 9, 0), 71);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_ERRNO"), OTHER, 1 << 30, 0), 0);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_KILL"), CALL, 9, 0), 128 + SIGSYS);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_KILL_THREAD"), CALL, 9, 0), 128 + SIGSYS);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_KILL_PROCESS"), CALL, 9, 0), 128 + SIGSYS);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_TRAP"), CALL, 9, 0), 128 + SIGSYS);
	is_int(outcome(ALLOW_BUT("SCMP_ACT_LOG"), CALL, 9, 0), 0);
	/* Nobody traces: the call does not exist then. */
	is_int(outcome(ALLOW_BUT("SCMP_ACT_TRACE"), CALL, 9, 0), ENOSYS);
}

static void test_default_action(void)
{
	static const char rest[] =
		"'syscalls':[{'names':['exit_group','getpgid','no_such_call'],"
		"'action':'SCMP_ACT_ALLOW'},{'names':['getpid'],'action':'SCMP_ACT_ERRNO'}]";
	char profile[512];

	(void)snprintf(profile, sizeof(profile), "'defaultAction':'SCMP_ACT_ERRNO',%s", rest);
	is_int(outcome(profile, CALL, 9, 0), EPERM);
	is_int(outcome(profile, OTHER, 1 << 30, 0), 0);
	(void)snprintf(profile, sizeof(profile),
		       "'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,%s", rest);
	is_int(outcome(profile, CALL, 9, 0), ENOSYS);
}

/* Above what the profile mentions a call does not exist, but for profiles that refuse by name. */
static void test_newer_calls(void)
{
	static const char *const actions[] = { "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",
					       "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP" };
	static const char rest[] = "'architectures':['SCMP_ARCH_X86','SCMP_ARCH_X32'],"
				   "'syscalls':[{'names':['exit_group','getpgid','no_such_call'],"
				   "'action':'SCMP_ACT_ALLOW'}]";
	char profile[512];

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		(void)snprintf(profile, sizeof(profile), "'defaultAction':'%s',%s", actions[i],
			       rest);
		is_int(outcome(profile, SYS_exit_group + 1, 0, 0), ENOSYS);
		is_int(outcome(profile, 600, 0, 0), ENOSYS);
		is_int(outcome(profile, CALL, 9, 0), i ? 128 + SIGSYS : EPERM);
		is_int(outcome(profile, OTHER, 1 << 30, 0), 0);
		/* With the number of x32, where 231 is the highest as well. */
		is_int(outcome(profile, X32 | 600, 0, 0), ENOSYS);
		is_int(outcome(profile, X32 | CALL, 0, 0), i ? 128 + SIGSYS : EPERM);
	}
	(void)snprintf(profile, sizeof(profile), "'defaultAction':'SCMP_ACT_ALLOW',%s", rest);
	is_int(outcome(profile, SYS_getpriority, 9, 0), 0);
	/* Nothing is mentioned, so nothing is newer. */
	is_int(outcome("'defaultAction':'SCMP_ACT_KILL','syscalls':[]", 600, 0, 0), 128 + SIGSYS);
	/* Without x32 in the profile its calls are of an architecture that is refused. */
	is_int(outcome("'defaultAction':'SCMP_ACT_ERRNO','syscalls':["
		       "{'names':['exit_group'],'action':'SCMP_ACT_ALLOW'}]",
		       X32 | 600, 0, 0),
	       128 + SIGSYS);
}

static void test_operators(void)
{
	static const struct {
		const char *profile;
		unsigned long matches, differs;
	} cases[] = {
		{ WHEN(ARG("0", "EQ", "77")), 77, 78 },
		{ WHEN(ARG("0", "NE", "77")), 78, 77 },
		{ WHEN(ARG("0", "LT", "77")), 76, 77 },
		{ WHEN(ARG("0", "LE", "77")), 77, 78 },
		{ WHEN(ARG("0", "GT", "77")), 78, 77 },
		{ WHEN(ARG("0", "GE", "77")), 77, 76 },
		{ WHEN("{'index':0,'op':'SCMP_CMP_MASKED_EQ','value':240,'valueTwo':32}"), 0x2f,
		  0x3f },
		/* Conditions on one argument are alternatives. */
		{ WHEN(ARG("0", "EQ", "77") "," ARG("0", "EQ", "79")), 79, 78 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		is_int(outcome(cases[i].profile, CALL, cases[i].matches, 0), 71);
		is_int(outcome(cases[i].profile, CALL, cases[i].differs, 0), 0);
	}
	/* Those on several must all hold. */
	is_int(outcome(WHEN(ARG("0", "EQ", "77") "," ARG("1", "EQ", "5")), CALL, 77, 5), 71);
	is_int(outcome(WHEN(ARG("0", "EQ", "77") "," ARG("1", "EQ", "5")), CALL, 77, 6), 0);
}

static void test_flags_and_architectures(void)
{
	struct container_config *config =
		parse("'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_LOG',"
		      "'SECCOMP_FILTER_FLAG_SPEC_ALLOW'],'architectures':['SCMP_ARCH_X86_64',"
		      "'SCMP_ARCH_X86','SCMP_ARCH_X32','SCMP_ARCH_S390X']");

	if (!config)
		return;
	is_int(config->seccomp.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	container_config_free(config);
	config = parse("");
	if (!config)
		return;
	is_int(config->seccomp.nr_instructions, 0);
	container_config_free(config);
}

int main(void)
{
	test_actions();
	test_default_action();
	test_newer_calls();
	test_operators();
	test_flags_and_architectures();
	return tap_done();
}
