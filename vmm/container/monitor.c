/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/monitor.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/base/descriptor_limit.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/container/launch_message.h"
#include "vmm/machine.h"
#include "vmm/machine_template.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/session/session.h"

#define CONSOLE_TAIL_LINES 12 /* of a console without a panic */
#define CONSOLE_TAIL_SIZE 4096
#define CONSOLE_TEXT_MAX 1500 /* characters of it in an error */
#define EXIT_FAILED 1

struct monitor {
	int sync_fd; /* -1 once the container is created */
	int oom_event_fd;
	struct event_loop loop;
	struct machine machine;
	struct session session;
};

static void on_created(void *context)
{
	struct monitor *monitor = context;

	launch_message_send(monitor->sync_fd, LAUNCH_CREATED, NULL);
	fd_close(&monitor->sync_fd);
}

static void on_pause(void *context)
{
	struct monitor *monitor = context;

	machine_pause(&monitor->machine);
}

static void on_resume(void *context)
{
	struct monitor *monitor = context;

	machine_resume(&monitor->machine);
}

static void on_machine_paused(void *context)
{
	struct monitor *monitor = context;

	session_guest_paused(&monitor->session);
}

static void on_oom(void *context)
{
	const struct monitor *monitor = context;

	/* Full, it has been written to often enough. */
	(void)eventfd_write(monitor->oom_event_fd, 1);
}

static int on_vcpu_start(struct error *err)
{
	return call_filter_load(&vcpu_filter, err);
}

static void on_machine_end(void *context, const char *text)
{
	struct monitor *monitor = context;

	vsock_lock(monitor->machine.vsock);
	session_guest_ended(&monitor->session, text);
	vsock_unlock(monitor->machine.vsock);
}

/*
 * Keep of @tail what a person needs: the line of a kernel panic, which a register dump follows,
 * or else the last lines.
 */
static const char *essential(char *tail)
{
	char *panic = strstr(tail, "Kernel panic");
	unsigned int nr_lines = 0;

	if (panic) {
		panic[strcspn(panic, "\n")] = 0;
		return panic;
	}
	for (char *c = tail + strlen(tail); c > tail; c--)
		if (c[-1] == '\n' && ++nr_lines == CONSOLE_TAIL_LINES)
			return c;
	return tail;
}

/*
 * guest-init's own words say what went wrong. When it had no chance to say anything, the console
 * knows more.
 */
