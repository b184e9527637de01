/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_plan.h - the "process" object of the "create" and "exec" messages as a struct
 *
 * Pure: no system calls. Contract: protocol.h.
 */
#pragma once

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/id_map.h"
#include "guest-init/plan_members.h"

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

#define PLAN_OOM_SCORE_UNSET INT32_MIN

struct plan_process {
	bool has_terminal;
	uint32_t rows, columns;	  /* 0: not given */
	struct plan_strings args; /* at least one */
	struct plan_strings env;  /* each with a "=" */
	const char *cwd;	  /* absolute */
	uint32_t uid, gid, umask;
	uint32_t outer_uid; /* uid as guest-init sees it; set by process_plan_map_user() */
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

/*
 * Fill the zeroed @process from the member "process" of @message, whose strings it borrows. What is
 * there on failure must be released, too.
 */
int process_plan_init(struct plan_process *process, const json_t *message, struct failure *err);

/* Find out who the user is outside of the user namespace that has the map. */
int process_plan_map_user(struct plan_process *process, const struct id_map *uid_map,
			  struct failure *err);

void process_plan_fini(struct plan_process *process);
