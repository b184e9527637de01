/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/container_config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/clean_path.h"
#include "vmm/oci/config_annotations.h"
#include "vmm/oci/config_sections.h"

#define HOST_NAME_SIZE_MAX 64 /* what sethostname(2) takes */

const struct container_defaults container_defaults = { CONTAINER_MEMORY_DEFAULT, 1 };

static void config_cleanup(struct container_config **config)
{
	container_config_free(*config);
}

static void json_cleanup(json_t **value)
{
	json_decref(*value);
}

/* Semantic versions 1.x.y, also unfinished ones (1.0.2-dev). */
static bool is_version_1(const char *text)
{
	static const char digits[] = "0123456789";
	size_t len;

	if (strncmp(text, "1.", 2) != 0)
		return false;
	text += 2;
	len = strspn(text, digits);
	if (len == 0 || text[len] != '.')
		return false;
	text += len + 1;
	len = strspn(text, digits);
	return len > 0 && strchr("-+", text[len]); /* the NUL at the end is found as well */
}

static int parse_version(const struct json_field *top, struct container_config *config,
			 struct error *err)
{
	struct json_field field = json_field_member(top, "ociVersion");
	int r = json_field_require(&field, err);

	if (!r)
		r = json_field_copy_string(&field, &config->oci_version, err);
	if (!r && !is_version_1(config->oci_version)) {
		char shown[64];

		r = json_field_error(&field, err, "%s is not a version this runtime knows (1.x.y)",
				     json_field_show(&field, shown, sizeof(shown)));
	}
	return r;
}

static int parse_root(const struct json_field *top, const char *bundle_path,
		      struct container_config *config, struct error *err)
{
	struct json_field root = json_field_member(top, "root");
	struct json_field path = json_field_member(&root, "path");
	struct json_field readonly = json_field_member(&root, "readonly");
	const char *text = "";
	int r = json_field_require_object(&root, err);

	if (!r)
		r = json_field_require_string(&path, &text, err);
	if (!r && !*text)
		r = json_field_error(&path, err, "must not be empty");
	if (!r)
		r = json_field_get_bool(&readonly, &config->has_readonly_rootfs, err);
	if (r < 0)
		return r;
	config->rootfs = clean_path(bundle_path, text);
	return config->rootfs ? 0 : error_set(err, ENOMEM, "root.path");
}

static int parse_host_name(const struct json_field *top, const char *name, char **ret,
			   struct error *err)
{
	struct json_field field = json_field_member(top, name);
	int r = json_field_copy_string(&field, ret, err);

	if (!r && *ret && strlen(*ret) > HOST_NAME_SIZE_MAX)
		r = json_field_error(&field, err, "is longer than %d bytes", HOST_NAME_SIZE_MAX);
	return r;
}

static int parse_top(const struct json_field *top, const char *bundle_path,
		     struct container_config *config, struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "vm", "windows", "solaris", "zos", "freebsd" };
	struct json_field process = json_field_member(top, "process");
	struct json_field mounts = json_field_member(top, "mounts");
	struct json_field linux_field = json_field_member(top, "linux");
	struct json_field hooks = json_field_member(top, "hooks");
	int r = parse_version(top, config, err);

	if (!r)
		r = parse_root(top, bundle_path, config, err);
	if (!r)
		r = parse_host_name(top, "hostname", &config->hostname, err);
	if (!r)
		r = parse_host_name(top, "domainname", &config->domainname, err);
	if (!r)
		r = config_parse_annotations(top, config, err);
	if (!r)
		r = config_parse_process(&process, &config->process, notes, err);
	if (!r)
		r = config_parse_mounts(&mounts, bundle_path, config, notes, err);
	if (!r)
		r = config_parse_linux(&linux_field, config, notes, err);
	if (!r)
		r = config_check_user(&process, config, err);
	if (!r)
		r = config_check_exec_cpus(&process, &config->process, config->nr_vcpus, err);
	if (!r)
		r = config_parse_hooks(&hooks, &config->hooks, err);
	if (!r)
		r = config_refuse_members(notes, top, refused, ARRAY_SIZE(refused), err);
	return r;
}

static int parse(const char *name, const char *text, size_t size, const char *bundle_path,
		 const struct container_defaults *defaults, struct container_config **ret,
		 struct error *err)
{
	__attribute__((cleanup(config_cleanup))) struct container_config *config =
		calloc(1, sizeof(*config));
	__attribute__((cleanup(json_cleanup))) json_t *document = NULL;
	struct config_notes notes = { 0 };
	struct json_field top;
	int r;

	if (!config)
		return error_set(err, ENOMEM, "%s", name);
	document = json_text_parse(name, text, size, err);
	if (!document)
		return -EINVAL;
	config->defaults = *defaults;
	notes.warnings = &config->warnings;
	r = json_field_top(&top, name, document, err);
	if (!r)
		r = parse_top(&top, bundle_path, config, &notes, err);
	if (!r)
		r = config_notes_finish(&notes, name, err);
	text_list_clear(&notes.refusals);
	if (r < 0)
		return r;
	*ret = pointer_take(config);
	return 0;
}

int container_config_parse(const char *text, size_t size, const char *bundle_path,
			   struct container_config **ret, struct error *err)
{
	return container_config_parse_sized(text, size, bundle_path, &container_defaults, ret, err);
}

int container_config_parse_sized(const char *text, size_t size, const char *bundle_path,
				 const struct container_defaults *defaults,
				 struct container_config **ret, struct error *err)
{
	return parse(CONTAINER_CONFIG_NAME, text, size, bundle_path, defaults, ret, err);
}

