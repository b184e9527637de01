/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_sections.h - the parts of config.json, one parser each (used by container_config.c)
 *
 * Each fills its part of a zeroed struct, also partly when it fails: the caller clears the whole.
 * All return 0 or a negative errno value with an error that names file and field.
 */
#pragma once

#include "vmm/oci/config_notes.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/json_fields.h"

/* "process" (config.md, "Process"). */
int config_parse_process(const struct json_field *field, struct container_process *process,
			 struct config_notes *notes, struct error *err);

/* The number of the capability "CAP_…", or -1 when this system knows no such name. */
int config_capability_number(const char *name);

/* "scheduler", "ioPriority" and "execCPUAffinity" of "process" (config.md, "Linux Process"). */
int config_parse_scheduling(const struct json_field *process, struct container_process *ret,
			    struct config_notes *notes, struct error *err);

/* Refuse an "execCPUAffinity" with a CPU that a machine of @nr_vcpus does not have. */
int config_check_exec_cpus(const struct json_field *process,
			   const struct container_process *checked, unsigned int nr_vcpus,
			   struct error *err);

/* "mounts" (config.md, "Mounts"); relative sources are below @bundle_path. */
int config_parse_mounts(const struct json_field *field, const char *bundle_path,
			struct container_config *config, struct config_notes *notes,
			struct error *err);

/* "linux" (config-linux.md) but for what follows. */
int config_parse_linux(const struct json_field *field, struct container_config *config,
		       struct config_notes *notes, struct error *err);

/* "linux.namespaces" (config-linux.md, "Namespaces"). */
int config_parse_namespaces(const struct json_field *field, struct container_config *config,
			    struct config_notes *notes, struct error *err);

/*
 * "linux.uidMappings" and "linux.gidMappings" (config-linux.md, "User namespace mappings"), once the
 * namespaces are parsed.
 */
int config_parse_id_maps(const struct json_field *linux_field, struct container_config *config,
			 struct error *err);

/*
 * True when both are there, and not only as root to root, alone: some engines write that where they
 * mean an existing namespace, because runc insists on a map.
 */
bool config_has_id_maps(const struct json_field *linux_field);

/* Refuse a user or group of "process" that the user namespace of the configuration does not have. */
int config_check_user(const struct json_field *process, const struct container_config *config,
		      struct error *err);

/* "linux.devices" (config-linux.md, "Devices"). */
int config_parse_devices(const struct json_field *field, struct container_config *config,
			 struct config_notes *notes, struct error *err);

/* "linux.resources" (config-linux.md, "Control groups"), and the virtual machine's size by it. */
int config_parse_resources(const struct json_field *field, struct container_config *config,
			   struct config_notes *notes, struct error *err);

/* The same without "devices" and without a virtual machine: what `update` changes. */
int config_parse_limits(const struct json_field *field, struct container_resources *resources,
			struct config_notes *notes, struct error *err);

/* "linux.resources.blockIO" (config-linux.md, "Block IO"). */
int config_parse_block_io(const struct json_field *field, struct container_block_io *block_io,
			  struct config_notes *notes, struct error *err);

/* "linux.resources.unified" (config-linux.md, "Unified"). */
int config_parse_unified(const struct json_field *field, struct container_resources *resources,
			 struct config_notes *notes, struct error *err);

/* "linux.resources.devices" (config-linux.md, "Allowed Device list"). */
int config_parse_device_rules(const struct json_field *field, struct container_resources *resources,
			      struct error *err);

/* "linux.seccomp" (config-linux.md, "Seccomp"). */
int config_parse_seccomp(const struct json_field *field, struct container_seccomp *ret,
			 struct config_notes *notes, struct error *err);

/* "hooks" (config.md, "POSIX-platform Hooks"). */
int config_parse_hooks(const struct json_field *field, struct container_hooks *hooks,
		       struct error *err);

/* What is known of linux.seccomp, for a list of features; each ends with NULL. */
extern const char *const config_seccomp_actions[];
extern const char *const config_seccomp_operators[];
extern const char *const config_seccomp_flags[];
extern const char *const config_seccomp_architectures[];

/* True when libseccomp knows the architecture of that name. */
bool config_seccomp_has_architecture(const char *name);

/* True when a guest kernel has the character device by itself, so that a node for it works. */
bool config_is_guest_device(uint32_t major, uint32_t minor);
