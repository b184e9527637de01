/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_members.h - typed members of a message's objects
 *
 * Each object of a message is described by a table that says which member goes where in a struct;
 * plan_read_members() walks the table. Lists of objects are read by one function that allocates the
 * array and reads each item with the item's reader.
 *
 * Strings are the message's, which must outlive what was read. All functions return 0 or a negative
 * errno value with a sentence that names the member.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/failure.h"

/* Strings of the message, followed by a NULL that is not counted in @len. */
struct plan_strings {
	char **items;
	size_t len;
};

enum member_kind {
	MEMBER_STRING,	/* const char * */
	MEMBER_PATH,	/* const char *, absolute */
	MEMBER_STRINGS, /* struct plan_strings */
	MEMBER_BOOL,	/* bool */
	MEMBER_U32,	/* uint32_t */
	MEMBER_I32,	/* int32_t */
	MEMBER_U64,	/* uint64_t */
	MEMBER_I64,	/* int64_t */
	MEMBER_LIMIT,	/* uint64_t, -1 stands for RLIM_INFINITY */
};

struct member {
	const char *name;
	size_t offset;
	enum member_kind kind;
	bool is_optional;
};

typedef int (*plan_read_item_fn)(const json_t *item, void *ret_item, struct failure *err);

#define MEMBER(type, field, member_name, member_kind)                                              \
	{                                                                                          \
		.name = (member_name), .offset = offsetof(type, field), .kind = (member_kind)      \
	}
#define OPTIONAL(type, field, member_name, member_kind)                                            \
	{                                                                                          \
		.name = (member_name), .offset = offsetof(type, field), .kind = (member_kind),     \
		.is_optional = true                                                                \
	}

/* Read the members of @object into *@ret_struct. Optional ones that are missing leave it alone. */
int plan_read_members(const json_t *object, const struct member *members, size_t nr_members,
		      void *ret_struct, struct failure *err);

/* Read a list of strings; the caller frees the items. @name is for the error. */
int plan_read_strings(const json_t *list, const char *name, struct plan_strings *ret_strings,
		      struct failure *err);

/* Read a whole number from @min to @max. */
int plan_read_integer(const json_t *value, const char *name, json_int_t min, json_int_t max,
		      json_int_t *ret_integer, struct failure *err);

/*
 * Read the list @name of @object into a new array of items of @item_size bytes. The array is the
 * caller's on failure too, then with zeros in place of what was not read.
 */
int plan_read_list(const json_t *object, const char *name, size_t item_size,
		   plan_read_item_fn read_item, void *ret_array, size_t *ret_len,
		   struct failure *err);
