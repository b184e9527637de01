/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_plan.h - the "create" message as a struct
 *
 * Pure: no system calls. Trust: the message is the monitor's, who is trusted by the guest; it is
 * checked nevertheless, so that a mistake is a sentence and not a crash. Contract: protocol.h.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/id_map.h"
#include "guest-init/plan_members.h"
#include "guest-init/process_plan.h"

struct plan_mount {
	const char *destination; /* absolute */
	const char *type;
	const char *source;
	const char *data;     /* options of the file system, separated by commas */
	uint64_t flags;	      /* MS_… */
	uint64_t clear_flags; /* MS_… */
	uint64_t propagation; /* MS_…, or 0 */
	bool is_recursive_readonly;
	bool is_copied_up;
	bool is_file; /* the mount point is a file */
};

struct plan_device {
	const char *path;
	const char *type; /* "c", "b" or "p" */
	uint32_t major, minor;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
};

struct plan_sysctl {
	const char *name;
	const char *value;
};

/* How far ahead a clock of the container is. */
struct plan_time_offset {
	const char *clock; /* as /proc/self/timens_offsets knows it */
	int64_t seconds;
	uint32_t nanoseconds;
};

/* A program of the container to run before its process. */
struct plan_hook {
	const char *path;	  /* absolute */
	struct plan_strings args; /* at least one */
	struct plan_strings env;
	uint32_t timeout_s; /* 0: none */
};

struct container_plan {
	json_t *message;	/* what all strings point into */
	int64_t time_ns;	/* since 1970 */
	const char *entropy;	/* hex digits, an even number of them */
	const char *hostname;	/* or NULL */
	const char *domainname; /* or NULL */
	int namespaces;		/* CLONE_NEW… */
	struct id_map uid_map;	/* with CLONE_NEWUSER only */
	struct id_map gid_map;
	bool has_readonly_root;
	uint64_t root_propagation; /* MS_…, or 0 */
	struct plan_mount *mounts;
	size_t nr_mounts;
	struct plan_device *devices;
	size_t nr_devices;
	struct plan_sysctl *sysctls;
	size_t nr_sysctls;
	struct plan_time_offset *time_offsets;
	size_t nr_time_offsets;
	struct plan_strings masked_paths, readonly_paths;
	struct plan_process process;
	json_t *hook_state; /* object without "pid"; borrowed from the message, NULL without hooks */
	struct plan_hook *start_hooks;
	size_t nr_start_hooks;
};

/*
 * Fill @plan from a "create" message, of which it keeps a reference. On failure nothing needs to
 * be released; the sentence names the member that is wrong.
 */
int container_plan_init(struct container_plan *plan, json_t *message, struct failure *err);

void container_plan_fini(struct container_plan *plan);

/* Whether it has a control group namespace of its own, and may write to what is mounted of it. */
bool container_plan_has_writable_cgroup(const struct container_plan *plan);
