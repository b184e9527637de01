/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "linux.seccomp" is compiled here, by libseccomp, and installed in the guest: no parser of
 * profiles has to live there.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/config_sections.h"
#include "vmm/oci/newer_calls.h"

#define ERRNO_MAX 4095 /* the kernel's */
#define ARGS_MAX 64    /* conditions of one rule */
#define ARG_INDEX_MAX 5
#define ARCH_PREFIX "SCMP_ARCH_"

struct profile {
	scmp_filter_ctx context;
	uint32_t default_action;
	struct newer_calls newer_calls;
	struct config_notes *notes;
};

const char *const config_seccomp_actions[] = {
	"SCMP_ACT_ALLOW",	 "SCMP_ACT_ERRNO",	 "SCMP_ACT_KILL",
	"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
	"SCMP_ACT_TRACE",	 "SCMP_ACT_TRAP",	 NULL,
};
static const uint32_t action_values[] = {
	SCMP_ACT_ALLOW,	      SCMP_ACT_ERRNO(0), SCMP_ACT_KILL,	    SCMP_ACT_KILL_PROCESS,
	SCMP_ACT_KILL_THREAD, SCMP_ACT_LOG,	 SCMP_ACT_TRACE(0), SCMP_ACT_TRAP,
};
_Static_assert(ARRAY_SIZE(config_seccomp_actions) == ARRAY_SIZE(action_values) + 1,
	       "a value for every name");

const char *const config_seccomp_operators[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};
static const enum scmp_compare operator_values[] = {
	SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,	      SCMP_CMP_EQ,
	SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ,
};
_Static_assert(ARRAY_SIZE(config_seccomp_operators) == ARRAY_SIZE(operator_values) + 1,
	       "a value for every name");

/* Those of the specification; an older libseccomp may lack the newest. */
const char *const config_seccomp_architectures[] = {
	"SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      "SCMP_ARCH_X32",
	"SCMP_ARCH_ARM",      "SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
	"SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_S390",
	"SCMP_ARCH_S390X",    "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_RISCV64",  "SCMP_ARCH_LOONGARCH64", NULL,
};

/* By the number of their bit. */
const char *const config_seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	NULL,
};

/*
 * An action, with the error number that goes with two of them. One that is refused is noted, and
 * then *@ret stays as it was.
 */
static int parse_action(const struct json_field *object, const char *action_name,
			const char *errno_name, struct config_notes *notes, uint32_t *ret,
			struct error *err)
{
	struct json_field action = json_field_member(object, action_name);
	struct json_field number = json_field_member(object, errno_name);
	const char *name = NULL;
	uint32_t value = EPERM;
	size_t choice = 0;
	int r = json_field_require_string(&action, &name, err);

	if (r < 0)
		return r;
	if (!strcmp(name, "SCMP_ACT_NOTIFY"))
		return config_refuse_because(notes, &action, err,
					     "SCMP_ACT_NOTIFY is not supported");
	r = json_field_get_choice(&action, config_seccomp_actions, ARRAY_SIZE(action_values),
				  &choice, err);
	if (!r)
		r = json_field_get_u32(&number, ERRNO_MAX, &value, err);
	if (r < 0)
		return r;
	*ret = action_values[choice];
	if (*ret == SCMP_ACT_ERRNO(0) || *ret == SCMP_ACT_TRACE(0))
		*ret |= value;
	return 0;
}

static int parse_flags(const struct json_field *seccomp, uint32_t *ret, struct error *err)
{
	struct json_field flags = json_field_member(seccomp, "flags");
	size_t count = 0;
	int r = json_field_check_array(&flags, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field flag = json_field_element(&flags, i);
		size_t bit = 0;

		r = json_field_get_choice(&flag, config_seccomp_flags,
					  ARRAY_SIZE(config_seccomp_flags) - 1, &bit, err);
		*ret |= 1u << bit;
	}
	return r;
}

