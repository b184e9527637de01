/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/block_signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

int block_signals(int *ret_fd, struct error *err)
{
	sigset_t set;
	int r;

	(void)sigfillset(&set);
	(void)sigdelset(&set, SIGPIPE);
	for (int i = 1; i <= SIGRTMAX; i++) {
		struct sigaction action;

		if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			(void)sigdelset(&set, i);
	}
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r)
		return error_set(err, r, "block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *ret_fd < 0 ? error_set(err, errno, "create a signalfd") : 0;
}
