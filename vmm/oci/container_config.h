/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_config.h - what a bundle's config.json asks for, checked
 *
 * Every field of the specification that this runtime knows is either honoured, named in the error
 * that refuses it, or, where it has no meaning in a virtual machine, named in a warning. Members
 * that the specification does not know are ignored, as it demands.
 *
 * Thread: any, one at a time.
 * Trust:  config.json comes from the host's administrator and may be malformed in every way.
 *         Nothing below the rootfs is read.
 * Spec:   OCI runtime specification 1.0 to 1.3, config.md and config-linux.md.
 */
#pragma once

#include <jansson.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_defaults.h"
#include "vmm/oci/container_hooks.h"
#include "vmm/oci/container_resources.h"
#include "vmm/oci/network_settings.h"
#include "vmm/oci/text_list.h"

#define CONTAINER_CONFIG_NAME "config.json"
#define CONTAINER_CONFIG_SIZE_MAX ((size_t)16 * 1024 * 1024)

#define CONTAINER_ENTROPY_SIZE 64u /* bytes for the guest's random pool */

enum container_capability_set {
	CAPABILITY_BOUNDING,
	CAPABILITY_EFFECTIVE,
	CAPABILITY_INHERITABLE,
	CAPABILITY_PERMITTED,
	CAPABILITY_AMBIENT,
	CONTAINER_NR_CAPABILITY_SETS,
};

struct container_rlimit {
	int resource;	     /* RLIMIT_… */
	uint64_t soft, hard; /* RLIM_INFINITY is UINT64_MAX */
};

/* For sched_setattr(2). */
struct container_scheduler {
	bool is_given;
	uint32_t policy;		    /* SCHED_… */
	uint64_t flags;			    /* SCHED_FLAG_… */
	int32_t nice;			    /* of the policies without a priority */
	uint32_t priority;		    /* SCHED_FIFO, SCHED_RR: 1 to 99 */
	uint64_t runtime, deadline, period; /* SCHED_DEADLINE: nanoseconds */
};

/* The process object: of config.json, or of a file given to exec. */
struct container_process {
	bool has_terminal;
	uint16_t rows, columns; /* consoleSize; 0: not given */
	struct text_list args;	/* at least one */
	struct text_list env;	/* each with a name and '=' */
	char *cwd;		/* absolute, in the container */
	uint32_t uid, gid;
	uint32_t *additional_gids;
	size_t nr_additional_gids;
	uint32_t umask;					     /* 0022 when not given */
	uint64_t capabilities[CONTAINER_NR_CAPABILITY_SETS]; /* bit N: capability N */
	struct container_rlimit *rlimits;
	size_t nr_rlimits;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct container_scheduler scheduler;
	bool has_io_priority;
	uint32_t io_priority; /* as ioprio_set(2) takes it: class and level */
	/* execCPUAffinity: bit N is CPU N, 0: not given. Of no meaning to the first process. */
	uint32_t exec_initial_cpus, exec_final_cpus;
};

/* One entry of "mounts". Binds are made on the host and in the guest, the others in the guest. */
struct container_mount {
	char *destination; /* absolute and clean: no "." or "..", no double slash; never "/" */
	char *type;	   /* "bind", or the type of a guest file system */
	char *source;	   /* bind: absolute host path. Else the name that mount(2) is given */
	bool is_bind;
	bool is_file;	   /* bind: the source is no directory; set by container_config_load() */
	bool is_recursive; /* bind: with what is mounted below the source (rbind) */
	bool is_readonly;  /* MS_RDONLY is in flags */
	bool is_recursive_readonly; /* rro: read-only with all that is mounted below */
	bool copies_up;		    /* tmpfs: starts with the files that it covers (tmpcopyup) */
	unsigned long flags; /* MS_… attribute bits to set; never MS_BIND, MS_REC, MS_REMOUNT */
	unsigned long clear_flags; /* MS_… attribute bits to clear */
	unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, …, with MS_REC; 0: not given */
	char *data;		   /* comma-separated options for the file system; never NULL */
};

struct container_device {
	char *path; /* absolute and clean */
	char type;  /* 'c', 'p' */
	uint32_t major, minor;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
};

struct container_sysctl {
	char *name; /* dots between the components */
	char *value;
};

/* How far a clock of the container's time namespace is ahead of the machine's. */
struct container_time_offset {
	bool is_given;
	int64_t seconds;
	uint32_t nanoseconds; /* below 1,000,000,000 */
};

/* The filter of the container's processes, compiled; no program: none. */
struct container_seccomp {
	struct sock_filter *program;
	size_t nr_instructions; /* at most BPF_MAXINSNS */
	uint32_t flags;		/* SECCOMP_FILTER_FLAG_… */
};

