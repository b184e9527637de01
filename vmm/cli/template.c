/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - `template create`, `template list`, `template remove` */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/images.h"
#include "vmm/cli/size_argument.h"
#include "vmm/cli/template_use.h"
#include "vmm/kvm/kvm_host.h"

#define BLOCK_SIZE 512 /* of st_blocks */
#define TIME_SIZE 32

/* --- create ----------------------------------------------------------------------------------- */

static int parse_machine(int argc, char **argv, struct template_maker_request *request,
			 struct error *err)
{
	static const struct option options[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "vcpus", required_argument, NULL, 'c' },
		{ 0 },
	};
	int64_t bytes = (int64_t)request->memory_bytes;
	int vcpus = (int)request->nr_vcpus;
	int option;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		if (option == 'c' && option_number("vcpus", &vcpus, err) < 0)
			return -EINVAL;
		if (option == 'm' && size_argument_parse(optarg, &bytes) < 0)
			return error_invalid(
				err, "--memory: '%s' is not a number of bytes like 512m", optarg);
	}
	if (bytes < (int64_t)CONTAINER_MEMORY_MIN || bytes > (int64_t)CONTAINER_MEMORY_MAX)
		return error_invalid(err, "--memory: a virtual machine has %llu MiB at least",
				     (unsigned long long)(CONTAINER_MEMORY_MIN >> 20));
	if (vcpus < 1 || vcpus > (int)CONTAINER_VCPUS_MAX)
		return error_invalid(err, "--vcpus is from 1 to %u", CONTAINER_VCPUS_MAX);
	request->memory_bytes = (uint64_t)bytes;
	request->nr_vcpus = (unsigned int)vcpus;
	return check_words(argc, argv, 0, 0, err);
}

static int make(const struct global_options *globals, struct template_maker_request *request,
		struct error *err)
{
	struct template_store store;
	struct template_key key;
	int r = template_store_open(&store, globals->template_directory, true, err);

	if (r < 0)
		return r;
	r = template_key_for(request, &key, err);
	if (!r) {
		r = template_store_lock(&store, TEMPLATE_LOCK_TIMEOUT_MS, err);
		if (!r) {
			r = template_make(&store, &key, request, err);
			template_store_unlock(&store);
		}
		if (!r)
			puts(key.name);
		template_key_clear(&key);
	}
	template_store_close(&store);
	return r;
}

static int open_and_make(const struct global_options *globals,
			 struct template_maker_request *request, struct error *err)
{
	struct image kernel = { -1, NULL }, initramfs = { -1, NULL };
	AUTO_CLOSE int kvm_fd = kvm_host_open(err);
	int r = kvm_fd < 0 ? kvm_fd : kvm_host_check(kvm_fd, err);

	if (!r)
		r = image_open(IMAGE_KERNEL, kernel_option(globals), &kernel, err);
	if (!r)
		r = image_open(IMAGE_INITRAMFS, initramfs_option(globals), &initramfs, err);
	if (!r) {
		request->kvm_fd = kvm_fd;
		request->kernel_fd = kernel.fd;
		request->kernel_path = kernel.path;
		request->initramfs_fd = initramfs.fd;
		request->initramfs_path = initramfs.path;
		r = make(globals, request, err);
	}
	image_close(&kernel);
	image_close(&initramfs);
	return r;
}

static int create(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	const struct administrator_config *administrator = administrator_of(globals, err);
	struct template_maker_request request;
	int r;

	if (!administrator)
		return -err->code;
	request = (struct template_maker_request){
		.memory_bytes = administrator->defaults.memory_bytes,
		.nr_vcpus = administrator->defaults.nr_vcpus,
		.is_debug = globals->is_debug,
		.administrator = administrator,
	};
	r = parse_machine(argc, argv, &request, err);
	if (!r)
		r = open_and_make(globals, &request, err);
	return r < 0 ? r : EXIT_SUCCESS;
}

/* --- list ------------------------------------------------------------------------------------- */

struct listing {
	const struct template_store *store;
	json_t *templates;
};

/* "ok", or a word for what is wrong with it. */
static const char *judge(const struct template *template, char reason[64])
{
	struct error err;
	const char *word;

	if (template_verify(template, &err) < 0)
		return "damaged";
	if (!template_key_is_outdated(template->key, &word))
		return "ok";
	(void)snprintf(reason, 64, "stale (%s)", word);
	return reason;
}

static json_t *describe(const struct template *template)
{
	uint64_t memory = 0;
	unsigned int nr_vcpus = 0;
	char reason[64], created[TIME_SIZE];
	time_t then = template->created;
	struct stat st = { 0 };
	struct tm tm;

	(void)template_key_read_size(template->key, &memory, &nr_vcpus);
	(void)fstat(template->memory_fd, &st);
	if (!gmtime_r(&then, &tm) || !strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm))
		created[0] = 0;
	return json_pack("{s:s, s:I, s:I, s:I, s:s, s:s}", "name", template->name, "memory",
			 (json_int_t)memory, "vcpus", (json_int_t)nr_vcpus, "size",
			 (json_int_t)st.st_blocks * BLOCK_SIZE + (json_int_t) template->state_size,
			 "status", judge(template, reason), "created", created);
}

