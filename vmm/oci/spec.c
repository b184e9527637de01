/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/spec_version.h"

#define NR_OPTIONS 8

static const struct {
	const char *destination, *type, *source;
	const char *options[NR_OPTIONS];
} mounts[] = {
	{ "/proc", "proc", "proc", { NULL } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" };
static const char *const namespaces[] = { "pid", "network", "ipc", "uts", "mount", "cgroup" };
static const char *const masked_paths[] = {
	"/proc/acpi",	       "/proc/asound",	   "/proc/kcore",	"/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/sys/firmware",       "/proc/scsi",
};
static const char *const readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					      "/proc/sysrq-trigger" };

/* The setters below fail when an earlier step gave NULL; spec_text() sees it at the end. */

static json_t *build_strings(const char *const *strings, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count && strings[i]; i++)
		(void)json_array_append_new(array, json_string(strings[i]));
	return array;
}

static json_t *build_mounts(void)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		json_t *mount = json_pack("{s:s, s:s, s:s}", "destination", mounts[i].destination,
					  "type", mounts[i].type, "source", mounts[i].source);

		if (mounts[i].options[0])
			(void)json_object_set_new(mount, "options",
						  build_strings(mounts[i].options, NR_OPTIONS));
		(void)json_array_append_new(array, mount);
	}
	return array;
}

static json_t *build_namespaces(void)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		(void)json_array_append_new(array, json_pack("{s:s}", "type", namespaces[i]));
	return array;
}

static json_t *build_capability_set(void)
{
	return build_strings(capabilities, ARRAY_SIZE(capabilities));
}

static json_t *build_process(void)
{
	return json_pack("{s:b, s:{s:i, s:i}, s:[s], s:[s, s], s:s, s:{s:o, s:o, s:o},"
			 " s:[{s:s, s:i, s:i}], s:b}",
			 "terminal", true, "user", "uid", 0, "gid", 0, "args", "sh", "env",
			 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			 "TERM=xterm", "cwd", "/", "capabilities", "bounding",
			 build_capability_set(), "effective", build_capability_set(), "permitted",
			 build_capability_set(), "rlimits", "type", "RLIMIT_NOFILE", "hard", 1024,
			 "soft", 1024, "noNewPrivileges", true);
}

static json_t *build_linux(void)
{
	return json_pack("{s:{s:[{s:b, s:s}]}, s:o, s:o, s:o}", "resources", "devices", "allow",
			 false, "access", "rwm", "namespaces", build_namespaces(), "maskedPaths",
			 build_strings(masked_paths, ARRAY_SIZE(masked_paths)), "readonlyPaths",
			 build_strings(readonly_paths, ARRAY_SIZE(readonly_paths)));
}

char *spec_text(void)
{
	json_t *spec =
		json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", OCI_SPEC_VERSION,
			  "process", build_process(), "root", "path", "rootfs", "readonly", true,
			  "hostname", "bulkhead", "mounts", build_mounts(), "linux", build_linux());
	AUTO_FREE char *json = spec ? json_dumps(spec, JSON_INDENT(4)) : NULL;
	char *text = NULL;

	json_decref(spec);
	if (!json || asprintf(&text, "%s\n", json) < 0)
		return NULL;
	return text;
}

int spec_write(int dir_fd, struct error *err)
{
	AUTO_FREE char *text = spec_text();
	AUTO_CLOSE int fd = -1;
	int r;

	if (!text)
		return error_set(err, ENOMEM, "write %s", CONTAINER_CONFIG_NAME);
	fd = openat(dir_fd, CONTAINER_CONFIG_NAME,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0 && errno == EEXIST) {
		(void)error_invalid(err, "File %s exists. Remove it first", CONTAINER_CONFIG_NAME);
		err->code = EEXIST;
		return -EEXIST;
	}
	if (fd < 0)
		return error_set(err, errno, "create %s", CONTAINER_CONFIG_NAME);
	r = file_write_full(fd, text, strlen(text));
	if (r < 0)
		(void)unlinkat(dir_fd, CONTAINER_CONFIG_NAME, 0);
	return r < 0 ? error_set(err, -r, "write %s", CONTAINER_CONFIG_NAME) : 0;
}