/* The number libseccomp gives to an architecture, 0 for an unknown one. */
static uint32_t resolve_architecture(const char *name)
{
	char lower[32];
	size_t len = 0;

	if (strncmp(name, ARCH_PREFIX, strlen(ARCH_PREFIX)) != 0)
		return 0;
	for (name += strlen(ARCH_PREFIX); *name && len < sizeof(lower) - 1; name++)
		lower[len++] = (char)tolower((unsigned char)*name);
	lower[len] = 0;
	return *name ? 0 : seccomp_arch_resolve_name(lower);
}

bool config_seccomp_has_architecture(const char *name)
{
	return resolve_architecture(name) != 0;
}

/* The guest's own architecture is always there; those of other byte order cannot be, and need not.
 */
static int parse_architectures(const struct json_field *seccomp, struct profile *profile,
			       struct error *err)
{
	struct json_field list = json_field_member(seccomp, "architectures");
	size_t count = 0;
	int r = json_field_check_array(&list, &count, err);

	if (!r)
		r = newer_calls_add_architecture(&profile->newer_calls, seccomp_arch_native());
	for (size_t i = 0; !r && i < count; i++) {
		struct json_field item = json_field_element(&list, i);
		const char *name = NULL;
		uint32_t architecture;

		r = json_field_require_string(&item, &name, err);
		if (r < 0)
			return r;
		architecture = resolve_architecture(name);
		if (!architecture)
			return json_field_error(&item, err, "unknown architecture");
		r = seccomp_arch_add(profile->context, architecture);
		if (!r || r == -EEXIST)
			r = newer_calls_add_architecture(&profile->newer_calls, architecture);
		if (r == -EDOM)
			r = 0;
		if (r < 0)
			return json_field_error(&item, err, "%s", strerrordesc_np(-r));
	}
	return r;
}

static int parse_arg(const struct json_field *field, struct scmp_arg_cmp *ret, struct error *err)
{
	struct json_field index = json_field_member(field, "index");
	struct json_field value = json_field_member(field, "value");
	struct json_field value_two = json_field_member(field, "valueTwo");
	struct json_field op = json_field_member(field, "op");
	uint32_t number = 0;
	size_t choice = 0;
	int r = json_field_require(&index, err);

	if (!r)
		r = json_field_get_u32(&index, ARG_INDEX_MAX, &number, err);
	if (!r)
		r = json_field_get_u64(&value, &ret->datum_a, err);
	if (!r)
		r = json_field_get_u64(&value_two, &ret->datum_b, err);
	if (!r)
		r = json_field_get_choice(&op, config_seccomp_operators,
					  ARRAY_SIZE(operator_values), &choice, err);
	ret->arg = number;
	ret->op = operator_values[choice];
	return r;
}

/* Several conditions on one argument are alternatives, as runtimes have always taken them. */
static bool has_alternatives(const struct scmp_arg_cmp *args, size_t count)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < count; i++) {
		if (seen & 1u << args[i].arg)
			return true;
		seen |= 1u << args[i].arg;
	}
	return false;
}

static int add_rule(const struct profile *profile, uint32_t action, int number,
		    const struct scmp_arg_cmp *args, size_t count)
{
	int r = 0;

	if (!has_alternatives(args, count))
		r = seccomp_rule_add_array(profile->context, action, number, (unsigned int)count,
					   args);
	else
		for (size_t i = 0; i < count && (!r || r == -EEXIST); i++)
			r = seccomp_rule_add_array(profile->context, action, number, 1, &args[i]);
	return r == -EEXIST ? 0 : r;
}

