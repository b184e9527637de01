/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_sections.h"

#define TERMINAL_SIZE_MAX 65535
#define ID_MAX (UINT32_MAX - 1) /* the last one stands for "no change" in system calls */
#define GIDS_MAX 65536		/* NGROUPS_MAX */
#define UMASK_MAX 0777
#define CAPABILITIES_MAX 64 /* bits of a set */
#define OOM_SCORE_MIN (-1000)
#define OOM_SCORE_MAX 1000

static const char *const capability_set_names[CONTAINER_NR_CAPABILITY_SETS] = {
	[CAPABILITY_BOUNDING] = "bounding",	  [CAPABILITY_EFFECTIVE] = "effective",
	[CAPABILITY_INHERITABLE] = "inheritable", [CAPABILITY_PERMITTED] = "permitted",
	[CAPABILITY_AMBIENT] = "ambient",
};

static const char *const rlimit_names[] = {
	[RLIMIT_AS] = "RLIMIT_AS",
	[RLIMIT_CORE] = "RLIMIT_CORE",
	[RLIMIT_CPU] = "RLIMIT_CPU",
	[RLIMIT_DATA] = "RLIMIT_DATA",
	[RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[RLIMIT_LOCKS] = "RLIMIT_LOCKS",
	[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
	[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
	[RLIMIT_NICE] = "RLIMIT_NICE",
	[RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[RLIMIT_NPROC] = "RLIMIT_NPROC",
	[RLIMIT_RSS] = "RLIMIT_RSS",
	[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
	[RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[RLIMIT_STACK] = "RLIMIT_STACK",
};

static int parse_terminal(const struct json_field *process, struct container_process *ret,
			  struct error *err)
{
	struct json_field terminal = json_field_member(process, "terminal");
	struct json_field size = json_field_member(process, "consoleSize");
	struct json_field height = json_field_member(&size, "height");
	struct json_field width = json_field_member(&size, "width");
	uint32_t rows = 0;
	uint32_t columns = 0;
	int r = json_field_get_bool(&terminal, &ret->has_terminal, err);

	if (!r)
		r = json_field_check_object(&size, err);
	if (!r)
		r = json_field_get_u32(&height, TERMINAL_SIZE_MAX, &rows, err);
	if (!r)
		r = json_field_get_u32(&width, TERMINAL_SIZE_MAX, &columns, err);
	ret->rows = (uint16_t)rows;
	ret->columns = (uint16_t)columns;
	return r;
}

static int parse_args(const struct json_field *process, struct container_process *ret,
		      struct error *err)
{
	struct json_field args = json_field_member(process, "args");
	int r = json_field_require(&args, err);

	if (!r)
		r = json_field_get_strings(&args, &ret->args, err);
	if (!r && !ret->args.count)
		r = json_field_error(&args, err, "must not be empty");
	return r;
}

static int parse_env(const struct json_field *process, struct container_process *ret,
		     struct error *err)
{
	struct json_field env = json_field_member(process, "env");
	int r = json_field_get_strings(&env, &ret->env, err);

	for (size_t i = 0; !r && i < ret->env.count; i++) {
		struct json_field entry = json_field_element(&env, i);
		const char *equals = strchr(ret->env.items[i], '=');

		if (!equals || equals == ret->env.items[i])
			r = json_field_error(&entry, err, "must have the form NAME=VALUE");
	}
	return r;
}

static int parse_cwd(const struct json_field *process, struct container_process *ret,
		     struct error *err)
{
	struct json_field cwd = json_field_member(process, "cwd");
	int r = json_field_require(&cwd, err);

	if (!r)
		r = json_field_copy_string(&cwd, &ret->cwd, err);
	if (!r && ret->cwd[0] != '/')
		r = json_field_error(&cwd, err, "must be an absolute path");
	return r;
}

static int parse_additional_gids(const struct json_field *gids, struct container_process *ret,
				 struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(gids, &count, err);

	if (r < 0 || count == 0)
		return r;
	if (count > GIDS_MAX)
		return json_field_error(gids, err, "has more than %d entries", GIDS_MAX);
	ret->additional_gids = calloc(count, sizeof(*ret->additional_gids));
	if (!ret->additional_gids)
		return error_set(err, ENOMEM, "additionalGids");
	ret->nr_additional_gids = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field gid = json_field_element(gids, i);

		r = json_field_require(&gid, err);
		if (!r)
			r = json_field_get_u32(&gid, ID_MAX, &ret->additional_gids[i], err);
	}
	return r;
}

static int parse_user(const struct json_field *process, struct container_process *ret,
		      struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "username" }; /* Windows only */
	struct json_field user = json_field_member(process, "user");
	struct json_field uid = json_field_member(&user, "uid");
	struct json_field gid = json_field_member(&user, "gid");
	struct json_field gids = json_field_member(&user, "additionalGids");
	struct json_field umask_field = json_field_member(&user, "umask");
	int r = json_field_check_object(&user, err);

	ret->umask = 0022;
	if (!r)
		r = json_field_get_u32(&uid, ID_MAX, &ret->uid, err);
	if (!r)
		r = json_field_get_u32(&gid, ID_MAX, &ret->gid, err);
	if (!r)
		r = json_field_get_u32(&umask_field, UMASK_MAX, &ret->umask, err);
	if (!r)
		r = parse_additional_gids(&gids, ret, err);
	return r < 0 ? r : config_refuse_members(notes, &user, refused, ARRAY_SIZE(refused), err);
}

int config_capability_number(const char *name)
{
	cap_value_t number;

	/* The library takes plain numbers too. */
	if (strncasecmp(name, "CAP_", 4) != 0 || cap_from_name(name, &number) < 0 || number < 0 ||
	    number >= CAPABILITIES_MAX)
		return -1;
	return number;
}

static int parse_capability_set(const struct json_field *set, uint64_t *ret,
				struct config_notes *notes, struct error *err)
{
	char shown[80];
	size_t count = 0;
	int r = json_field_check_array(set, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field name = json_field_element(set, i);
		const char *text = "";
		int number;

		r = json_field_require_string(&name, &text, err);
		if (r < 0)
			return r;
		number = config_capability_number(text);
		if (number >= 0)
			*ret |= UINT64_C(1) << number;
		else
			r = config_warn(notes, &name, err, "unknown capability %s is ignored",
					json_field_show(&name, shown, sizeof(shown)));
	}
	return r;
}

/* Without "capabilities" the process has none. */
static int parse_capabilities(const struct json_field *process, struct container_process *ret,
			      struct config_notes *notes, struct error *err)
{
	struct json_field capabilities = json_field_member(process, "capabilities");
	int r = json_field_check_object(&capabilities, err);

	for (size_t i = 0; !r && i < CONTAINER_NR_CAPABILITY_SETS; i++) {
		struct json_field set = json_field_member(&capabilities, capability_set_names[i]);

		r = parse_capability_set(&set, &ret->capabilities[i], notes, err);
	}
	return r;
}

static int parse_rlimit(const struct json_field *field, struct container_rlimit *ret,
			uint64_t *seen, struct error *err)
{
	struct json_field type = json_field_member(field, "type");
	struct json_field soft = json_field_member(field, "soft");
	struct json_field hard = json_field_member(field, "hard");
	size_t resource = 0;
	int r = json_field_check_object(field, err);

	if (!r)
		r = json_field_get_choice(&type, rlimit_names, ARRAY_SIZE(rlimit_names), &resource,
					  err);
	if (!r)
		r = json_field_require(&soft, err);
	if (!r)
		r = json_field_get_u64(&soft, &ret->soft, err);
	if (!r)
		r = json_field_require(&hard, err);
	if (!r)
		r = json_field_get_u64(&hard, &ret->hard, err);
	if (r < 0)
		return r;
	if (*seen & (UINT64_C(1) << resource))
		return json_field_error(&type, err, "duplicate %s", rlimit_names[resource]);
	*seen |= UINT64_C(1) << resource;
	ret->resource = (int)resource;
	if (ret->soft > ret->hard)
		return json_field_error(&soft, err, "is larger than the hard limit");
	return 0;
}

static int parse_rlimits(const struct json_field *process, struct container_process *ret,
			 struct error *err)
{
	struct json_field rlimits = json_field_member(process, "rlimits");
	uint64_t seen = 0;
	size_t count = 0;
	int r = json_field_check_array(&rlimits, &count, err);

	if (r < 0 || count == 0)
		return r;
	ret->rlimits = calloc(count, sizeof(*ret->rlimits));
	if (!ret->rlimits)
		return error_set(err, ENOMEM, "rlimits");
	ret->nr_rlimits = count;
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field rlimit = json_field_element(&rlimits, i);

		r = parse_rlimit(&rlimit, &ret->rlimits[i], &seen, err);
	}
	return r;
}

static int parse_oom_score(const struct json_field *process, struct container_process *ret,
			   struct error *err)
{
	struct json_field score = json_field_member(process, "oomScoreAdj");
	int64_t value = 0;
	int r = json_field_get_int(&score, OOM_SCORE_MIN, OOM_SCORE_MAX, &value, err);

	ret->has_oom_score_adj = !json_field_is_absent(&score);
	ret->oom_score_adj = (int)value;
	return r;
}

/* The guest kernel has no security module that could know these names. */
static int parse_labels(const struct json_field *process, struct config_notes *notes,
			struct error *err)
{
	static const char *const names[] = { "apparmorProfile", "selinuxLabel" };
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(names); i++) {
		struct json_field label = json_field_member(process, names[i]);
		const char *text = "";

		r = json_field_get_string(&label, &text, err);
		if (!r && *text)
			r = config_warn(notes, &label, err,
					"has no meaning in the virtual machine and is ignored");
	}
	return r;
}

int config_parse_process(const struct json_field *field, struct container_process *process,
			 struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "commandLine" }; /* Windows only */
	struct json_field no_new_privileges = json_field_member(field, "noNewPrivileges");
	int r = json_field_require_object(field, err);

	if (!r)
		r = parse_terminal(field, process, err);
	if (!r)
		r = parse_user(field, process, notes, err);
	if (!r)
		r = parse_args(field, process, err);
	if (!r)
		r = parse_env(field, process, err);
	if (!r)
		r = parse_cwd(field, process, err);
	if (!r)
		r = parse_capabilities(field, process, notes, err);
	if (!r)
		r = parse_rlimits(field, process, err);
	if (!r)
		r = json_field_get_bool(&no_new_privileges, &process->no_new_privileges, err);
	if (!r)
		r = parse_oom_score(field, process, err);
	if (!r)
		r = config_parse_scheduling(field, process, notes, err);
	if (!r)
		r = parse_labels(field, notes, err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	return r;
}

void container_process_clear(struct container_process *process)
{
	text_list_clear(&process->args);
	text_list_clear(&process->env);
	free(process->cwd);
	free(process->additional_gids);
	free(process->rlimits);
	*process = (struct container_process){ 0 };
}
