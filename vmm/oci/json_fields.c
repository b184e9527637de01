/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/json_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"

#define PATH_SIZE 512	    /* of a field's path in an error text; longer ones are cut off */
#define SHOWN_SIZE 128	    /* of a value in an error text; longer ones are cut off */
#define NAME_SHOWN 64	    /* characters of a member's name in a path */
#define REAL_EXACT 0x1p53   /* below, every integer is exact as a double */
#define REAL_U64_MAX 0x1p64 /* what 18446744073709551615 becomes as a double */

/* What a file says may be anything; an error is plain text. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

json_t *json_text_parse(const char *file, const char *text, size_t size, struct error *err)
{
	json_error_t e;
	json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &e);

	/*
	 * "Unlimited" may be written as 18446744073709551615, which the library's integers cannot
	 * hold. As reals such a file's integers are exact below 2^53 and refused beyond.
	 */
	if (!value && json_error_code(&e) == json_error_numeric_overflow)
		value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
				   &e);
	if (!value) {
		make_printable(e.text);
		(void)error_invalid(err, "%s: line %d, column %d: %s", file, e.line, e.column,
				    e.text);
	}
	return value;
}

int json_field_top(struct json_field *top, const char *file, json_t *value, struct error *err)
{
	*top = (struct json_field){ .name = file, .value = value };
	if (!json_is_object(value))
		return error_invalid(err, "%s: must be an object", file);
	return 0;
}

static json_t *value_or_absent(json_t *value)
{
	return json_is_null(value) ? NULL : value;
}

struct json_field json_field_member(const struct json_field *object, const char *name)
{
	return (struct json_field){
		.parent = object,
		.name = name,
		.value = value_or_absent(json_object_get(object->value, name)),
	};
}

struct json_field json_field_element(const struct json_field *array, size_t index)
{
	return (struct json_field){
		.parent = array,
		.index = index,
		.value = value_or_absent(json_array_get(array->value, index)),
	};
}

bool json_field_is_empty(const struct json_field *field)
{
	const json_t *value = field->value;

	return !value || (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0);
}

/* Write the path at @offset; returns the offset behind it. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the schema, whatever a file nests */
static size_t write_path(const struct json_field *field, char *buffer, size_t size)
{
	size_t offset = 0;
	int n;

	if (!field->parent)
		return 0;
	offset = write_path(field->parent, buffer, size);
	if (field->name)
		n = snprintf(buffer + offset, size - offset, "%s%.*s", offset ? "." : "",
			     NAME_SHOWN, field->name);
	else
		n = snprintf(buffer + offset, size - offset, "[%zu]", field->index);
	if (n < 0 || (size_t)n >= size - offset)
		return size - 1;
	return offset + (size_t)n;
}

const char *json_field_path(const struct json_field *field, char *buffer, size_t size)
{
	buffer[0] = 0;
	(void)write_path(field, buffer, size);
	make_printable(buffer);
	return buffer;
}

const char *json_field_show(const struct json_field *field, char *buffer, size_t size)
{
	AUTO_FREE char *text =
		json_dumps(field->value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);

	(void)snprintf(buffer, size, "%s", text ? text : "");
	return buffer;
}

