/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administrator_config.h - what the host's administrator has set for all containers
 *
 * One JSON object in ADMINISTRATOR_CONFIG_PATH; README.md describes its members. A file that is not
 * there sets nothing. One that is there is used whole or not at all: what is not known, of a wrong
 * type or out of range is an error that names file and field.
 *
 * Thread: any, one at a time; once loaded, nobody changes it.
 * Trust:  the file is the administrator's: it must be a regular file that belongs to root or to the
 *         caller, and that nobody else can write. No container and no image has a say.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/base/log.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/network_settings.h"
#include "vmm/oci/text_list.h"

#define ADMINISTRATOR_CONFIG_PATH "/etc/bulkhead/config.json"
#define ADMINISTRATOR_CONFIG_VARIABLE "BULKHEAD_CONFIG"
#define ADMINISTRATOR_CONFIG_SIZE_MAX ((size_t)1 << 20)

/*
 * The host's ids for containers when nothing else is set: 65536 of them. systemd's table of user
 * ids leaves 1879048192 to 2147352575 unused; useradd gives subordinate ids out below 600100000,
 * and the domain members that map a directory's users by default stay below 2000200000. None
 * is negative for programs that keep ids in 32 bits with a sign.
 */
#define ADMINISTRATOR_IDS_FIRST UINT32_C(2113929216) /* 0x7e000000 */
#define ADMINISTRATOR_IDS_COUNT UINT32_C(65536)

/* The most that one container may ask for. */
struct administrator_limits {
	uint32_t vcpus;	  /* UINT32_MAX: any number */
	uint64_t memory;  /* bytes that it can use, its kernel's not among them; UINT64_MAX: any */
	uint32_t devices; /* entries of linux.devices; UINT32_MAX: any number */
	uint32_t mounts;  /* entries of mounts; likewise */
	/*
	 * Where binds, and everything below them, may come from: what is allowed (nothing listed:
	 * all of the host) but for what is denied and what leads to that. Absolute and clean paths.
	 */
	struct text_list allowed_sources, denied_sources;
	bool denies_host_system;
	struct text_list host_system; /* "denyHostSystem": its places; else empty */
};

/* Whether containers go on from a template (template/template_store.h) instead of booting. */
enum template_use {
	TEMPLATE_NEVER,
	TEMPLATE_AUTO,	 /* when there is one for the machine */
	TEMPLATE_ALWAYS, /* and if there is none one is made */
	NR_TEMPLATE_USES,
};

extern const char *const template_use_names[NR_TEMPLATE_USES];

struct administrator_config {
	char *path;		   /* of the file, for messages */
	bool is_present;	   /* else all is as by default */
	char *kernel;		   /* absolute path of the guest kernel; NULL: the installed one */
	char *initramfs;	   /* likewise */
	uint32_t first_id, nr_ids; /* for host_id_take(); 0 ids: the caller's own */
	struct container_defaults defaults; /* of containers that do not say */
	struct text_list annotations; /* permitted ones: names, or beginnings with '*' behind */
	enum log_level log_level;
	enum template_use template_use;
	char *template_directory; /* absolute path; NULL: the default */
	struct administrator_limits limits;
	struct network_settings network;
};

/*
 * Load the file: the one named by the environment variable ADMINISTRATOR_CONFIG_VARIABLE, which
 * then has to exist, or ADMINISTRATOR_CONFIG_PATH. The variable is no way around the administrator:
 * who sets this process's environment could as well run another program, and where that is not
 * so (a set-user-id bulkhead) it is ignored.
 *
 * Returns 0 and stores in *@ret what administrator_config_free() releases, or a negative errno
 * value.
 */
int administrator_config_load(struct administrator_config **ret, struct error *err);

/* The same for the @size bytes at @text; errors and the result have @path as the file's name. */
int administrator_config_parse(const char *path, const char *text, size_t size,
			       struct administrator_config **ret, struct error *err);

void administrator_config_free(struct administrator_config *config);

/*
 * With "denyHostSystem", deny binding @directory (as the caller sees it), too: where the runtime
 * keeps its state. Returns 0 or -ENOMEM.
 */
int administrator_config_deny_state(struct administrator_config *config, const char *directory);

/*
 * The settings as they are in effect, in the form of the file; limits that are none are left out.
 * A new object, NULL without memory.
 */
json_t *administrator_config_to_json(const struct administrator_config *config);
