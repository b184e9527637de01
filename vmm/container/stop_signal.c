/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/stop_signal.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool stop_signal_read(int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	return info.ssi_signo != SIGCHLD && info.ssi_signo != SIGWINCH &&
	       info.ssi_signo != SIGCONT && info.ssi_signo != SIGURG;
}
