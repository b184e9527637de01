/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

static void fill(sigset_t *set)
{
	(void)sigfillset(set);
	(void)sigdelset(set, SIGSEGV);
	(void)sigdelset(set, SIGBUS);
	(void)sigdelset(set, SIGILL);
	(void)sigdelset(set, SIGFPE);
	(void)sigdelset(set, SIGABRT);
}

int signals_block(struct error *err)
{
	sigset_t set;
	int r;

	fill(&set);
	r = pthread_sigmask(SIG_SETMASK, &set, NULL);
	return r ? error_set(err, r, "block signals") : 0;
}

int signals_open(bool with_children, struct error *err)
{
	sigset_t set;
	int fd;

	fill(&set);
	(void)sigdelset(&set, SIGPIPE);
	if (!with_children)
		(void)sigdelset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(err, errno, "create a signalfd") : fd;
}
