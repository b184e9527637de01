/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - `check`: can this machine run containers, and what to do if not
 *
 * Exit status 0 when everything is there, 1 when not.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/boot/kernel_image.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/images.h"
#include "vmm/kvm/kvm_host.h"
#include "vmm/kvm/probe.h"
#include "vmm/sandbox/landlock.h"

#define PROBE_GUEST_MEMORY (UINT64_C(256) << 20)

/* What the items find out on the way. */
struct findings {
	const struct global_options *globals;
	int kvm_fd;		  /* -1 as long as it could not be opened */
	char *kernel, *initramfs; /* heap: their paths, NULL as long as none was found */
};

/* One item. Each returns 0, or a negative errno value with an error and a remedy. */
struct item {
	const char *name;
	int (*check)(struct findings *findings, const char **remedy, struct error *err);
};

static int check_configuration(struct findings *findings, const char **remedy, struct error *err)
{
	*remedy = "correct the file; until then no container can be created";
	return administrator_of(findings->globals, err) ? 0 : -err->code;
}

static int check_device(struct findings *findings, const char **remedy, struct error *err)
{
	findings->kvm_fd = kvm_host_open(err);
	if (findings->kvm_fd >= 0)
		return 0;
	if (findings->kvm_fd == -EACCES || findings->kvm_fd == -EPERM)
		*remedy = "give this user access to /dev/kvm (usually: usermod -aG kvm USER)";
	else
		*remedy = "enable virtualisation in the firmware and load kvm_intel or kvm_amd; "
			  "in a VM, enable nested virtualisation";
	return findings->kvm_fd;
}

static int check_capabilities(struct findings *findings, const char **remedy, struct error *err)
{
	*remedy = "use a host kernel with a complete KVM";
	if (findings->kvm_fd < 0)
		return error_invalid(err, "not known without /dev/kvm");
	return kvm_host_check(findings->kvm_fd, err);
}

static int check_probe(struct findings *findings, const char **remedy, struct error *err)
{
	if (findings->kvm_fd < 0) {
		*remedy = "see above";
		return error_invalid(err, "not known without /dev/kvm");
	}
	switch (probe_run(findings->kvm_fd, err)) {
	case PROBE_RUNS:
		return 0;
	case PROBE_EMULATES:
		*remedy = "this /dev/kvm has no hardware behind it; run on a machine, or a VM, "
			  "with real (nested) virtualisation";
		return error_prefix(err, "this KVM only emulates instructions and cannot run a "
					 "guest");
	case PROBE_FAILS:
		break;
	}
	*remedy = "look at the host's kernel log";
	return -err->code;
}

static int check_kernel(struct findings *findings, const char **remedy, struct error *err)
{
	struct image image = { -1, NULL };
	struct guest_memory memory;
	gpa_t entry;
	int r = image_open(IMAGE_KERNEL, kernel_option(findings->globals), &image, err);

	*remedy = "build it (make kernel), or name one with --kernel or in the configuration";
	if (r < 0)
		return r;
	r = guest_memory_init(&memory, PROBE_GUEST_MEMORY, err);
	if (!r) {
		r = kernel_image_load(&memory, image.fd, image.path, &entry, err);
		guest_memory_fini(&memory);
	}
	findings->kernel = pointer_take(image.path);
	image_close(&image);
	return r;
}

static int check_initramfs(struct findings *findings, const char **remedy, struct error *err)
{
	struct image image = { -1, NULL };
	int r = image_open(IMAGE_INITRAMFS, initramfs_option(findings->globals), &image, err);

	*remedy = "build it (make rootfs), or name one with --initramfs or in the configuration";
	findings->initramfs = pointer_take(image.path);
	image_close(&image);
	return r;
}

static const struct item items[] = {
	{ "configuration", check_configuration },   { "/dev/kvm", check_device },
	{ "KVM capabilities", check_capabilities }, { "KVM runs guests", check_probe },
	{ "guest kernel", check_kernel },	    { "initramfs", check_initramfs },
};

/*
 * What is in effect, and the file that says so: the administrator's configuration, with the kernel
 * and initramfs as they were found. NULL when there is none.
 */
static json_t *effective_configuration(const struct findings *findings)
{
	const struct administrator_config *administrator = findings->globals->administrator;
	json_t *effective = administrator ? administrator_config_to_json(administrator) : NULL;

	if (!effective)
		return NULL;
	if (findings->kernel)
		(void)json_object_set_new(effective, "kernel", json_string(findings->kernel));
	if (findings->initramfs)
		(void)json_object_set_new(effective, "initramfs", json_string(findings->initramfs));
	return json_pack("{s:s, s:b, s:o}", "file", administrator->path, "present",
			 administrator->is_present, "effective", effective);
}

static void print_configuration(json_t *configuration)
{
	const json_t *effective = json_object_get(configuration, "effective");
	AUTO_FREE char *text = effective ? json_dumps(effective, JSON_INDENT(2)) : NULL;

	if (text)
		printf("configuration, %s%s:\n%s\n",
		       json_string_value(json_object_get(configuration, "file")),
		       json_is_true(json_object_get(configuration, "present"))
			       ? ""
			       : " (which does not exist)",
		       text);
}

static void print_item(const char *name, int result, const struct error *err, const char *remedy)
{
	if (!result) {
		printf("ok      %s\n", name);
		return;
	}
	printf("failed  %s: %s\n", name, err->text);
	printf("        remedy: %s\n", remedy);
}

/* No finding: the sandbox has other walls. */
static void print_landlock(void)
{
	int abi = landlock_abi();

	if (abi)
		printf("note    Landlock: version %d of its ABI\n", abi);
	else
		printf("note    Landlock: not available (CONFIG_SECURITY_LANDLOCK, "
		       "lsm=landlock,...)\n");
}

static json_t *item_json(const char *name, int result, const struct error *err, const char *remedy)
{
	if (!result)
		return json_pack("{s:s, s:b}", "name", name, "ok", 1);
	return json_pack("{s:s, s:b, s:s, s:s}", "name", name, "ok", 0, "problem", err->text,
			 "remedy", remedy);
}

static int print_json(json_t *list, json_t *configuration, bool is_fit, struct error *err)
{
	json_t *report = json_pack("{s:b, s:o, s:i, s:O*}", "ok", is_fit, "checks", list,
				   "landlockAbi", landlock_abi(), "configuration", configuration);
	int r = report ? json_dumpf(report, stdout, JSON_INDENT(2)) : -1;

	json_decref(report);
	if (r < 0 || puts("") < 0)
		return error_set(err, EIO, "write the report");
	return 0;
}

int verb_check(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	struct findings findings = { .globals = globals, .kvm_fd = -1 };
	json_t *list = NULL, *configuration;
	bool is_json = false, is_fit = true;
	int option, r = 0;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_json = option_is_on();
	}
	if (check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	if (is_json)
		list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		const char *remedy = "";
		int result = items[i].check(&findings, &remedy, err);

		if (list)
			(void)json_array_append_new(list,
						    item_json(items[i].name, result, err, remedy));
		else
			print_item(items[i].name, result, err, remedy);
		is_fit = is_fit && !result;
	}
	fd_close(&findings.kvm_fd);
	configuration = effective_configuration(&findings);
	if (list) {
		r = print_json(list, configuration, is_fit, err);
	} else {
		print_landlock();
		print_configuration(configuration);
	}
	json_decref(configuration);
	free(findings.kernel);
	free(findings.initramfs);
	if (r < 0)
		return r;
	return is_fit ? EXIT_SUCCESS : EXIT_STATUS_FAILED;
}
