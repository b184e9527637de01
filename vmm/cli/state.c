/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - the verbs that only look or print: `state`, `list`, `spec`, `features` */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/container_argument.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/features.h"
#include "vmm/oci/spec.h"
#include "vmm/oci/state_json.h"

/* Print @text (heap, taken; NULL for want of memory) and a newline. */
static int print_text(char *text, struct error *err)
{
	AUTO_FREE char *owned = text;

	if (!owned)
		return error_set(err, ENOMEM, "print");
	if (puts(owned) < 0 || fflush(stdout) < 0)
		return error_set(err, errno, "write to standard output");
	return EXIT_SUCCESS;
}

int verb_state(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	struct container_state *state;
	int r = container_argument_load(globals, argc, argv, &state, err);

	if (r < 0)
		return r;
	r = print_text(state_json_text(state), err);
	container_state_free(state);
	return r;
}

static int set_list_format(enum state_list_format *format, struct error *err)
{
	if (strcmp(optarg, "json") == 0)
		*format = STATE_LIST_JSON;
	else if (strcmp(optarg, "table") == 0)
		*format = STATE_LIST_TABLE;
	else
		return error_invalid(err, "list: --format is table or json, not '%s'", optarg);
	return 0;
}

int verb_list(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "f", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "q", no_argument, NULL, 'q' },
		{ 0 },
	};
	enum state_list_format format = STATE_LIST_TABLE;
	bool is_quiet = false;
	struct text_list problems = { 0 };
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		if (option == 'q')
			is_quiet = option_is_on();
		else if (set_list_format(&format, err) < 0)
			return -EINVAL;
	}
	if (check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	r = state_list_print(stdout, globals->root, is_quiet ? STATE_LIST_QUIET : format, &problems,
			     err);
	for (size_t i = 0; i < problems.count; i++)
		log_warning("%s", problems.items[i]);
	text_list_clear(&problems);
	return r < 0 ? r : EXIT_SUCCESS;
}

int verb_spec(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "bundle", required_argument, NULL, 'b' },
		{ "b", required_argument, NULL, 'b' },
		{ "rootless", no_argument, NULL, 'r' },
		{ 0 },
	};
	const char *bundle = ".";
	AUTO_CLOSE int fd = -1;
	int option, r;

	(void)globals;
	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		if (option == 'b')
			bundle = optarg;
		else if (option_is_on())
			return error_invalid(err, "spec: --rootless: not supported: containers "
						  "have no user namespace");
	}
	if (check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "bundle '%s'", bundle);
	r = spec_write(fd, err);
	return r < 0 ? r : EXIT_SUCCESS;
}

int verb_features(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = { { 0 } };

	(void)globals;
	if (next_option(argc, argv, options, err) == OPTION_INVALID ||
	    check_words(argc, argv, 0, 0, err) < 0)
		return -EINVAL;
	return print_text(features_text(), err);
}