static int list_one(void *context, const char *name, struct error *err)
{
	const struct listing *listing = context;
	struct template template;
	json_t *object;

	if (template_load(listing->store, name, &template, err) == 0) {
		object = describe(&template);
		template_clear(&template);
	} else {
		object = json_pack("{s:s, s:I, s:I, s:I, s:s, s:s}", "name", name, "memory",
				   (json_int_t)0, "vcpus", (json_int_t)0, "size", (json_int_t)0,
				   "status", err->code == EPERM ? "foreign" : "damaged", "created",
				   "");
	}
	return json_array_append_new(listing->templates, object) < 0
		       ? error_set(err, ENOMEM, "list the templates")
		       : 0;
}

static void print_table(const json_t *templates)
{
	const json_t *template;
	size_t i;

	printf("%-18s%-12s%-7s%-12s%-18s%s\n", "NAME", "MEMORY", "VCPUS", "SIZE", "STATUS",
	       "CREATED");
	json_array_foreach (templates, i, template) {
		const char *name, *status, *created;
		json_int_t memory, vcpus, size;

		if (json_unpack((json_t *)(uintptr_t) template, "{s:s, s:I, s:I, s:I, s:s, s:s}",
				"name", &name, "memory", &memory, "vcpus", &vcpus, "size", &size,
				"status", &status, "created", &created) == 0)
			printf("%-18s%-12lld%-7lld%-12lld%-18s%s\n", name, memory, vcpus, size,
			       status, created);
	}
}

static void print_names(const json_t *templates)
{
	for (size_t i = 0; i < json_array_size(templates); i++)
		puts(json_string_value(json_object_get(json_array_get(templates, i), "name")));
}

/* All templates; nothing when there is no store. */
static int collect(const struct global_options *globals, json_t *templates, struct error *err)
{
	struct template_store store;
	struct listing listing = { &store, templates };
	int r = template_store_open(&store, globals->template_directory, false, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = template_store_visit(&store, list_one, &listing, err);
	template_store_close(&store);
	return r;
}

static int list(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "f", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "q", no_argument, NULL, 'q' },
		{ 0 },
	};
	bool is_json = false, is_quiet = false;
	json_t *templates;
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		if (option == 'q') {
			is_quiet = option_is_on();
			continue;
		}
		is_json = strcmp(optarg, "json") == 0;
		if (!is_json && strcmp(optarg, "table") != 0)
			return error_invalid(err,
					     "template list: --format is table or json, not "
					     "'%s'",
					     optarg);
	}
	if (check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	templates = json_array();
	r = templates ? collect(globals, templates, err)
		      : error_set(err, ENOMEM, "list the templates");
	if (!r && is_quiet)
		print_names(templates);
	else if (!r && is_json)
		r = json_dumpf(templates, stdout, JSON_COMPACT) < 0 || puts("") < 0
			    ? error_set(err, EIO, "write the list")
			    : 0;
	else if (!r)
		print_table(templates);
	json_decref(templates);
	if (!r && fflush(stdout) != 0)
		r = error_set(err, errno, "write the list");
	return r < 0 ? r : EXIT_SUCCESS;
}

/* --- remove ----------------------------------------------------------------------------------- */

static int remove_one(void *context, const char *name, struct error *err)
{
	return template_remove(context, name, err);
}

static int remove_words(const struct template_store *store, int argc, char **argv,
			struct error *err)
{
	int r = 0;

	for (int i = 0; i < argc && !r; i++)
		r = template_name_is_valid(argv[i])
			    ? template_remove(store, argv[i], err)
			    : error_invalid(err, "template remove: '%s' is no template's name",
					    argv[i]);
	return r;
}

static int remove_some(const struct global_options *globals, int argc, char **argv, bool is_all,
		       struct error *err)
{
	struct template_store store;
	int r = template_store_open(&store, globals->template_directory, false, err);

	if (r < 0)
		return r == -ENOENT && is_all ? 0 : r;
	r = template_store_lock(&store, TEMPLATE_LOCK_TIMEOUT_MS, err);
	if (!r) {
		r = is_all ? template_store_visit(&store, remove_one, &store, err)
			   : remove_words(&store, argc, argv, err);
		template_store_unlock(&store);
	}
	template_store_close(&store);
	return r;
}

static int remove_verb(const struct global_options *globals, int argc, char **argv,
		       struct error *err)
{
	static const struct option options[] = { { "all", no_argument, NULL, 'a' }, { 0 } };
	bool is_all = false;
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_all = option_is_on();
	}
	if (check_words(argc, argv, is_all ? 0 : 1, is_all ? 0 : INT32_MAX, err) < 0)
		return -EINVAL;
	r = remove_some(globals, argc - optind, argv + optind, is_all, err);
	return r < 0 ? r : EXIT_SUCCESS;
}

int verb_template(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct {
		const char *name;
		verb_fn run;
	} verbs[] = { { "create", create }, { "list", list }, { "remove", remove_verb } };
	static const struct option none[] = { { 0 } };

	/* Options before the second word: --help. */
	if (next_option_before_words(argc, argv, none, err) == OPTION_INVALID)
		return -EINVAL;
	for (size_t i = 0; optind < argc && i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[optind], verbs[i].name) != 0)
			continue;
		argc -= optind;
		argv += optind;
		optind = 0; /* start anew, on another argv */
		return administrator_of(globals, err) ? verbs[i].run(globals, argc, argv, err)
						      : -err->code;
	}
	return error_invalid(err, "template: create, list or remove must follow");
}
