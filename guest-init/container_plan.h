/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_plan.h - the "create" and "exec" messages as structs
 *
 * Pure: no system calls. Trust: the message is the monitor's, who is trusted by the guest; it is
 * checked nevertheless, so that a mistake is a sentence and not a crash. Contract: protocol.h.
 */
#pragma once

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

/* Strings of the message, followed by a NULL that is not counted in @len. */
struct plan_strings {
	char **items;
	size_t len;
};

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

struct plan_rlimit {
	uint32_t resource;
	uint64_t soft, hard; /* RLIM_INFINITY for no limit */
};

/* Bit N of a mask stands for capability N. */
struct plan_capabilities {
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

/* For sched_setattr(2). */
struct plan_scheduler {
	bool is_given;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period; /* nanoseconds */
};

/* How far ahead a clock of the container is. */
struct plan_time_offset {
	const char *clock; /* as /proc/self/timens_offsets knows it */
	int64_t seconds;
	uint32_t nanoseconds;
};

#define PLAN_OOM_SCORE_UNSET INT32_MIN

struct plan_process {
	bool has_terminal;
	uint32_t rows, columns;	  /* 0: not given */
	struct plan_strings args; /* at least one */
	struct plan_strings env;  /* each with a "=" */
	const char *cwd;	  /* absolute */
	uint32_t uid, gid, umask;
	uint32_t *additional_gids;
	size_t nr_additional_gids;
	struct plan_capabilities capabilities;
	struct plan_rlimit *rlimits;
	size_t nr_rlimits;
	bool no_new_privileges;
	struct sock_filter *filter; /* seccomp program */
	size_t filter_len;	    /* instructions; 0: no filter */
	uint32_t filter_flags;	    /* SECCOMP_FILTER_FLAG_… */
	uint32_t personality;	    /* PER_… */
	int32_t oom_score_adj;	    /* or PLAN_OOM_SCORE_UNSET */
	struct plan_scheduler scheduler;
	uint32_t io_priority; /* for ioprio_set(2); 0: as it is */
	/* Of an exec: processors until, and after, it has joined the container. 0: all */
	uint32_t initial_cpus, final_cpus; /* bit N is processor N */
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
	const char *entropy;	/* hex digits, an even number of them */
	const char *hostname;	/* or NULL */
	const char *domainname; /* or NULL */
	int namespaces;		/* CLONE_NEW… */
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

/* One more process of the container. */
struct exec_plan {
	json_t *message; /* what all strings point into */
	uint32_t number; /* from 1 up, below PROTOCOL_PROCESSES_MAX */
	struct plan_process process;
};

/*
 * Fill @plan from an "exec" message for the container of @container, whose seccomp filter it shares
 * and which must outlive it. As container_plan_init() otherwise.
 */
int exec_plan_init(struct exec_plan *plan, json_t *message, const struct container_plan *container,
		   struct failure *err);

void exec_plan_fini(struct exec_plan *plan);
