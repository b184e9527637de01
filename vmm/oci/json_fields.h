/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_fields.h - typed, bounded access to the fields of a JSON file
 *
 * A struct json_field is a place in a file: it knows its way down from the top, so that an error
 * can say "config.json: process.rlimits[2].type: …". It lives on the stack, borrows everything and
 * is valid as long as its parent is.
 *
 * A field with the value null counts as absent. The json_field_get_…() functions leave *@ret as it
 * was when the field is absent, so that the caller's initial value is the default; they return 0,
 * or -EINVAL with an error when the value has the wrong type or is out of range.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/oci/text_list.h"

struct json_field {
	const struct json_field *parent; /* NULL: the top */
	const char *name;		 /* member name (top: of the file), NULL: an element */
	size_t index;			 /* of an element */
	json_t *value;			 /* borrowed; NULL: absent */
};

/* Load JSON text: strict UTF-8, no duplicate members, no trailing garbage. NULL with an error. */
json_t *json_text_parse(const char *file, const char *text, size_t size, struct error *err);

/* The top of @file; it must be an object. */
int json_field_top(struct json_field *top, const char *file, json_t *value, struct error *err);

/* Member @name of @object, and element @index of @array; absent if @object or @array is. */
struct json_field json_field_member(const struct json_field *object, const char *name);
struct json_field json_field_element(const struct json_field *array, size_t index);

static inline bool json_field_is_absent(const struct json_field *field)
{
	return !field->value;
}

/* True for what engines write when they mean nothing: absent, "", {}, []. */
bool json_field_is_empty(const struct json_field *field);

/* The path below the top ("process.rlimits[2].type") in a buffer. Returns @buffer. */
const char *json_field_path(const struct json_field *field, char *buffer, size_t size);

/* The value as one line of ASCII JSON, cut off at the end of @buffer. Returns @buffer. */
const char *json_field_show(const struct json_field *field, char *buffer, size_t size);

/* Fail with "<file>: <path>: <format>". Returns -EINVAL. */
int json_field_error(const struct json_field *field, struct error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Fail with "is missing" when the field is absent. */
int json_field_require(const struct json_field *field, struct error *err);

/* Check the type, if present. *@ret_len is the number of elements, 0 when absent. The ones called
 * "require", here and below, take an absent field for an error. */
int json_field_check_object(const struct json_field *field, struct error *err);
int json_field_check_array(const struct json_field *field, size_t *ret_len, struct error *err);
int json_field_require_object(const struct json_field *field, struct error *err);

/*
 * For files of our own format: an object, if present, that has no members but the @count in @names.
 */
int json_field_check_members(const struct json_field *object, const char *const *names,
			     size_t count, struct error *err);

/* Values. The text of json_field_get_string() is borrowed, json_field_copy_string() replaces
 * *@ret, which is freed, by a copy. */
int json_field_get_string(const struct json_field *field, const char **ret, struct error *err);
int json_field_require_string(const struct json_field *field, const char **ret, struct error *err);
int json_field_copy_string(const struct json_field *field, char **ret, struct error *err);
int json_field_get_bool(const struct json_field *field, bool *ret, struct error *err);
int json_field_get_int(const struct json_field *field, int64_t min, int64_t max, int64_t *ret,
		       struct error *err);
int json_field_get_u32(const struct json_field *field, uint32_t max, uint32_t *ret,
		       struct error *err);
int json_field_get_u64(const struct json_field *field, uint64_t *ret, struct error *err);

/* Append the strings of an array to @list. */
int json_field_get_strings(const struct json_field *field, struct text_list *list,
			   struct error *err);

/*
 * The index in @names (@count of them, NULL entries never match) of the field's text; the error
 * says "unknown value". An absent field is an error.
 */
int json_field_get_choice(const struct json_field *field, const char *const *names, size_t count,
			  size_t *ret, struct error *err);