/* IDs of the container's user namespace, from container_id up, and what they are outside. */
struct container_id_range {
	uint32_t container_id, host_id;
	uint32_t size; /* not 0; neither end leaves the IDs there are */
};

struct container_id_map {
	struct container_id_range *ranges; /* none overlap */
	size_t nr_ranges;
};

/* Bits of container_config.namespaces, the namespaces the guest makes for the container. */
enum container_namespace {
	NAMESPACE_PID,
	NAMESPACE_MOUNT,
	NAMESPACE_IPC,
	NAMESPACE_UTS,
	NAMESPACE_CGROUP,
	NAMESPACE_NETWORK,
	NAMESPACE_USER,
	NAMESPACE_TIME,
	CONTAINER_NR_NAMESPACES,
};

/* "pid", "mount", …: static text. */
const char *container_namespace_name(enum container_namespace type);

struct administrator_config;

struct container_config {
	/* What holds for all containers; borrowed, and set by who creates this one; else NULL. */
	const struct administrator_config *administrator;

	char *text;	   /* config.json as container_config_load() read it; else NULL */
	char *oci_version; /* as config.json says it */

	/* For the host. */
	char *rootfs;		     /* absolute path */
	uint32_t root_uid, root_gid; /* who the container's root is on the host */
	bool has_readonly_rootfs;
	char *netns_path;      /* network namespace to join; NULL: a new one */
	char *utsns_path;      /* UTS namespace to take the host name from; NULL: none */
	char *cgroups_path;    /* as config.json says it; NULL: not given */
	uint64_t memory_bytes; /* the VM's memory: whole MiB, the limit and an overhead */
	unsigned int nr_vcpus; /* 1 to CONTAINER_VCPUS_MAX */
	json_t *annotations;   /* an object of strings, perhaps empty */
	struct container_defaults defaults;
	/* As annotations give them; 0: not given. */
	uint64_t annotated_memory;
	unsigned int annotated_vcpus;
	struct network_settings annotated_network;
	/* What holds, by administrator_set_network(); until then the default. */
	struct network_policy network;

	/* For host and guest. */
	struct container_resources resources;
	struct container_mount *mounts;
	size_t nr_mounts;
	struct container_hooks hooks; /* startContainer: for the guest, the others for the host */

	/* For the guest. */
	struct container_process process;
	char *hostname, *domainname; /* NULL: not given; or that of utsns_path, by _load() */
	unsigned int namespaces;     /* bit per enum container_namespace */
	struct container_id_map uid_map, gid_map; /* have 0 with a user namespace, else empty */
	unsigned long root_propagation;		  /* MS_… bits; 0: not given */
	struct container_device *devices;
	size_t nr_devices;
	struct container_sysctl *sysctls;
	size_t nr_sysctls;
	struct container_time_offset monotonic_offset, boottime_offset;
	uint32_t personality; /* PER_… of every process, for personality(2) */
	struct container_seccomp seccomp;
	struct text_list masked_paths;
	struct text_list readonly_paths;

	/* What was asked for and has no meaning in a virtual machine, a sentence each. */
	struct text_list warnings;
};

/*
 * Load and check the file @name below @dir_fd, config.json as a rule, of the bundle whose absolute
 * path is @bundle_path. The root directory and the sources of binds must exist. @defaults size a
 * virtual machine of which the file does not say anything.
 *
 * Returns 0 and stores in *@ret what container_config_free() releases, or a negative errno value
 * with an error that names the file and the field. A single error names every field that is
 * refused because this version does not support it.
 */
int container_config_load(int dir_fd, const char *name, const char *bundle_path,
			  const struct container_defaults *defaults, struct container_config **ret,
			  struct error *err);

/*
 * The same for the @size bytes at @text, without looking at any file: is_file stays false in every
 * mount, and the defaults are container_defaults. @text need not be terminated.
 */
int container_config_parse(const char *text, size_t size, const char *bundle_path,
			   struct container_config **ret, struct error *err);

/* container_config_parse() of a container that was made with @defaults. */
int container_config_parse_sized(const char *text, size_t size, const char *bundle_path,
				 const struct container_defaults *defaults,
				 struct container_config **ret, struct error *err);

void container_config_free(struct container_config *config);

/*
 * Load and check the process object in the file at @path (exec --process) and fill @process, which
 * container_process_clear() releases. @warnings gains what has no meaning.
 */
int container_process_load(const char *path, struct container_process *process,
			   struct text_list *warnings, struct error *err);

void container_process_clear(struct container_process *process);