int json_field_error(const struct json_field *field, struct error *err, const char *format, ...)
{
	const struct json_field *top = field;
	char path[PATH_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->code = EINVAL;
	while (top->parent)
		top = top->parent;
	return error_prefix(err, "%s: %s", top->name, json_field_path(field, path, sizeof(path)));
}

int json_field_require(const struct json_field *field, struct error *err)
{
	return field->value ? 0 : json_field_error(field, err, "is missing");
}

int json_field_check_object(const struct json_field *field, struct error *err)
{
	if (field->value && !json_is_object(field->value))
		return json_field_error(field, err, "must be an object");
	return 0;
}

int json_field_check_array(const struct json_field *field, size_t *ret_len, struct error *err)
{
	if (field->value && !json_is_array(field->value))
		return json_field_error(field, err, "must be an array");
	*ret_len = json_array_size(field->value);
	return 0;
}

int json_field_require_object(const struct json_field *field, struct error *err)
{
	int r = json_field_require(field, err);

	return r < 0 ? r : json_field_check_object(field, err);
}

int json_field_check_members(const struct json_field *object, const char *const *names,
			     size_t count, struct error *err)
{
	int r = json_field_check_object(object, err);
	const char *name;
	json_t *value;

	if (r < 0)
		return r;
	json_object_foreach (object->value, name, value) {
		struct json_field member = json_field_member(object, name);
		size_t i = 0;

		while (i < count && strcmp(names[i], name) != 0)
			i++;
		if (i == count)
			return json_field_error(&member, err, "is not known here");
	}
	return 0;
}

int json_field_get_string(const struct json_field *field, const char **ret, struct error *err)
{
	if (!field->value)
		return 0;
	if (!json_is_string(field->value))
		return json_field_error(field, err, "must be a string");
	*ret = json_string_value(field->value);
	return 0;
}

int json_field_require_string(const struct json_field *field, const char **ret, struct error *err)
{
	int r = json_field_require(field, err);

	return r < 0 ? r : json_field_get_string(field, ret, err);
}

int json_field_copy_string(const struct json_field *field, char **ret, struct error *err)
{
	const char *text = NULL;
	char *copy;
	int r = json_field_get_string(field, &text, err);

	if (r < 0 || !text)
		return r;
	copy = strdup(text);
	if (!copy)
		return error_set(err, ENOMEM, "%s", field->name);
	free(*ret);
	*ret = copy;
	return 0;
}

int json_field_get_bool(const struct json_field *field, bool *ret, struct error *err)
{
	if (!field->value)
		return 0;
	if (!json_is_boolean(field->value))
		return json_field_error(field, err, "must be true or false");
	*ret = json_is_true(field->value);
	return 0;
}

/* The value as an exact integer; false when it is none. */
static bool exact_integer(const json_t *value, int64_t *ret)
{
	double real;

	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return true;
	}
	real = json_real_value(value);
	if (real <= -REAL_EXACT || real >= REAL_EXACT)
		return false;
	*ret = (int64_t)real;
	return (double)*ret == real;
}

int json_field_get_int(const struct json_field *field, int64_t min, int64_t max, int64_t *ret,
		       struct error *err)
{
	int64_t value;

	if (!field->value)
		return 0;
	if (!json_is_number(field->value))
		return json_field_error(field, err, "must be a number");
	if (!exact_integer(field->value, &value) || value < min || value > max)
		return json_field_error(field, err,
					"must be a whole number from %" PRId64 " to %" PRId64, min,
					max);
	*ret = value;
	return 0;
}

int json_field_get_u32(const struct json_field *field, uint32_t max, uint32_t *ret,
		       struct error *err)
{
	int64_t value = *ret;
	int r = json_field_get_int(field, 0, max, &value, err);

	if (!r)
		*ret = (uint32_t)value;
	return r;
}

int json_field_get_u64(const struct json_field *field, uint64_t *ret, struct error *err)
{
	int64_t value;

	if (!field->value)
		return 0;
	if (!json_is_number(field->value))
		return json_field_error(field, err, "must be a number");
	if (json_real_value(field->value) >= REAL_U64_MAX &&
	    json_real_value(field->value) <= REAL_U64_MAX) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (!exact_integer(field->value, &value) || value < 0)
		return json_field_error(field, err,
					"must be a whole number from 0 to 2^63-1, or "
					"2^64-1");
	*ret = (uint64_t)value;
	return 0;
}

int json_field_get_strings(const struct json_field *field, struct text_list *list,
			   struct error *err)
{
	size_t count = 0;
	int r = json_field_check_array(field, &count, err);

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field element = json_field_element(field, i);
		const char *text = "";

		r = json_field_require_string(&element, &text, err);
		if (!r && text_list_add(list, "%s", text) < 0)
			r = error_set(err, ENOMEM, "%s", field->name);
	}
	return r;
}

int json_field_get_choice(const struct json_field *field, const char *const *names, size_t count,
			  size_t *ret, struct error *err)
{
	char shown[SHOWN_SIZE];
	const char *text = "";
	int r = json_field_require_string(field, &text, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (names[i] && !strcmp(names[i], text)) {
			*ret = i;
			return 0;
		}
	}
	return json_field_error(field, err, "unknown value %s",
				json_field_show(field, shown, sizeof(shown)));
}
