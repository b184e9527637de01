/* SPDX-License-Identifier: Apache-2.0 */
/* test_hook_runner.c - hooks of the host: what they get, and how they may fail */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/container/hook_runner.h"

#define STATE "{\"id\":\"c1\",\"pid\":7}"
#define LARGE 300000 /* more than any pipe holds */

static struct error err;
static char directory[SCRATCH_DIR_SIZE];

/* Hooks of one kind: `sh -c SCRIPT` each, with the variables K and PATH. */
struct sample {
	struct container_hooks hooks;
	struct container_hook items[2];
};

static void sample_add(struct sample *sample, const char *script, unsigned int timeout_s)
{
	struct container_hook_list *list = &sample->hooks.lists[HOOK_PRESTART];
	struct container_hook *hook = &sample->items[list->count++];

	list->items = sample->items;
	hook->path = strdup("/bin/sh");
	ok(text_list_add(&hook->args, "hook") == 0 && text_list_add(&hook->args, "-c") == 0 &&
	   text_list_add(&hook->args, "%s", script) == 0 &&
	   text_list_add(&hook->env, "K=v w") == 0 &&
	   text_list_add(&hook->env, "PATH=/usr/bin:/bin") == 0);
	hook->timeout_s = timeout_s;
}

static void sample_clear(struct sample *sample)
{
	for (size_t i = 0; i < sample->hooks.lists[HOOK_PRESTART].count; i++) {
		free(sample->items[i].path);
		text_list_clear(&sample->items[i].args);
		text_list_clear(&sample->items[i].env);
	}
}

static int run_with(const struct hook_setting *setting, const char *script, unsigned int timeout_s)
{
	struct sample sample = { 0 };
	int r;

	sample_add(&sample, script, timeout_s);
	err = (struct error){ 0 };
	r = hooks_run(&sample.hooks, HOOK_PRESTART, setting, &err);
	sample_clear(&sample);
	/* No child is left, neither running nor as a zombie. */
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return r;
}

static int run(const char *script, unsigned int timeout_s)
{
	const struct hook_setting setting = {
		.state = STATE, .directory = directory, .signal_fd = -1, .peer_fd = -1
	};

	return run_with(&setting, script, timeout_s);
}

/* The content of a file that a hook wrote, until the next call. */
static const char *written(const char *name)
{
	static char *text;
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct error ignored;
	size_t size;

	free(pointer_take(text));
	if (file_load(fd, name, LARGE + 1, &text, &size, &ignored) < 0)
		text = strdup("(missing)");
	(void)close(fd);
	return text;
}

