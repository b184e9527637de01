/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surface.c - `surface`: what a guest that took a process of its container over could still reach,
 * and likewise the guest of a template its maker
 *
 * System calls and capabilities are printed from what is enforced (call_filter.h, sandbox.h); the
 * rest is said here, and tests/container/sandbox.bats compares it with a container's processes.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>

#include "vmm/base/checked_math.h"
#include "vmm/boot/memory_layout.h"
#include "vmm/cli/command_line.h"
#include "vmm/machine.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/landlock.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/virtio/virtio_mmio.h"

#define NAMES_MAX 8
#define NR_PROCESSES 4
#define THREADS_MAX 2

#ifndef MONITOR_LINES /* counted by the Makefile */
#define MONITOR_LINES 0
#define FILE_SERVER_LINES 0
#define NETWORK_LINES 0
#define MAKER_LINES 0
#endif

struct process {
	const char *name;
	const char *user;
	const char *namespaces[NAMES_MAX]; /* that are not the host's */
	const char *files[NAMES_MAX];	   /* as readlink(2) of /proc/PID/fd begins, and what for */
	const struct call_filter *threads[THREADS_MAX]; /* NULL: no other */
	uint64_t capabilities;
	int lines; /* of C that runs in it */
};

static const struct {
	const char *name;
	const char *registers; /* what is behind them */
} devices[MACHINE_NR_DEVICES] = {
	[MACHINE_FS] = { "fs", "2 queues, configuration: tag, number of queues" },
	[MACHINE_VSOCK] = { "vsock", "3 queues, configuration: CID" },
	[MACHINE_CONSOLE] = { "console", "2 queues, no configuration" },
	[MACHINE_RNG] = { "rng", "1 queue, no configuration" },
	[MACHINE_CARDS] = { "net0", "2 queues, configuration: address, link" },
	[MACHINE_CARDS + 1] = { "net1", "2 queues, configuration: address, link" },
	[MACHINE_CARDS + 2] = { "net2", "2 queues, configuration: address, link" },
	[MACHINE_CARDS + 3] = { "net3", "2 queues, configuration: address, link" },
	[MACHINE_BALLOON] = { "balloon", "3 queues, configuration: size, which is 0" },
};

static void describe_processes(struct process ret[NR_PROCESSES])
{
	ret[0] = (struct process){
		.name = "monitor",
		.user = "its own, of the administrator's range",
		.namespaces = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" },
		.files = { "anon_inode:", "socket:", "pipe:", "/dev/null", "/dev/net/tun",
			   "the standard streams and terminals of the container's processes",
			   "the log file" },
		.threads = { &event_loop_filter, &vcpu_filter },
		.lines = MONITOR_LINES,
	};
	ret[1] = (struct process){
		.name = "container process",
		.user = "the caller's",
		.namespaces = { "ipc", "mnt", "net", "pid", "uts" },
		.files = { "anon_inode:", "socket:", "/memfd:",
			   "the monitor's empty network namespace",
			   "files of the container's root and volumes",
			   "cgroup.procs of a control group without memory",
			   "the lock of the monitor's user id", "the log file" },
		.threads = { &file_server_filter, &container_process_filter },
		.capabilities = process_capabilities(~UINT64_C(0)),
		.lines = FILE_SERVER_LINES,
	};
	ret[2] = (struct process){
		.name = "network process",
		.user = "the monitor's",
		.namespaces = { "cgroup", "ipc", "mnt", "net", "pid", "uts" },
		.files = { "anon_inode:", "socket:", "/dev/null", "/dev/net/tun",
			   "the local ports of the network namespace", "the log file" },
		.threads = { &network_process_filter },
		.capabilities = NETWORK_PROCESS_CAPABILITIES,
		.lines = NETWORK_LINES,
	};
	ret[3] = (struct process){
		.name = "template maker",
		.user = "its own, of the administrator's range",
		.namespaces = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" },
		.files = { "anon_inode:", "socket:", "/memfd:", "/dev/kvm", "/dev/null",
			   "the memory of the template", "the lock of its user id",
			   "the log file" },
		.threads = { &template_maker_filter, &vcpu_filter },
		.lines = MAKER_LINES,
	};
}

/* --- text ------------------------------------------------------------------------------------- */

static void print_list(const char *title, const char *const *names, size_t nr)
{
	printf("  %s:", title);
	for (size_t i = 0; i < nr && names[i]; i++)
		printf("%s %s", i ? "," : "", names[i]);
	puts("");
}

static void print_capabilities(uint64_t capabilities)
{
	printf("  capabilities:%s", capabilities ? "" : " none");
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		bool is_kept = (capabilities & (UINT64_C(1) << cap)) != 0;
		char *name = is_kept ? cap_to_name(cap) : NULL;

		if (name)
			printf(" %s", name);
		(void)cap_free(name);
	}
	puts("");
}

static void print_rule(const struct call_rule *rule)
{
	printf("    %s", rule->name);
	for (size_t i = 0; i < ARRAY_SIZE(rule->conditions); i++)
		if (rule->conditions[i].mask)
			printf(" [argument %u: %s]", rule->conditions[i].index,
			       rule->conditions[i].text);
	printf(" - %s\n", rule->reason);
}

