/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/exec_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/config_sections.h"

#define ID_MAX (UINT32_MAX - 1)

/* A decimal number up to its end at *@text; what follows it is then at *@text. */
static int parse_id(const char **text, const char *option, uint32_t *ret, struct error *err)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(*text, &end, 10);
	if (**text < '0' || **text > '9' || errno || number > ID_MAX)
		return error_invalid(err, "%s: '%s' is not a number of a user or group", option,
				     *text);
	*text = end;
	*ret = (uint32_t)number;
	return 0;
}

static int set_user(const char *user, struct container_process *process, struct error *err)
{
	const char *text = user;
	int r = parse_id(&text, "--user", &process->uid, err);

	if (!r && *text == ':') {
		text++;
		r = parse_id(&text, "--user", &process->gid, err);
	}
	if (!r && *text)
		r = error_invalid(err, "--user: '%s' is not UID or UID:GID", user);
	return r;
}

static int add_gids(const char *list, struct container_process *process, struct error *err)
{
	const char *text = list;

	do {
		uint32_t *gids = reallocarray(process->additional_gids,
					      process->nr_additional_gids + 1, sizeof(*gids));
		int r;

		if (!gids)
			return error_set(err, ENOMEM, "--additional-gids");
		process->additional_gids = gids;
		text += *text == ',';
		r = parse_id(&text, "--additional-gids", &gids[process->nr_additional_gids], err);
		if (r < 0)
			return r;
		process->nr_additional_gids++;
	} while (*text == ',');
	return *text ? error_invalid(err, "--additional-gids: '%s' is no list of numbers", list)
		     : 0;
}

static int add_capability(const char *name, struct container_process *process, struct error *err)
{
	int number = config_capability_number(name);
	uint64_t bit;

	if (number < 0)
		return error_invalid(err, "--cap: unknown capability '%s'", name);
	bit = UINT64_C(1) << number;
	process->capabilities[CAPABILITY_BOUNDING] |= bit;
	process->capabilities[CAPABILITY_EFFECTIVE] |= bit;
	process->capabilities[CAPABILITY_PERMITTED] |= bit;
	return 0;
}

static int set_args(const struct exec_options *options, struct container_process *process,
		    struct error *err)
{
	text_list_clear(&process->args);
	for (int i = 0; i < options->nr_args; i++)
		if (text_list_add(&process->args, "%s", options->args[i]) < 0)
			return error_set(err, ENOMEM, "exec");
	return 0;
}

static int add_env(const struct text_list *env, struct container_process *process,
		   struct error *err)
{
	for (size_t i = 0; i < env->count; i++) {
		const char *equals = strchr(env->items[i], '=');

		if (!equals || equals == env->items[i])
			return error_invalid(err, "--env: '%s' does not have the form NAME=VALUE",
					     env->items[i]);
		if (text_list_add(&process->env, "%s", env->items[i]) < 0)
			return error_set(err, ENOMEM, "--env");
	}
	return 0;
}

static int set_cwd(const char *cwd, struct container_process *process, struct error *err)
{
	if (cwd[0] != '/')
		return error_invalid(err, "--cwd: '%s' must be an absolute path", cwd);
	free(process->cwd);
	process->cwd = strdup(cwd);
	return process->cwd ? 0 : error_set(err, ENOMEM, "--cwd");
}

static int apply(const struct exec_options *options, struct container_process *process,
		 struct error *err)
{
	int r = set_args(options, process, err);

	process->has_terminal = options->has_terminal;
	process->no_new_privileges |= options->no_new_privileges;
	if (!r && options->cwd)
		r = set_cwd(options->cwd, process, err);
	if (!r)
		r = add_env(&options->env, process, err);
	if (!r && options->user)
		r = set_user(options->user, process, err);
	if (options->additional_gids.count)
		process->nr_additional_gids = 0;
	for (size_t i = 0; i < options->additional_gids.count && !r; i++)
		r = add_gids(options->additional_gids.items[i], process, err);
	for (size_t i = 0; i < options->capabilities.count && !r; i++)
		r = add_capability(options->capabilities.items[i], process, err);
	return r;
}

int exec_process_make(const struct container_state *state, const struct exec_options *options,
		      struct container_process *ret, struct error *err)
{
	struct container_config *config = NULL;
	AUTO_FREE char *text = NULL;
	size_t size;
	int r = file_load(state->dir_fd, CONTAINER_CONFIG_NAME, CONTAINER_CONFIG_SIZE_MAX, &text,
			  &size, err);

	if (!r)
		r = container_config_parse_sized(text, size, "/", &state->defaults, &config, err);
	if (r < 0)
		return r;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	*ret = config->process;
	config->process = (struct container_process){ 0 };
	container_config_free(config);
	r = apply(options, ret, err);
	if (r < 0)
		container_process_clear(ret);
	return r;
}