static bool is_written(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static void test_what_a_hook_gets(void)
{
	int leaked = fcntl(STDIN_FILENO, F_DUPFD, 20); /* without close-on-exec */
	sigset_t all;

	/* As the command line has it when it runs hooks. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	ok(setenv("LEAKED", "1", 1) == 0);
	/* Signals 32 and 33 are the C library's, which lets nobody change what it inherited. */
	is_int(run("cat > state; env | grep -v ^PWD= | sort > env; pwd > pwd; ls /proc/self/fd > "
		   "fds; grep -E '^(SigBlk|SigIgn)' /proc/self/status | sed "
		   "s/180000000$/000000000/ "
		   "> signals; "
		   "test $$ = $(ps -o sid= -p $$) && echo session > session",
		   0),
	       0);
	(void)pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	is_str(written("state"), STATE);
	is_str(written("env"), "K=v w\nPATH=/usr/bin:/bin\n");
	ok(!strncmp(written("pwd"), directory, strlen(directory)));
	is_str(written("fds"), "0\n1\n2\n3\n"); /* 3 is ls's own */
	is_str(written("signals"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	is_str(written("session"), "session\n");
	(void)close(leaked);
}

static void test_empty_environment(void)
{
	struct container_hook hook = { .path = (char[]){ "/usr/bin/env" } };
	const struct container_hooks hooks = { .lists[HOOK_POSTSTOP] = { &hook, 1 } };
	const struct hook_setting setting = {
		.state = STATE, .directory = directory, .signal_fd = -1, .peer_fd = -1
	};

	ok(text_list_add(&hook.args, "env") == 0 && text_list_add(&hook.args, "/nope") == 0);
	is_int(hooks_run(&hooks, HOOK_POSTSTOP, &setting, &err), -EINVAL);
	text_list_clear(&hook.args);
	ok(text_list_add(&hook.args, "env") == 0);
	is_int(hooks_run(&hooks, HOOK_POSTSTOP, &setting, &err), 0);
	text_list_clear(&hook.args);
	/* What this process has is not there: that would be said in the error. */
	ok(getenv("LEAKED") && text_list_add(&hook.args, "env") == 0 &&
	   text_list_add(&hook.args, "/bin/sh") == 0 && text_list_add(&hook.args, "-c") == 0 &&
	   text_list_add(&hook.args, "echo $LEAKED$HOME; test -z $LEAKED$HOME") == 0);
	if (!is_int(hooks_run(&hooks, HOOK_POSTSTOP, &setting, &err), 0))
		printf("# %s\n", err.text);
	text_list_clear(&hook.args);
	ok(text_list_add(&hook.args, "env") == 0 && text_list_add(&hook.args, "-u") == 0);
	is_int(hooks_run(&hooks, HOOK_POSTSTOP, &setting, &err), -EINVAL);
	ok(strstr(err.text, "hooks.poststop[0]: '/usr/bin/env' ended with exit code 125: "));
	text_list_clear(&hook.args);
}

static void test_failures(void)
{
	struct sample sample = { 0 };
	const struct hook_setting setting = {
		.state = STATE, .directory = directory, .signal_fd = -1, .peer_fd = -1
	};
	const struct hook_setting elsewhere = {
		.state = STATE, .directory = "/nope", .signal_fd = -1, .peer_fd = -1
	};

	is_int(run("echo out; printf 'tab\\tand\\001control\\n\\n' >&2; exit 3", 0), -EINVAL);
	is_str(err.text, "hooks.prestart[0]: '/bin/sh' ended with exit code 3: "
			 "out tab and control");
	is_int(run("kill -9 $$", 0), -EINVAL);
	is_str(err.text, "hooks.prestart[0]: '/bin/sh' was ended by signal 9");

	/* The second one; and nothing after a failure. */
	sample_add(&sample, "touch first", 0);
	sample_add(&sample, "exit 1", 0);
	is_int(hooks_run(&sample.hooks, HOOK_PRESTART, &setting, &err), -EINVAL);
	is_str(err.text, "hooks.prestart[1]: '/bin/sh' ended with exit code 1");
	ok(is_written("first"));
	sample_clear(&sample);
	sample = (struct sample){ 0 };
	sample_add(&sample, "exit 1", 0);
	sample_add(&sample, "touch second", 0);
	is_int(hooks_run(&sample.hooks, HOOK_PRESTART, &setting, &err), -EINVAL);
	ok(!is_written("second"));
	is_int(hooks_run(&sample.hooks, HOOK_PRESTART, &elsewhere, &err), -ENOENT);
	is_str(err.text, "hooks.prestart[0]: execute '/bin/sh' in '/nope': no such file or "
			 "directory");
	free(sample.items[0].path);
	sample.items[0].path = strdup("/nope");
	is_int(hooks_run(&sample.hooks, HOOK_PRESTART, &setting, &err), -ENOENT);
	ok(strstr(err.text, "hooks.prestart[0]: execute '/nope' in '"));
	sample_clear(&sample);
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Of what a hook prints the end is shown, and the error stays within its bounds. */
static void test_long_output(void)
{
	is_int(run("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; echo the end; "
		   "exit 1",
		   0),
	       -EINVAL);
	ok(strlen(err.text) > 1000 && strlen(err.text) < 1200);
	is_str(err.text + strlen(err.text) - 13, "19999 the end");
}

/* Both may be larger than a pipe: neither side waits for the other. */
static void test_large_state(void)
{
	char *state = malloc(LARGE + 1);
	struct hook_setting setting = { state, directory, -1, -1 };

	memset(state, 's', LARGE);
	state[LARGE] = 0;
	is_int(run_with(&setting, "true", 0), 0);
	is_int(run_with(&setting, "cat > state; cat state state >&2", 0), 0);
	is_str(written("state"), state);
	free(state);
}

/* Whether the process whose pid a hook wrote is gone. */
static bool is_gone(const char *name)
{
	pid_t pid = (pid_t)strtol(written(name), NULL, 10);

	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		(void)usleep(50000);
	return pid > 0 && kill(pid, 0) < 0;
}

static void test_timeout(void)
{
	is_int(run("true", 100), 0);
	is_int(run("sleep 1000 & echo $! > child; echo $$ > parent; echo words; wait", 1), -EINVAL);
	is_str(err.text, "hooks.prestart[0]: '/bin/sh' was still running after its timeout of 1 s: "
			 "words");
	ok(is_gone("child") && is_gone("parent"));
}

/* What a hook leaves behind may live on when it has succeeded, and keeps nobody waiting. */
static void test_left_behind(void)
{
	is_int(run("sleep 1000 & echo $! > child", 0), 0);
	is_int(kill((pid_t)strtol(written("child"), NULL, 10), SIGKILL), 0);
	is_int(run("yes & echo $! > child", 0), 0);
	is_int(run("sleep 1000 & echo $! > child; exit 1", 0), -EINVAL);
	ok(is_gone("child"));
}

static void test_interrupted(void)
{
	struct hook_setting setting = { STATE, directory, -1, -1 };
	int peer[2];
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGCHLD);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	setting.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	/* Children end all the time. */
	is_int(run_with(&setting, "kill -CHLD $PPID; sleep 0.2", 0), 0);
	is_int(run_with(&setting, "echo $$ > parent; kill -TERM $PPID; sleep 1000", 0), -EINTR);
	ok(is_gone("parent"));
	(void)close(setting.signal_fd);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	setting.signal_fd = -1;
	ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, peer) == 0);
	setting.peer_fd = peer[0];
	is_int(run_with(&setting, "true", 0), 0);
	(void)close(peer[1]);
	is_int(run_with(&setting, "sleep 1000", 0), -ECANCELED);
	(void)close(peer[0]);
}

/* Killed at any instant, whoever runs a hook takes it along. */
static void test_runner_is_killed(void)
{
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO); /* checks are not to be counted twice */
		(void)run("echo $$ > alive; exec sleep 1000", 0);
		_exit(0);
	}
	for (int i = 0; i < 200 && strtol(written("alive"), NULL, 10) <= 0; i++)
		(void)usleep(50000);
	is_int(kill(pid, SIGKILL), 0);
	is_int(waitpid(pid, NULL, 0), pid);
	ok(is_gone("alive"));
}

int main(void)
{
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	scratch_dir_make(directory);
	test_what_a_hook_gets();
	test_empty_environment();
	test_failures();
	test_long_output();
	test_large_state();
	test_timeout();
	test_left_behind();
	test_interrupted();
	test_runner_is_killed();
	(void)written("");
	scratch_dir_remove(directory);
	return tap_done();
}
