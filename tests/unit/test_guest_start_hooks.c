/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_start_hooks.c - the startContainer hooks, run in the container before its program */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <time.h>

#include "tests/unit/guest_machine.h"

/* A hook that runs @script with the shell. */
static json_t *hook_make(const char *script, int timeout_s)
{
	return json_pack("{s:s, s:[s,s,s,s], s:[s], s:i}", "path", "/bin/sh", "args", "sh", "-c",
			 script, "hook", "env", "K=v w", "timeout", timeout_s);
}

/* Give the plan the hooks @first and, unless it is NULL, @second. */
static json_t *plan_with_hooks(const char *script, json_t *first, json_t *second)
{
	json_t *plan = plan_make(script);

	json_object_set_new(plan, "startContainer",
			    json_pack("{s:{s:s, s:s}, s:[o, o*]}", "state", "id", "c1", "status",
				      "created", "hooks", first, second));
	return plan;
}

static void is_output(json_t *plan, const char *want)
{
	struct machine machine;

	run_plan(&machine, plan);
	is_str(machine.output, want);
}

/* The one failure there may be: at the start, with @sentence. */
static void is_failed_start(json_t *plan, const char *sentence)
{
	struct machine machine;

	ok(!machine_start(&machine, plan));
	is_int(machine.frame.type, PROTOCOL_ERROR);
	is_str(machine.frame.text, sentence);
	machine_shut_down(&machine);
}

#define SPACES "for n in mnt pid uts ipc net cgroup; do readlink /proc/self/ns/$n; done"

static void test_what_a_hook_gets(void)
{
	json_t *first =
		hook_make("{ cat; echo; echo \"$0 <$K> <$A> $PWD\"; id; ls /proc/self/fd; } "
			  "> /volatile/out; " SPACES " > /volatile/spaces",
			  0);
	json_t *second = hook_make("{ cat; echo; tty || true; } >> /volatile/out", 5);

	/* Of ls, 3 is the directory that it lists. */
	is_output(plan_with_hooks("cat /volatile/out; " SPACES " > /volatile/mine; "
				  "[ \"$(cat /volatile/mine)\" = \"$(cat /volatile/spaces)\" ] && "
				  "echo same && wc -l < /volatile/spaces",
				  first, second),
		  "{\"id\":\"c1\",\"status\":\"created\",\"pid\":1}\nhook <v w> <> /\n"
		  "uid=0(root) gid=0\n0\n1\n2\n3\n"
		  "{\"id\":\"c1\",\"status\":\"created\",\"pid\":1}\nnot a tty\nsame\n6\n");
}

/* As the container's user, with its privileges, in its working directory. */
static void test_privileges(void)
{
	static const char script[] = "{ grep -E '^(CapEff|NoNewPrivs):' /proc/self/status; pwd; "
				     "id; } > /dev/shm/out";
	json_t *plan = plan_with_hooks("cat /dev/shm/out", hook_make(script, 0), NULL);

	json_object_set_new(process_of(plan), "uid", json_integer(1234));
	json_object_set_new(process_of(plan), "cwd", json_string("/home"));
	json_object_set_new(process_of(plan), "noNewPrivileges", json_true());
	json_array_append_new(plan_mounts(plan),
			      MOUNT("/dev/shm", "tmpfs", "shm", MS_NOSUID, "mode=1777"));
	is_output(plan, "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n/home\nuid=1234(bob) gid=0\n");
}

/* With and without no_new_privs the filter is in force: mkdir fails with EPROTO. */
static void test_filter(bool has_no_new_privs)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	json_t *plan = plan_with_hooks(
		"cat /volatile/out", hook_make("busybox mkdir /x 2> /volatile/out; true", 0), NULL);
	json_t *program = json_array();

	for (size_t i = 0; i < sizeof(filter) / sizeof(filter[0]); i++)
		json_array_append_new(program,
				      json_integer((json_int_t)filter[i].code << 48 |
						   (json_int_t)filter[i].jt << 40 |
						   (json_int_t)filter[i].jf << 32 | filter[i].k));
	json_object_set_new(process_of(plan), "seccomp",
			    json_pack("{s:i, s:o}", "flags", 0, "filter", program));
	json_object_set_new(process_of(plan), "noNewPrivileges", json_boolean(has_no_new_privs));
	is_output(plan, "mkdir: can't create directory '/x': Protocol error\n");
}

static void test_failures(void)
{
	json_t *good = hook_make("true", 0);
	json_t *missing = hook_make("true", 0);

	is_failed_start(
		plan_with_hooks("echo never", good, hook_make("echo one; echo two >&2; exit 7", 0)),
		"hooks.startContainer[1]: \"/bin/sh\" ended with exit code 7: one two");
	is_failed_start(plan_with_hooks("echo never", hook_make("kill -TERM $$", 0), NULL),
			"hooks.startContainer[0]: \"/bin/sh\" was ended by signal 15");
	json_object_set_new(missing, "path", json_string("/nope"));
	is_failed_start(plan_with_hooks("echo never", missing, NULL),
			"hooks.startContainer[0]: execute \"/nope\": no such file or directory");
}

/* All that the hook started goes with it, and its last words are shown. */
static void test_timeout(void)
{
	struct timespec begin, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	is_failed_start(plan_with_hooks("echo never",
					hook_make("echo waits; sleep 100 & sleep 100", 1), NULL),
			"hooks.startContainer[0]: \"/bin/sh\" was still running after its timeout "
			"of 1 s: waits");
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ok(end.tv_sec - begin.tv_sec < 50);
}

/* What a hook leaves behind keeps nobody waiting; nor does what it prints without end. */
static void test_left_behind(void)
{
	is_output(plan_with_hooks("echo runs", hook_make("sleep 100 & true", 0),
				  hook_make("while head -c 65536 /dev/zero; do :; done &", 0)),
		  "runs\n");
}

int main(void)
{
	if (!machines_begin())
		return 0;
	test_what_a_hook_gets();
	test_privileges();
	test_filter(false);
	test_filter(true);
	test_failures();
	test_timeout();
	test_left_behind();
	return machines_end();
}
