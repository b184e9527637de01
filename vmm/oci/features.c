/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/features.h"

#include <ctype.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/capability.h>

#include "vmm/oci/config_sections.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/mount_options.h"
#include "vmm/oci/spec_version.h"

/* Accepted with a warning, because the guest has nothing that they could name. */
#define WITHOUT_MEANING                                                                            \
	"process.apparmorProfile,process.selinuxLabel,linux.mountLabel,"                           \
	"linux.resources.memory.swappiness,linux.resources.memory.kernel,"                         \
	"linux.resources.memory.kernelTCP"

static json_t *build_mount_options(void)
{
	json_t *names = json_array();
	size_t count;
	const struct mount_option *options = mount_options(&count);

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(names, json_string(options[i].name));
	return names;
}

static json_t *build_namespaces(void)
{
	json_t *names = json_array();

	for (unsigned int i = 0; i < CONTAINER_NR_NAMESPACES; i++)
		(void)json_array_append_new(names, json_string(container_namespace_name(i)));
	return names;
}

static json_t *build_capabilities(void)
{
	json_t *names = json_array();

	for (cap_value_t i = 0; i < cap_max_bits(); i++) {
		char *name = cap_to_name(i);

		for (char *c = name; c && *c; c++)
			*c = (char)toupper((unsigned char)*c);
		if (name)
			(void)json_array_append_new(names, json_string(name));
		(void)cap_free(name);
	}
	return names;
}

static json_t *build_names(const char *const *names)
{
	json_t *array = json_array();

	for (; *names; names++)
		(void)json_array_append_new(array, json_string(*names));
	return array;
}

static json_t *build_architectures(void)
{
	json_t *array = json_array();

	for (const char *const *name = config_seccomp_architectures; *name; name++)
		if (config_seccomp_has_architecture(*name))
			(void)json_array_append_new(array, json_string(*name));
	return array;
}

static json_t *build_seccomp(void)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "enabled", true, "archs",
			 build_architectures(), "actions", build_names(config_seccomp_actions),
			 "operators", build_names(config_seccomp_operators), "knownFlags",
			 build_names(config_seccomp_flags), "supportedFlags",
			 build_names(config_seccomp_flags));
}

static json_t *build_hooks(void)
{
	json_t *kinds = json_array();

	for (unsigned int i = 0; i < CONTAINER_NR_HOOK_KINDS; i++)
		(void)json_array_append_new(kinds, json_string(container_hook_name(i)));
	return kinds;
}

static json_t *build_annotations(void)
{
	const struct scmp_version *version = seccomp_version();
	char text[64];

	(void)snprintf(text, sizeof(text), "%u.%u.%u", version->major, version->minor,
		       version->micro);
	return json_pack("{s:s, s:s}", "bulkhead.fields-without-meaning", WITHOUT_MEANING,
			 "io.github.seccomp.libseccomp.version", text);
}

static json_t *build_switch(bool is_enabled)
{
	return json_pack("{s:b}", "enabled", is_enabled);
}

static json_t *build_linux(void)
{
	return json_pack(
		"{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:o, s:o, s:o, s:o, s:{s:o}, s:o}",
		"namespaces", build_namespaces(), "capabilities", build_capabilities(), "cgroup",
		"v1", true, "v2", true, "systemd", true, "systemdUser", false, "rdma", false,
		"seccomp", build_seccomp(), "apparmor", build_switch(false), "selinux",
		build_switch(false), "intelRdt", build_switch(false), "mountExtensions", "idmap",
		build_switch(false), "netDevices", build_switch(false));
}

char *features_text(void)
{
	json_t *features = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:[s]}", "ociVersionMin",
				     OCI_SPEC_VERSION_MIN, "ociVersionMax", OCI_SPEC_VERSION,
				     "hooks", build_hooks(), "mountOptions", build_mount_options(),
				     "linux", build_linux(), "annotations", build_annotations(),
				     "potentiallyUnsafeConfigAnnotations", "bulkhead.");
	char *text = features ? json_dumps(features, JSON_INDENT(4)) : NULL;

	json_decref(features);
	return text;
}