static int parse_rule(const struct json_field *rule, struct profile *profile, struct error *err)
{
	struct json_field names = json_field_member(rule, "names");
	struct json_field list = json_field_member(rule, "args");
	struct scmp_arg_cmp args[ARGS_MAX] = { 0 };
	size_t nr_names = 0, nr_args = 0;
	uint32_t action = profile->default_action;
	int r = json_field_require(&names, err);

	if (!r)
		r = json_field_check_array(&names, &nr_names, err);
	if (!r)
		r = parse_action(rule, "action", "errnoRet", profile->notes, &action, err);
	if (!r)
		r = json_field_check_array(&list, &nr_args, err);
	if (!r && nr_args > ARGS_MAX)
		r = json_field_error(&list, err, "has more than %d entries", ARGS_MAX);
	for (size_t i = 0; !r && i < nr_args; i++) {
		struct json_field arg = json_field_element(&list, i);

		r = parse_arg(&arg, &args[i], err);
	}
	for (size_t i = 0; !r && i < nr_names; i++) {
		struct json_field item = json_field_element(&names, i);
		const char *name = NULL;
		int number;

		r = json_field_require_string(&item, &name, err);
		if (r < 0)
			return r;
		newer_calls_note(&profile->newer_calls, name);
		/* Profiles name calls of newer kernels, and repeat the default. */
		number = seccomp_syscall_resolve_name(name);
		if (number == __NR_SCMP_ERROR || action == profile->default_action)
			continue;
		r = add_rule(profile, action, number, args, nr_args);
		if (r < 0)
			r = json_field_error(&item, err, "%s", strerrordesc_np(-r));
	}
	return r;
}

static int parse_rules(const struct json_field *seccomp, struct profile *profile, struct error *err)
{
	struct json_field list = json_field_member(seccomp, "syscalls");
	size_t count = 0;
	int r = json_field_check_array(&list, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field rule = json_field_element(&list, i);

		r = json_field_require_object(&rule, err);
		if (!r)
			r = parse_rule(&rule, profile, err);
	}
	return r;
}

/* Take the program out of @profile. libseccomp writes it to descriptors only. */
static int export_program(const struct json_field *seccomp, const struct profile *profile,
			  struct container_seccomp *ret, struct error *err)
{
	AUTO_CLOSE int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st = { 0 };
	int r = fd < 0 ? -errno : seccomp_export_bpf(profile->context, fd);

	if (!r && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return json_field_error(seccomp, err, "cannot be compiled: %s",
					strerrordesc_np(-r));
	ret->nr_instructions = (size_t)st.st_size / sizeof(*ret->program);
	ret->program = calloc(ret->nr_instructions + 1, sizeof(*ret->program));
	if (!ret->program || pread(fd, ret->program, (size_t)st.st_size, 0) != st.st_size)
		return error_set(err, ENOMEM, "linux.seccomp");
	return 0;
}

/* Under these a call that the profile does not mention reaches the kernel, or a tracer. */
static bool is_permissive(uint32_t action)
{
	return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG ||
	       (action & SECCOMP_RET_ACTION_FULL) == SCMP_ACT_TRACE(0);
}

int config_parse_seccomp(const struct json_field *field, struct container_seccomp *ret,
			 struct config_notes *notes, struct error *err)
{
	static const char *const refused[] = { "listenerPath", "listenerMetadata" };
	struct profile profile = { .default_action = SCMP_ACT_ALLOW, .notes = notes };
	int r = json_field_check_object(field, err);

	if (r < 0 || json_field_is_empty(field))
		return r;
	r = parse_action(field, "defaultAction", "defaultErrnoRet", notes, &profile.default_action,
			 err);
	if (!r)
		r = config_refuse_members(notes, field, refused, ARRAY_SIZE(refused), err);
	if (!r)
		r = parse_flags(field, &ret->flags, err);
	if (r < 0)
		return r;
	profile.context = seccomp_init(profile.default_action);
	if (!profile.context)
		return error_set(err, ENOMEM, "linux.seccomp");
	/* A tree of comparisons: a call in the middle is not found by trying hundreds. */
	(void)seccomp_attr_set(profile.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = parse_architectures(field, &profile, err);
	if (!r)
		r = parse_rules(field, &profile, err);
	if (!r)
		r = export_program(field, &profile, ret, err);
	if (!r && !is_permissive(profile.default_action))
		r = newer_calls_prepend(&profile.newer_calls, ret, err);
	if (!r && ret->nr_instructions > BPF_MAXINSNS)
		r = json_field_error(field, err, "has %zu instructions, the kernel takes %d",
				     ret->nr_instructions, BPF_MAXINSNS);
	seccomp_release(profile.context);
	return r;
}
