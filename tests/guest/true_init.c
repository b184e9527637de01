/* SPDX-License-Identifier: Apache-2.0 */
/*
 * true_init - first process of a virtual machine that runs /bin/true and resets
 *
 * The least that another monitor than ours can be asked for (tests/bench/start). A machine whose
 * /bin/true fails does not reset, which its monitor's caller notices by waiting.
 */
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
