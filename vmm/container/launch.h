/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - the command line's side of a container's processes
 *
 *   command line ── fork ──► container process (the pid engines see: serves files, PID 1 of its
 *                                  │             pid namespace, so nothing below outlives it)
 *                                  ├─ fork ──► network process (the namespace's interfaces, taps)
 *                                  └─ fork ──► monitor (KVM, guest memory, devices)
 *
 * Until launch_commit() the container dies with the command line; afterwards it stands alone.
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/oci/container_config.h"
#include "vmm/template/template_store.h"

/* Everything that the container's processes need, opened before they exist. All borrowed. */
struct launch_request {
	const struct container_config *config;
	const struct host_cgroup *cgroup; /* made; joined before anything is allocated */
	bool is_in_cgroup;		  /* set by launch_start(): born in that of version 2 */
	const char *guest_plan;
	const char *hook_state; /* what createContainer hooks read on standard input */
	int kvm_fd;
	int kernel_fd, initramfs_fd;
	const char *kernel_path, *initramfs_path; /* for messages */
	const struct template *template;	  /* to go on from; NULL: the VM boots */
	int stdio_fds[3];			  /* the workload's; -1 each with a terminal */
	int terminal_fd;			  /* slave of a host pty, or -1 */
	int control_fd;				  /* listening control socket */
	uid_t monitor_id;   /* its user and group, and the network process's; taken by the
			       container process */
	int oom_event_fd;   /* eventfd: the monitor writes when the guest's OOM killer killed;
			     made by the container process */
	bool is_debug;	    /* guest kernel's messages go to standard error */
	bool is_foreground; /* standard error is there to be told of a failure to the end */
};

struct launch {
	pid_t pid; /* the container process, our child */
	int sync_fd;
};

/* Start the container's processes. The VM boots while this returns. */
int launch_start(const struct launch_request *request, struct launch *ret_launch,
		 struct error *err);

/*
 * Wait until the container's namespaces and file systems exist, and run the prestart and
 * createRuntime hooks in ours, in the directory @bundle and with @state on their standard input.
 * Then the container process goes on with its createContainer hooks. As below in all else.
 */
int launch_run_hooks(struct launch *launch, const struct container_hooks *hooks, const char *state,
		     const char *bundle, int signal_fd, struct error *err);

/*
 * Wait until the workload is ready for its exec. @signal_fd (a signalfd) interrupts: then -EINTR.
 * On failure the error is what went wrong inside; the caller goes on with launch_abort().
 */
int launch_wait_created(struct launch *launch, int signal_fd, struct error *err);

/* Let the container outlive us. */
int launch_commit(struct launch *launch, struct error *err);

/* End everything and wait until it is gone. */
void launch_abort(struct launch *launch);