/*
 * What a bind's source is. Whoever opens it later decides; this is for an early, clear error, and
 * refuses what a guest would see but could not use.
 */
static int check_bind_source(const char *name, struct container_mount *mount, size_t index,
			     struct error *err)
{
	struct stat st;

	if (stat(mount->source, &st) < 0)
		return error_set(err, errno, "%s: mounts[%zu].source: %s", name, index,
				 mount->source);
	mount->is_file = !S_ISDIR(st.st_mode);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISSOCK(st.st_mode) ||
	    (S_ISCHR(st.st_mode) && config_is_guest_device(major(st.st_rdev), minor(st.st_rdev))))
		return 0;
	return error_invalid(err, "%s: mounts[%zu].source: %s: binding a %s is not supported", name,
			     index, mount->source, S_ISFIFO(st.st_mode) ? "FIFO" : "host device");
}

static int check_host_files(const char *name, struct container_config *config, struct error *err)
{
	struct stat st;
	int r = 0;

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	if (stat(config->rootfs, &st) < 0)
		r = errno;
	else if (!S_ISDIR(st.st_mode))
		r = ENOTDIR;
	if (r)
		return error_set(err, r, "%s: root.path: %s", name, config->rootfs);
	for (size_t i = 0; !r && i < config->nr_mounts; i++)
		if (config->mounts[i].is_bind)
			r = check_bind_source(name, &config->mounts[i], i, err);
	return r;
}

/*
 * A UTS namespace that exists cannot be joined by a virtual machine, but its host name can be
 * given to one: the containers of a pod have their sandbox's.
 */
static int take_host_name(const char *file, struct container_config *config, struct error *err)
{
	AUTO_CLOSE int own = -1, other = -1;
	char name[HOST_NAME_SIZE_MAX + 1] = "";
	int r = 0;

	if (!config->utsns_path || config->hostname)
		return 0;
	own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	other = open(config->utsns_path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || other < 0 || setns(other, CLONE_NEWUTS) < 0)
		return error_set(err, errno, "%s: linux.namespaces: uts: '%s'", file,
				 config->utsns_path);
	if (gethostname(name, sizeof(name)) < 0)
		r = errno;
	if (setns(own, CLONE_NEWUTS) < 0)
		r = errno;
	if (r)
		return error_set(err, r, "%s: linux.namespaces: uts: '%s'", file,
				 config->utsns_path);
	config->hostname = strdup(name);
	return config->hostname ? 0 : error_set(err, ENOMEM, "hostname");
}

int container_config_load(int dir_fd, const char *name, const char *bundle_path,
			  const struct container_defaults *defaults, struct container_config **ret,
			  struct error *err)
{
	__attribute__((cleanup(config_cleanup))) struct container_config *config = NULL;
	AUTO_FREE char *text = NULL;
	size_t size;
	int r;

	r = file_load(dir_fd, name, CONTAINER_CONFIG_SIZE_MAX, &text, &size, err);
	if (!r)
		r = parse(name, text, size, bundle_path, defaults, &config, err);
	if (!r)
		r = check_host_files(name, config, err);
	if (!r)
		r = take_host_name(name, config, err);
	if (r)
		return r;
	config->text = pointer_take(text);
	*ret = pointer_take(config);
	return 0;
}

int container_process_load(const char *path, struct container_process *process,
			   struct text_list *warnings, struct error *err)
{
	__attribute__((cleanup(json_cleanup))) json_t *document = NULL;
	struct config_notes notes = { .warnings = warnings };
	AUTO_FREE char *text = NULL;
	struct json_field top;
	size_t size;
	int r = file_load(AT_FDCWD, path, CONTAINER_CONFIG_SIZE_MAX, &text, &size, err);

	if (r < 0)
		return r;
	document = json_text_parse(path, text, size, err);
	if (!document)
		return -EINVAL;
	*process = (struct container_process){ 0 };
	r = json_field_top(&top, path, document, err);
	if (!r)
		r = config_parse_process(&top, process, &notes, err);
	if (!r)
		r = config_notes_finish(&notes, path, err);
	text_list_clear(&notes.refusals);
	if (r < 0)
		container_process_clear(process);
	return r;
}

static void clear_mount(struct container_mount *mount)
{
	free(mount->destination);
	free(mount->type);
	free(mount->source);
	free(mount->data);
}

void container_config_free(struct container_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->nr_mounts; i++)
		clear_mount(&config->mounts[i]);
	for (size_t i = 0; i < config->nr_devices; i++)
		free(config->devices[i].path);
	for (size_t i = 0; i < config->nr_sysctls; i++) {
		free(config->sysctls[i].name);
		free(config->sysctls[i].value);
	}
	free(config->mounts);
	free(config->devices);
	free(config->sysctls);
	free(config->seccomp.program);
	free(config->uid_map.ranges);
	free(config->gid_map.ranges);
	network_policy_clear(&config->annotated_network.policy);
	network_policy_clear(&config->network);
	container_resources_clear(&config->resources);
	container_process_clear(&config->process);
	container_hooks_clear(&config->hooks);
	text_list_clear(&config->masked_paths);
	text_list_clear(&config->readonly_paths);
	text_list_clear(&config->warnings);
	json_decref(config->annotations);
	free(config->text);
	free(config->oci_version);
	free(config->rootfs);
	free(config->netns_path);
	free(config->utsns_path);
	free(config->cgroups_path);
	free(config->hostname);
	free(config->domainname);
	free(config);
}
