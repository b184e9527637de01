/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_guest_process.c - what guest-init works out for a process without becoming it: home
 * directory, environment, program, sysctl paths, sentences
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-init/failure.h"
#include "guest-init/kernel_settings.h"
#include "guest-init/process_environment.h"
#include "guest-init/program_lookup.h"
#include "tests/unit/tap.h"

static char directory[] = "/tmp/test-guest-process-XXXXXX";
static int root_fd;

static void make_file(const char *path, mode_t mode, const char *text)
{
	int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	ok(!fchmod(fd, mode));
	(void)close(fd);
}

static void is_home(const char *passwd, uint32_t uid, const char *want)
{
	char *text = strdup(passwd);
	const char *home = process_environment_find_home(text, uid);

	if (want)
		is_str(home, want);
	else
		ok(!home);
	free(text);
}

static void test_find_home(void)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
				     "\n"
				     "no fields at all\n"
				     "short:x:1:1:gecos\n"
				     "word:x:two:1::/word:\n"
				     "sign:x:+2:1::/sign:\n"
				     "space:x: 2:1::/space:\n"
				     "tail:x:2x:1::/tail:\n"
				     "big:x:18446744073709551618:1::/big:\n"
				     "two:x:2:1::/two\n"
				     "again:x:2:1::/again:\n"
				     "empty:x:3:1:::\n"
				     "max:x:4294967295:1::/max:/bin/sh:more:fields";

	is_home(passwd, 0, "/root");
	is_home(passwd, 1, NULL);
	is_home(passwd, 2, "/two");
	is_home(passwd, 3, "");
	is_home(passwd, UINT32_MAX, "/max");
	is_home("", 0, NULL);
	is_home(":::::::::::", 0, NULL);
}

/* The environment made of @env for user 0, joined by spaces. */
static void is_environment(char **env, size_t len, const char *want)
{
	struct plan_process process = { .env = { env, len } };
	char joined[256] = "";
	struct failure err;
	char **made = NULL;

	is_int(process_environment_make(&process, root_fd, &made, &err), 0);
	for (size_t i = 0; made[i]; i++) {
		bool is_ours = true;

		(void)strcat(strcat(joined, i ? " " : ""), made[i]);
		for (size_t j = 0; j < len; j++)
			is_ours = is_ours && made[i] != env[j];
		if (is_ours)
			free(made[i]);
	}
	is_str(joined, want);
	free(made);
}

static void test_environment(void)
{
	char a1[] = "A=1", a2[] = "A=2", ab[] = "AB=3", home[] = "HOME=/h", no_home[] = "HOME=";
	char *twice[] = { a1, ab, a2 };
	char *given[] = { home, a1 };
	char *empty[] = { no_home, a1 };

	make_file("etc/passwd", 0644, "root:x:0:0::/root:\n");
	is_environment(twice, 3, "A=2 AB=3 HOME=/root");
	is_environment(given, 2, "HOME=/h A=1");
	is_environment(empty, 2, "HOME=/root A=1");
	make_file("etc/passwd", 0644, "root:x:0:0:::\n");
	is_environment(twice, 1, "A=1 HOME=/");
	ok(!unlinkat(root_fd, "etc/passwd", 0));
	is_environment(twice, 0, "HOME=/");
	ok(!mkfifoat(root_fd, "etc/passwd", 0666));
	is_environment(twice, 0, "HOME=/");
}

static void is_program(const char *name, const char *search_path, const char *want)
{
	char *variable = NULL;
	char *env[] = { NULL, NULL };
	struct failure err;
	char *path = NULL;
	int r;

	if (search_path && asprintf(&variable, "PATH=%s", search_path) < 0)
		abort();
	env[0] = variable;
	r = program_lookup(name, env, &path, &err);
	is_str(r ? err.text : path, want);
	ok(r || path);
	free(path);
	free(variable);
}

