/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/network_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int network_namespace_run(const char *command)
{
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

bool network_namespace_enter(void)
{
	return unshare(CLONE_NEWNET) == 0 && network_namespace_run("ip link set lo up") == 0;
}

int network_namespace_fd(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}
