/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/plan_members.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

/*
 * The strings stay as they are, but execve(2) wants its vectors without const: this is the one
 * place that drops it.
 */
static char *plan_string(const json_t *value)
{
	const union {
		const char *constant;
		char *variable;
	} string = { .constant = json_string_value(value) };

	return string.variable;
}

int plan_read_strings(const json_t *list, const char *name, struct plan_strings *ret_strings,
		      struct failure *err)
{
	size_t len = json_array_size(list);
	char **items;

	if (!json_is_array(list))
		return failure_invalid(err, "\"%s\" is not a list", name);
	items = calloc(len + 1, sizeof(*items));
	if (!items)
		return failure_set(err, ENOMEM, "\"%s\"", name);
	for (size_t i = 0; i < len; i++) {
		items[i] = plan_string(json_array_get(list, i));
		if (!items[i]) {
			free(items);
			return failure_invalid(err, "%s[%zu] is not a string", name, i);
		}
	}
	ret_strings->items = items;
	ret_strings->len = len;
	return 0;
}

int plan_read_integer(const json_t *value, const char *name, json_int_t min, json_int_t max,
		      json_int_t *ret_integer, struct failure *err)
{
	json_int_t integer = json_integer_value(value);

	if (!json_is_integer(value) || integer < min || integer > max)
		return failure_invalid(err, "\"%s\" is not a whole number from %lld to %lld", name,
				       (long long)min, (long long)max);
	*ret_integer = integer;
	return 0;
}

static int plan_read_string(const json_t *value, const struct member *member,
			    const char **ret_string, struct failure *err)
{
	const char *string = json_string_value(value);

	if (!string)
		return failure_invalid(err, "\"%s\" is not a string", member->name);
	if (member->kind == MEMBER_PATH && string[0] != '/')
		return failure_invalid(err, "%s \"%s\" is not an absolute path", member->name,
				       string);
	*ret_string = string;
	return 0;
}

static int plan_read_member(const json_t *value, const struct member *member, void *field,
			    struct failure *err)
{
	json_int_t integer = 0;
	int r = 0;

	switch (member->kind) {
	case MEMBER_STRING:
	case MEMBER_PATH:
		return plan_read_string(value, member, field, err);
	case MEMBER_STRINGS:
		return plan_read_strings(value, member->name, field, err);
	case MEMBER_BOOL:
		if (!json_is_boolean(value))
			return failure_invalid(err, "\"%s\" is not a boolean", member->name);
		*(bool *)field = json_is_true(value);
		return 0;
	case MEMBER_U32:
		r = plan_read_integer(value, member->name, 0, UINT32_MAX, &integer, err);
		if (!r)
			*(uint32_t *)field = (uint32_t)integer;
		return r;
	case MEMBER_I32:
		r = plan_read_integer(value, member->name, INT32_MIN + 1, INT32_MAX, &integer, err);
		if (!r)
			*(int32_t *)field = (int32_t)integer;
		return r;
	case MEMBER_U64:
		r = plan_read_integer(value, member->name, 0, INT64_MAX, &integer, err);
		if (!r)
			*(uint64_t *)field = (uint64_t)integer;
		return r;
	case MEMBER_I64:
		r = plan_read_integer(value, member->name, INT64_MIN, INT64_MAX, &integer, err);
		if (!r)
			*(int64_t *)field = integer;
		return r;
	case MEMBER_LIMIT:
		r = plan_read_integer(value, member->name, -1, INT64_MAX, &integer, err);
		if (!r)
			*(uint64_t *)field = integer < 0 ? RLIM_INFINITY : (uint64_t)integer;
		return r;
	}
	return failure_invalid(err, "\"%s\" has an unknown kind", member->name);
}

int plan_read_members(const json_t *object, const struct member *members, size_t nr_members,
		      void *ret_struct, struct failure *err)
{
	if (!json_is_object(object))
		return failure_invalid(err, "not an object");
	for (size_t i = 0; i < nr_members; i++) {
		const json_t *value = json_object_get(object, members[i].name);
		int r;

		if (!value && members[i].is_optional)
			continue;
		if (!value)
			return failure_invalid(err, "\"%s\" is missing", members[i].name);
		r = plan_read_member(value, &members[i], (char *)ret_struct + members[i].offset,
				     err);
		if (r)
			return r;
	}
	return 0;
}

int plan_read_list(const json_t *object, const char *name, size_t item_size,
		   plan_read_item_fn read_item, void *ret_array, size_t *ret_len,
		   struct failure *err)
{
	const json_t *list = json_object_get(object, name);
	size_t len = json_array_size(list);
	char *array;

	if (!json_is_array(list))
		return failure_invalid(err, "\"%s\" is missing or not a list", name);
	array = calloc(len ? len : 1, item_size);
	if (!array)
		return failure_set(err, ENOMEM, "\"%s\"", name);
	*(void **)ret_array = array;
	*ret_len = len;
	for (size_t i = 0; i < len; i++)
		if (read_item(json_array_get(list, i), array + i * item_size, err))
			return failure_prefix(err, "%s[%zu]", name, i);
	return 0;
}
