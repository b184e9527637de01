/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_state.h - the state directory: one directory per container below a root
 *
 *   ROOT/ID/              made by mkdir(2), which succeeds for one creator only; whoever changes
 *                         the container holds flock(2) on it
 *   ROOT/ID/config.json   a copy of the bundle's, as it was at create
 *   ROOT/ID/state.json    the record below, always replaced as a whole
 *   ROOT/ID/…             sockets of the command line
 *
 * Any process may be killed at any instant. What is left is then a directory without state.json,
 * or one whose process is gone; both are removed by container_state_open() and
 * container_state_remove(), and neither takes part in anything else.
 *
 * A process is known by its pid and its start time, so that a recycled pid is not mistaken for it.
 *
 * Thread: any; an object belongs to one thread.
 * Trust:  the root is written by its owner alone; state.json may nevertheless be damaged.
 * Spec:   runtime.md, "State".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_defaults.h"
#include "vmm/oci/state_root.h"

enum container_status {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};

struct container_state {
	/* Where it is kept: valid from create or open on. */
	int root_fd;
	int dir_fd; /* for files of one's own, with openat() */
	char id[CONTAINER_ID_MAX + 1];
	bool is_locked;

	/* The record: all unset (0, NULL, CREATING) until saved or loaded. */
	bool has_record;
	enum container_status status;	    /* as last saved; see container_state_status() */
	bool is_paused;			    /* created or running, and perhaps standing still */
	char *bundle;			    /* absolute path */
	char *rootfs;			    /* absolute path */
	char *created;			    /* RFC 3339 with nanoseconds, UTC */
	json_t *annotations;		    /* object of strings; NULL means empty */
	json_t *host_cgroup;		    /* object, see host_cgroup.h; NULL: none */
	struct container_defaults defaults; /* by which its virtual machine was made */
	json_t *resources; /* linux.resources as `update` left them; NULL: as config.json has it */
	pid_t pid;	   /* the process that engines watch; 0: none yet */
	uint64_t pid_start_time; /* clock ticks after boot, proc(5) stat field 22 */
};

/* What a new container is recorded with; all borrowed. */
struct container_state_record {
	const char *config_text; /* config.json, kept as a copy */
	const char *bundle, *rootfs;
	json_t *annotations;
	json_t *host_cgroup;		    /* NULL: none */
	struct container_defaults defaults; /* all zeros: container_defaults */
};

/*
 * Claim @id below @root, which is made if need be: of any number of callers one succeeds, the
 * others get -EEXIST and "container with given ID already exists".
 *
 * The claim is locked until container_state_unlock() or container_state_free(). Should this process
 * be killed, the lock lasts until its children have closed the descriptor as well.
 */
int container_state_create(const char *root, const char *id, struct container_state **ret,
			   struct error *err);

/*
 * Write the copy of config.json and the first record: status creating, process @pid (0: none yet)
 * and the time now. Later changes go through the functions below. The lock must be held.
 */
int container_state_init(struct container_state *state, const struct container_state_record *record,
			 pid_t pid, struct error *err);

/* Record another status, or another process (status unchanged). The lock must be held. */
int container_state_set_status(struct container_state *state, enum container_status status,
			       struct error *err);
int container_state_set_process(struct container_state *state, pid_t pid, struct error *err);

/*
 * Record that the container, created or running, is paused, or that it is not any more. Written
 * before it is paused and after it goes on: one that stands still is never taken for running.
 */
int container_state_set_paused(struct container_state *state, bool is_paused, struct error *err);

/* Record what @host_cgroup (borrowed) says now. The lock must be held. */
int container_state_set_host_cgroup(struct container_state *state, json_t *host_cgroup,
				    struct error *err);

/* Record the object @resources (borrowed) as the container's limits. The lock must be held. */
int container_state_set_resources(struct container_state *state, json_t *resources,
				  struct error *err);

/* container_state_set_status() with CONTAINER_RUNNING. */
int container_state_set_running(struct container_state *state, struct error *err);

/*
 * Open the directory of @id without reading its record, for forced removal. Returns -ENOENT and
 * "container does not exist" when there is none.
 */
int container_state_open(const char *root, const char *id, struct container_state **ret,
			 struct error *err);

/*
 * Read the record of an open state again. Returns 0 also when there is none (has_record tells), or
 * an error that names the file when it is damaged.
 */
int container_state_read(struct container_state *state, struct error *err);

/* container_state_open() and container_state_read(). */
int container_state_load(const char *root, const char *id, struct container_state **ret,
			 struct error *err);

/*
 * Lock the container against others who change it, waiting up to @timeout_ms, and read the record
 * again unless it is damaged. Returns -EBUSY when another process kept it locked, -ENOENT
 * ("container does not exist") when it was removed meanwhile.
 */
int container_state_lock(struct container_state *state, unsigned int timeout_ms, struct error *err);
void container_state_unlock(struct container_state *state);

/*
 * The status now: stopped when the recorded process is gone, a zombie, or another one with the
 * same pid. While it is there, paused comes before created and running. Without a record, creating
 * while the creator holds the lock, else stopped.
 */
enum container_status container_state_status(const struct container_state *state);

/* "creating", "created", "running", "paused", "stopped": static text. */
const char *container_status_name(enum container_status status);

/*
 * A pidfd for the recorded process, certain to be that process. Returns the descriptor, which is
 * the caller's, or -ESRCH ("container not running").
 */
int container_state_open_process(const struct container_state *state, struct error *err);

/*
 * Remove every file of the container and its directory. The lock must be held. Nothing is removed
 * through a mount point or from a directory inside.
 */
int container_state_remove(struct container_state *state, struct error *err);

/* Give up the lock, close and release. NULL is fine. */
void container_state_free(struct container_state *state);

/* The start time of process @pid in clock ticks after boot. -ESRCH when it is gone or a zombie. */
int container_process_start_time(pid_t pid, uint64_t *ret);
