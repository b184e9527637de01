/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/json_edit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"

#define EDITS_MAX 4
#define DEPTH_MAX 16
#define TEXT_MAX 24
#define LONG_TEXT 5000

static json_t *make_integer(struct fake_program *program)
{
	static const json_int_t numbers[] = { 0,	 1,	    -1,		2,
					      4095,	 4096,	    65535,	65536,
					      INT32_MAX, INT32_MIN, UINT32_MAX, 1LL << 32,
					      INT64_MAX, INT64_MIN };
	uint8_t choice = fake_program_byte(program);

	if (choice % 2)
		return json_integer(numbers[choice / 2 % ARRAY_SIZE(numbers)]);
	return json_integer((json_int_t)fake_program_word(program) - (choice & 4 ? INT32_MAX : 0));
}

/* Any bytes that are UTF-8: here, ASCII. */
static json_t *make_text(struct fake_program *program)
{
	char text[TEXT_MAX];
	size_t len = fake_program_byte(program) % TEXT_MAX;

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(fake_program_byte(program) & 0x7f);
	return json_stringn(text, len);
}

static json_t *make_string(const json_t *old, struct fake_program *program)
{
	static const char *const strings[] = { "",   "/",      ".",	   "..",  "a/b",  "/a/../b",
					       "//", "\x01\n", "\xc3\xa9", "max", "-1",	  "A=",
					       "=",  "0-3,7",  "%s%n",	   "all", "none", "." };
	char text[LONG_TEXT];
	uint8_t choice = fake_program_byte(program);

	switch (choice % 8) {
	case 0:
		memset(text, '/', sizeof(text));
		return json_stringn(text, sizeof(text));
	case 1:
		memset(text, 'a', sizeof(text));
		return json_stringn(text, fake_program_word(program) % sizeof(text));
	case 2:
		return make_text(program);
	case 3: /* cut */
		return json_stringn(json_string_value(old),
				    json_string_length(old) ? choice / 8 % json_string_length(old)
							    : 0);
	default:
		return json_string(strings[choice / 8 % ARRAY_SIZE(strings)]);
	}
}

/* Something else in place of @old, perhaps made of it. */
static json_t *make_value(json_t *old, struct fake_program *program)
{
	uint8_t choice = fake_program_byte(program);
	bool keeps_type = choice >= 96;

	if (keeps_type && json_is_integer(old))
		return make_integer(program);
	if (keeps_type && json_is_string(old))
		return make_string(old, program);
	if (keeps_type && json_is_boolean(old))
		return json_boolean(!json_is_true(old));
	switch (choice % 10) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(choice & 16);
	case 2:
		return json_real(1.5);
	case 3:
		return json_array();
	case 4:
		return json_object();
	case 5:
		return json_pack("[O]", old);
	case 6:
		return json_pack("[O, O]", old, old);
	case 7:
		return json_pack("{s:O}", "a", old);
	case 8:
		return make_integer(program);
	default:
		return make_string(old, program);
	}
}

static void edit_array(json_t *array, size_t index, struct fake_program *program)
{
	json_t *item = json_array_get(array, index);
	uint8_t choice = fake_program_byte(program);

	if (choice % 8 == 0)
		(void)json_array_remove(array, index);
	else if (choice % 8 == 1)
		(void)json_array_append(array, item); /* the same one: edited together */
	else
		(void)json_array_set_new(array, index, make_value(item, program));
}

static void edit_object(json_t *object, const char *name, struct fake_program *program)
{
	json_t *item = json_object_get(object, name);
	uint8_t choice = fake_program_byte(program);

	if (choice % 8 == 0)
		(void)json_object_del(object, name);
	else if (choice % 8 == 1)
		(void)json_object_set(object, choice & 8 ? "a.b" : "", item);
	else
		(void)json_object_set_new(object, name, make_value(item, program));
}

/* Find a place, a level down at a time, and change what is there. */
static void edit(json_t *value, struct fake_program *program)
{
	for (unsigned int depth = 0; depth < DEPTH_MAX; depth++) {
		bool is_array = json_is_array(value);
		size_t size = is_array ? json_array_size(value) : json_object_size(value);
		size_t index = size ? fake_program_byte(program) % size : 0;
		const char *name = NULL;
		void *iterator = json_object_iter(value);
		json_t *child;

		for (size_t i = 0; iterator && i < index; i++)
			iterator = json_object_iter_next(value, iterator);
		name = iterator ? json_object_iter_key(iterator) : NULL;
		child = is_array ? json_array_get(value, index)
			: name	 ? json_object_get(value, name)
				 : NULL;
		if (!child)
			return;
		if ((json_is_array(child) || json_is_object(child)) &&
		    fake_program_byte(program) % 8) {
			value = child;
			continue;
		}
		if (is_array)
			edit_array(value, index, program);
		else
			edit_object(value, name, program);
		return;
	}
}

void json_edit(json_t *document, struct fake_program *program, unsigned int max_edits)
{
	for (unsigned int i = 0; i < max_edits && !fake_program_is_done(program); i++)
		edit(document, program);
}

char *json_edit_text(const char *good, const uint8_t *data, size_t size, size_t *ret_size)
{
	struct fake_program program = { data, size };
	json_t *document;
	char *text;

	if (size == 0 || *data >= ' ' || *data == '\n' || *data == '\t') {
		text = malloc(size ? size : 1);
		BUG_ON(!text);
		if (size)
			memcpy(text, data, size);
		*ret_size = size;
		return text;
	}
	(void)fake_program_byte(&program);
	document = json_loads(good, 0, NULL);
	BUG_ON(!document);
	json_edit(document, &program, EDITS_MAX);
	text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	BUG_ON(!text);
	*ret_size = strlen(text);
	return text;
}