static void test_program_lookup(void)
{
	make_file("bin/tool", 0755, "");
	make_file("bin/data", 0644, "");
	make_file("sbin/data", 0755, "");
	ok(!mkdirat(root_fd, "bin/folder", 0755));
	ok(!symlinkat("tool", root_fd, "bin/link"));
	ok(!symlinkat("nowhere", root_fd, "bin/dangling"));
	is_program("tool", "/nonsense:bin:sbin", "bin/tool");
	is_program("data", "bin:sbin", "sbin/data");
	is_program("link", "bin", "bin/link");
	is_program("folder", "bin", "exec: \"folder\": executable file not found in $PATH");
	is_program("dangling", "bin", "exec: \"dangling\": executable file not found in $PATH");
	is_program("tool", "", "exec: \"tool\": executable file not found in $PATH");
	is_program("tool", NULL, "exec: \"tool\": executable file not found in $PATH");
	is_program("", "bin", "exec: \"\": executable file not found in $PATH");
	is_program("./bin/tool", NULL, "./bin/tool");
	is_program("bin/none", "bin",
		   "exec: \"bin/none\": stat bin/none: no such file or directory");
	is_program("bin/tool/x", "bin", "exec: \"bin/tool/x\": stat bin/tool/x: not a directory");
	is_program("bin/data", "bin", "exec: \"bin/data\": permission denied");
	is_program("bin/folder", "bin", "exec: \"bin/folder\": permission denied");
	ok(!chdir("bin"));
	is_program("tool", "/nonsense:", "exec: \"tool\": executable file not found in $PATH");
	is_program("tool", ":/nonsense", "./tool");
	ok(!chdir(".."));
}

static void is_sysctl(const char *name, const char *want)
{
	char path[32];
	int r = kernel_settings_sysctl_path(name, path, sizeof(path));

	if (want)
		is_str(r ? NULL : path, want);
	else
		is_int(r, -EINVAL);
}

static void test_sysctl_path(void)
{
	is_sysctl("net.ipv4.ip_forward", "net/ipv4/ip_forward");
	is_sysctl("net/ipv4/ip_forward", "net/ipv4/ip_forward");
	is_sysctl("net.ipv4.conf.eth0/1.x", "net/ipv4/conf/eth0.1/x");
	is_sysctl("net/ipv4/conf/eth0.1/x", "net/ipv4/conf/eth0.1/x");
	is_sysctl("panic", "panic");
	is_sysctl("", NULL);
	is_sysctl("/etc/passwd", NULL);
	is_sysctl(".etc.passwd", NULL);
	is_sysctl("kernel/../../x", NULL);
	is_sysctl("a.//.b", NULL);
	is_sysctl("a-name-that-is-longer-than-the-buffer", NULL);
}

static void test_failure(void)
{
	char long_text[PROTOCOL_TEXT_SIZE + 100];
	struct failure err;

	is_int(failure_set(&err, ENOENT, "open %s", "x"), -ENOENT);
	is_str(err.text, "open x: no such file or directory");
	is_int(failure_prefix(&err, "mount \"%s\"", "y"), -ENOENT);
	is_str(err.text, "mount \"y\": open x: no such file or directory");
	is_int(failure_invalid(&err, "complete"), -EINVAL);
	is_str(err.text, "complete");
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = 0;
	(void)failure_set(&err, EIO, "%s", long_text);
	is_int(strlen(err.text), PROTOCOL_TEXT_SIZE - 1);
	(void)failure_prefix(&err, "%s", long_text);
	is_int(strlen(err.text), PROTOCOL_TEXT_SIZE - 1);
}

int main(void)
{
	char command[64];

	ok(mkdtemp(directory) != NULL && !chdir(directory));
	root_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok(!mkdir("etc", 0755) && !mkdir("bin", 0755) && !mkdir("sbin", 0755));
	test_find_home();
	test_environment();
	test_program_lookup();
	test_sysctl_path();
	test_failure();
	(void)close(root_fd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	ok(!system(command));
	return tap_done();
}
