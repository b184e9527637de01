/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_filter_install(const struct plan_process *process, struct failure *err)
{
	const struct sock_fprog program = {
		.len = (unsigned short)process->filter_len,
		.filter = process->filter,
	};

	if (!process->filter_len)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, process->filter_flags, &program))
		return failure_set(err, errno, "linux.seccomp: install the filter");
	return 0;
}