static void add_console_tail(struct monitor *monitor, struct error *err)
{
	char tail[CONSOLE_TAIL_SIZE];
	size_t used = strlen(err->text);

	if (!monitor->session.has_guest_ended ||
	    boot_log_tail(&monitor->machine.log, UINT_MAX, tail, sizeof(tail)) == 0)
		return;
	(void)snprintf(err->text + used, sizeof(err->text) - used,
		       "; the guest's console ends with: %.*s", CONSOLE_TEXT_MAX, essential(tail));
	/* An error is one line. */
	for (char *c = err->text + used; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
}

static void report_failure(struct monitor *monitor, struct error *err)
{
	if (monitor->sync_fd >= 0)
		launch_message_send(monitor->sync_fd, LAUNCH_FAILED, err);
	else
		log_error("%s", err->text);
}

static int on_card(void *context, unsigned int slot, int tap_fd, const uint8_t mac[6],
		   struct error *err)
{
	struct monitor *monitor = context;

	return machine_attach_card(&monitor->machine, slot, tap_fd, mac, err);
}

static void on_card_gone(void *context, unsigned int slot)
{
	struct monitor *monitor = context;

	machine_detach_card(&monitor->machine, slot);
}

/* Engines make one in a namespace that they name, or by hooks. */
static bool has_network(const struct container_config *config)
{
	return config->netns_path || config->hooks.lists[HOOK_PRESTART].count ||
	       config->hooks.lists[HOOK_CREATE_RUNTIME].count;
}

/* From the template, if there is one and KVM takes it; otherwise the machine boots. */
static int make_machine(struct monitor *monitor, const struct launch_request *request,
			const struct machine_config *config, struct error *err)
{
	const struct template *template = request->template;

	if (template) {
		if (machine_restore(&monitor->machine, config, template->memory_fd, template->state,
				    template->state_size, &monitor->loop, err) == 0)
			return 0;
		log_warning("template %s: %s; the machine boots instead", template->name,
			    err->text);
	}
	return machine_init(&monitor->machine, config, &monitor->loop, err);
}

static int build(struct monitor *monitor, const struct launch_request *request,
		 struct monitor_channels *channels, struct error *err)
{
	const struct session_config session_config = {
		.guest_plan = request->guest_plan,
		.stdio_fds = { request->stdio_fds[0], request->stdio_fds[1],
			       request->stdio_fds[2] },
		.terminal_fd = request->terminal_fd,
		.control_fd = request->control_fd,
		.socket_fd = channels->socket_fd,
		.network_fd = channels->network.channel_fd,
		.resolver_fd = channels->network.resolver_fd,
		.cards = { on_card, on_card_gone, monitor },
		.needs_network = channels->network.channel_fd >= 0 && has_network(request->config),
		.on_created = on_created,
		.on_oom = on_oom,
		.pause = on_pause,
		.resume = on_resume,
		.context = monitor,
	};
	const struct machine_config machine_config = {
		.kvm_fd = request->kvm_fd,
		.kernel_fd = request->kernel_fd,
		.initramfs_fd = request->initramfs_fd,
		.kernel_path = request->kernel_path,
		.initramfs_path = request->initramfs_path,
		.memory_bytes = request->config->memory_bytes,
		.nr_vcpus = request->config->nr_vcpus,
		.fs_channel = &channels->fs,
		.service = &session_vsock_service,
		.service_context = &monitor->session,
		.debug_fd = request->is_debug ? STDERR_FILENO : -1,
		.on_vcpu_start = on_vcpu_start,
		.on_end = on_machine_end,
		.on_paused = on_machine_paused,
		.context = monitor,
	};
	int r = event_loop_init(&monitor->loop, err);

	if (!r)
		/* Every process of the container has streams. */
		r = descriptor_limit_set(DESCRIPTOR_LIMIT_MAX, err);
	if (!r)
		r = fs_channel_map(&channels->fs, err);
	if (!r)
		r = make_machine(monitor, request, &machine_config, err);
	if (!r)
		r = session_init(&monitor->session, &session_config, monitor->machine.vsock,
				 &monitor->loop, err);
	return r;
}

/* What was needed to make the machine. */
static void close_files(const struct launch_request *request, struct fs_channel *channel)
{
	(void)close(request->kvm_fd);
	(void)close(request->kernel_fd);
	(void)close(request->initramfs_fd);
	if (request->template)
		(void)close(request->template->memory_fd);
	fd_close(&channel->memory_fd);
}

/*
 * The event loop does not take a processor away from a vCPU that rings a doorbell on it: the driver
 * goes on and makes more available, which is then handled in one turn. Where another processor is
 * idle the loop runs there at once. Threads inherit it, so it comes after the vCPUs'.
 */
static void run_in_batches(void)
{
	const struct sched_param none = { 0 };

	/* Whoever started us with another policy meant it. */
	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Nothing of the guest has run, and nothing that others say has been read, before this is done. */
static int seal(struct monitor *monitor, const struct launch_request *request, struct error *err)
{
	/* The processors, and this one. */
	int r = monitor_seal(request->monitor_id, request->config->nr_vcpus + 1, err);

	if (!r)
		r = machine_start(&monitor->machine, err);
	run_in_batches();
	if (!r)
		r = call_filter_load(&event_loop_filter, err);
	if (!r)
		machine_resume(&monitor->machine);
	return r;
}

void monitor_run(const struct launch_request *request, const struct monitor_channels *given,
		 int sync_fd)
{
	struct monitor_channels channels = *given;
	/* Too large for a stack; it lives as long as the process. */
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	struct error err;
	int r;

	(void)prctl(PR_SET_NAME, "monitor");
	(void)!chdir("/"); /* the caller's directory may have to be unmounted */
	if (!monitor)
		_exit(EXIT_FAILED);
	monitor->sync_fd = sync_fd;
	monitor->oom_event_fd = request->oom_event_fd;
	/* A window-size signal goes to the session that the terminal controls. */
	if (request->terminal_fd >= 0) {
		(void)setsid();
		(void)ioctl(request->terminal_fd, TIOCSCTTY, 0);
	}
	r = build(monitor, request, &channels, &err);
	if (!r) {
		close_files(request, &channels.fs);
		r = seal(monitor, request, &err);
	}
	if (!r)
		r = event_loop_run(&monitor->loop, &err);
	if (!r && monitor->session.has_failed) {
		err = monitor->session.failure;
		add_console_tail(monitor, &err);
		r = -err.code;
	}
	if (r < 0) {
		report_failure(monitor, &err);
		_exit(monitor->session.has_failed ? monitor->session.exit_code : EXIT_FAILED);
	}
	_exit(monitor->session.exit_code);
}
