/* SPDX-License-Identifier: Apache-2.0 */
/* update.c - `update`: change a container's limits */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/base/log.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/container_update.h"
#include "vmm/cli/size_argument.h"
#include "vmm/oci/json_fields.h"

#define LOCK_TIMEOUT_MS 10000
#define FILE_SIZE_MAX ((size_t)1 << 20)
#define STDIN_NAME "standard input"

enum kind {
	KIND_FILE,    /* --resources */
	KIND_SIZE,    /* bytes, or with a unit */
	KIND_NUMBER,  /* perhaps negative */
	KIND_TEXT,    /* as it is */
	KIND_IGNORED, /* of kernels that are gone */
	KIND_REFUSED,
};

/* The options, known by their places, and what they stand for. */
static const struct {
	const char *name;
	enum kind kind;
	const char *section, *member; /* of "resources" */
} settings[] = {
	{ "resources", KIND_FILE, NULL, NULL },
	{ "r", KIND_FILE, NULL, NULL },
	{ "blkio-weight", KIND_NUMBER, "blockIO", "weight" },
	{ "cpu-period", KIND_NUMBER, "cpu", "period" },
	{ "cpu-quota", KIND_NUMBER, "cpu", "quota" },
	{ "cpu-burst", KIND_NUMBER, "cpu", "burst" },
	{ "cpu-share", KIND_NUMBER, "cpu", "shares" },
	{ "cpu-rt-period", KIND_NUMBER, "cpu", "realtimePeriod" },
	{ "cpu-rt-runtime", KIND_NUMBER, "cpu", "realtimeRuntime" },
	{ "cpu-idle", KIND_NUMBER, "cpu", "idle" },
	{ "cpuset-cpus", KIND_TEXT, "cpu", "cpus" },
	{ "cpuset-mems", KIND_TEXT, "cpu", "mems" },
	{ "memory", KIND_SIZE, "memory", "limit" },
	{ "memory-reservation", KIND_SIZE, "memory", "reservation" },
	{ "memory-swap", KIND_SIZE, "memory", "swap" },
	{ "pids-limit", KIND_NUMBER, "pids", "limit" },
	{ "kernel-memory", KIND_IGNORED, NULL, NULL },
	{ "kernel-memory-tcp", KIND_IGNORED, NULL, NULL },
	{ "l3-cache-schema", KIND_REFUSED, NULL, NULL },
	{ "mem-bw-schema", KIND_REFUSED, NULL, NULL },
};

static int parse_number(const char *text, json_int_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return end == text || *end || errno || isspace((unsigned char)*text) ? -EINVAL : 0;
}

static int set(json_t *changes, const char *section, const char *member, json_t *value,
	       struct error *err)
{
	json_t *object = json_object_get(changes, section);

	if (!object) {
		object = json_object();
		if (json_object_set_new(changes, section, object) < 0)
			object = NULL;
	}
	return json_object_set_new(object, member, value) < 0 ? error_set(err, ENOMEM, "update")
							      : 0;
}

/* One option, number @index of the settings, with its argument in `optarg`. */
static int parse_option(size_t index, json_t *changes, const char **file, struct error *err)
{
	const char *section = settings[index].section;
	const char *member = settings[index].member;
	json_int_t number = 0;
	int64_t bytes = 0;
	int r = 0;

	switch (settings[index].kind) {
	case KIND_FILE:
		*file = optarg;
		return 0;
	case KIND_IGNORED:
		log_debug("--%s: has no meaning: kernel memory counts as memory",
			  settings[index].name);
		return 0;
	case KIND_REFUSED:
		return error_invalid(err, "--%s: not supported: a virtual machine cannot have it",
				     settings[index].name);
	case KIND_TEXT:
		return set(changes, section, member, json_string(optarg), err);
	case KIND_SIZE:
		r = size_argument_parse(optarg, &bytes);
		number = bytes;
		break;
	case KIND_NUMBER:
		r = parse_number(optarg, &number);
		break;
	}
	if (r < 0)
		return error_invalid(
			err, "--%s: '%s' is not a number%s", settings[index].name, optarg,
			settings[index].kind == KIND_SIZE ? " of bytes like 512m" : "");
	return set(changes, section, member, json_integer(number), err);
}

static int parse(int argc, char **argv, json_t *changes, const char **file, struct error *err)
{
	struct option options[ARRAY_SIZE(settings) + 1] = { 0 };
	int option;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		options[i] = (struct option){ settings[i].name, required_argument, NULL, (int)i };
	while ((option = next_option(argc, argv, options, err)) != OPTION_END)
		if (option == OPTION_INVALID ||
		    parse_option((size_t)option, changes, file, err) < 0)
			return -EINVAL;
	return check_words(argc, argv, 1, 1, err);
}

static int load_stdin(char **ret_text, size_t *ret_size, struct error *err)
{
	AUTO_FREE char *text = malloc(FILE_SIZE_MAX + 1);
	ssize_t n;

	if (!text)
		return error_set(err, ENOMEM, "read " STDIN_NAME);
	n = file_read_full(STDIN_FILENO, text, FILE_SIZE_MAX + 1);
	if (n < 0)
		return error_set(err, (int)-n, "read " STDIN_NAME);
	if ((size_t)n > FILE_SIZE_MAX)
		return error_invalid(err, STDIN_NAME " has more than %zu bytes", FILE_SIZE_MAX);
	*ret_size = (size_t)n;
	*ret_text = pointer_take(text);
	return 0;
}

/* The object in the file *@name, "-" being standard input, by whose name it is known then. */
static int load_changes(const char **name, json_t **ret, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct json_field top;
	size_t size;
	int r;

	if (strcmp(*name, "-") == 0) {
		*name = STDIN_NAME;
		r = load_stdin(&text, &size, err);
	} else {
		r = file_load(AT_FDCWD, *name, FILE_SIZE_MAX, &text, &size, err);
	}
	if (r < 0)
		return r;
	*ret = json_text_parse(*name, text, size, err);
	return *ret ? json_field_top(&top, *name, *ret, err) : -EINVAL;
}

static int update(const struct global_options *globals, const char *id, const char *file,
		  const json_t *changes, struct error *err)
{
	const struct administrator_config *administrator = administrator_of(globals, err);
	struct container_state *state;
	int r;

	if (!administrator)
		return -err->code;
	r = container_state_load(globals->root, id, &state, err);
	if (r < 0)
		return r;
	r = container_state_lock(state, LOCK_TIMEOUT_MS, err);
	if (!r) {
		enum container_status status = container_state_status(state);

		r = status == CONTAINER_STOPPED || status == CONTAINER_CREATING
			    ? error_invalid(err, "container not running")
			    : container_update(state, administrator, file, changes, err);
	}
	container_state_free(state);
	return r;
}

int verb_update(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	json_t *changes = json_object();
	const char *file = NULL;
	int r = parse(argc, argv, changes, &file, err);

	/* As with runc, options beside a file have no effect. */
	if (!r && file) {
		json_decref(changes);
		changes = NULL;
		r = load_changes(&file, &changes, err);
	}
	if (!r)
		r = update(globals, argv[optind], file ? file : "update", changes, err);
	json_decref(changes);
	return r < 0 ? r : EXIT_SUCCESS;
}