static void print_process(const struct process *process)
{
	printf("%s (%d lines of C)\n", process->name, process->lines);
	printf("  user: %s\n", process->user);
	print_capabilities(process->capabilities);
	print_list("namespaces that are not the host's", process->namespaces, NAMES_MAX);
	print_list("files", process->files, NAMES_MAX);
	for (size_t i = 0; i < THREADS_MAX && process->threads[i]; i++) {
		const struct call_filter *filter = process->threads[i];

		printf("  %s: %u system calls\n", filter->role, call_filter_count(filter));
		for (size_t j = 0; j < filter->nr_rules; j++)
			print_rule(&filter->rules[j]);
	}
}

static void print_text(const struct process processes[NR_PROCESSES])
{
	for (size_t i = 0; i < NR_PROCESSES; i++)
		print_process(&processes[i]);
	puts("guest");
	for (size_t i = 0; i < MACHINE_NR_DEVICES; i++)
		printf("  %#llx: %u bytes, virtio %s, %s\n",
		       (unsigned long long)(LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE),
		       (unsigned int)VIRTIO_MMIO_SIZE, devices[i].name, devices[i].registers);
	printf("  port %#llx: %u bytes, early console, write only\n",
	       (unsigned long long)LAYOUT_EARLY_CONSOLE_PORT,
	       (unsigned int)LAYOUT_EARLY_CONSOLE_SIZE);
	puts("  in KVM: LAPIC, IOAPIC, PIC, clock");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *list_json(const char *const *names, size_t nr)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nr && names[i]; i++)
		(void)json_array_append_new(list, json_string(names[i]));
	return list;
}

static json_t *capabilities_json(uint64_t capabilities)
{
	json_t *list = json_array();

	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		bool is_kept = (capabilities & (UINT64_C(1) << cap)) != 0;
		char *name = is_kept ? cap_to_name(cap) : NULL;

		if (name)
			(void)json_array_append_new(list, json_string(name));
		(void)cap_free(name);
	}
	return list;
}

static json_t *rule_json(const struct call_rule *rule)
{
	json_t *conditions = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(rule->conditions); i++) {
		const struct call_condition *condition = &rule->conditions[i];

		if (condition->mask)
			(void)json_array_append_new(
				conditions,
				json_pack("{s:i, s:I, s:I, s:s}", "argument", (int)condition->index,
					  "mask", (json_int_t)condition->mask, "value",
					  (json_int_t)condition->value, "text", condition->text));
	}
	return json_pack("{s:s, s:i, s:s, s:o}", "name", rule->name, "number", rule->number,
			 "reason", rule->reason, "conditions", conditions);
}

static json_t *thread_json(const struct call_filter *filter)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < filter->nr_rules; i++)
		(void)json_array_append_new(rules, rule_json(&filter->rules[i]));
	return json_pack("{s:s, s:i, s:o}", "role", filter->role, "calls",
			 (int)call_filter_count(filter), "rules", rules);
}

static json_t *process_json(const struct process *process)
{
	json_t *threads = json_array();

	for (size_t i = 0; i < THREADS_MAX && process->threads[i]; i++)
		(void)json_array_append_new(threads, thread_json(process->threads[i]));
	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:o}", "name", process->name, "lines",
			 process->lines, "user", process->user, "capabilities",
			 capabilities_json(process->capabilities), "namespaces",
			 list_json(process->namespaces, NAMES_MAX), "files",
			 list_json(process->files, NAMES_MAX), "threads", threads);
}

static json_t *devices_json(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < MACHINE_NR_DEVICES; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:i, s:s}", "name", devices[i].name, "address",
					(json_int_t)(LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE),
					"size", (int)VIRTIO_MMIO_SIZE, "registers",
					devices[i].registers));
	return list;
}

static int print_json(const struct process processes[NR_PROCESSES], struct error *err)
{
	json_t *report = json_pack("{s:[o, o, o, o], s:o, s:[{s:s, s:i, s:i}], s:i}", "processes",
				   process_json(&processes[0]), process_json(&processes[1]),
				   process_json(&processes[2]), process_json(&processes[3]),
				   "devices", devices_json(), "ports", "name", "early console",
				   "port", (int)LAYOUT_EARLY_CONSOLE_PORT, "size",
				   (int)LAYOUT_EARLY_CONSOLE_SIZE, "landlockAbi", landlock_abi());
	int r = report ? json_dumpf(report, stdout, JSON_INDENT(2)) : -1;

	json_decref(report);
	if (r < 0 || puts("") < 0)
		return error_set(err, EIO, "write the report");
	return 0;
}

int verb_surface(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	struct process processes[NR_PROCESSES];
	bool is_json = false;
	int option;

	(void)globals;
	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_json = option_is_on();
	}
	if (check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	describe_processes(processes);
	if (is_json)
		return print_json(processes, err);
	print_text(processes);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : error_set(err, errno, "write the report");
}
