/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/oci/json_fields.h"

static json_t *document;
static struct json_field top;
static struct error err;

static void use(const char *text)
{
	json_decref(document);
	document = json_text_parse("f.json", text, strlen(text), &err);
	ok(document != NULL);
	is_int(json_field_top(&top, "f.json", document, &err), 0);
}

static void test_parse_errors(void)
{
	static const char two[] = "{} x";

	ok(json_text_parse("f.json", two, sizeof(two) - 1, &err) == NULL);
	is_int(err.code, EINVAL);
	ok(strstr(err.text, "f.json: line 1, column 4: ") == err.text);
	ok(json_text_parse("f.json", "{\"\x01\xff", 4, &err) == NULL);
	/* Whatever the file holds, an error text is printable. */
	for (const char *c = err.text; *c; c++)
		ok(*c >= ' ' && *c <= '~');
}

static void test_paths(void)
{
	struct json_field a, b, c, d;
	char path[64];
	char small[8];

	use("{\"a\": {\"b\": [0, {\"c\": true}]}}");
	a = json_field_member(&top, "a");
	b = json_field_member(&a, "b");
	c = json_field_element(&b, 1);
	d = json_field_member(&c, "c");
	is_str(json_field_path(&top, path, sizeof(path)), "");
	is_str(json_field_path(&d, path, sizeof(path)), "a.b[1].c");
	is_str(json_field_path(&d, small, sizeof(small)), "a.b[1].");
	is_int(json_field_error(&d, &err, "is %d", 7), -EINVAL);
	is_str(err.text, "f.json: a.b[1].c: is 7");
	is_int(json_field_require(&d, &err), 0);
}

static void test_absent_fields_keep_the_default(void)
{
	struct text_list list = { 0 };
	const char *text = "default";
	char *copy = NULL;
	uint64_t u64 = 5;
	uint32_t u32 = 6;
	int64_t i64 = 7;
	bool flag = true;
	size_t len = 9;

	use("{\"null\": null}");
	for (int i = 0; i < 2; i++) {
		struct json_field field = json_field_member(&top, i ? "null" : "absent");
		struct json_field below = json_field_member(&field, "x");
		struct json_field element = json_field_element(&field, 3);

		ok(json_field_is_absent(&field) && json_field_is_absent(&below) &&
		   json_field_is_absent(&element) && json_field_is_empty(&field));
		is_int(json_field_get_string(&field, &text, &err), 0);
		is_int(json_field_copy_string(&field, &copy, &err), 0);
		is_int(json_field_get_u64(&field, &u64, &err), 0);
		is_int(json_field_get_u32(&field, 10, &u32, &err), 0);
		is_int(json_field_get_int(&field, 0, 1, &i64, &err), 0);
		is_int(json_field_get_bool(&field, &flag, &err), 0);
		is_int(json_field_get_strings(&field, &list, &err), 0);
		is_int(json_field_check_array(&field, &len, &err), 0);
		is_int(json_field_check_object(&field, &err), 0);
		is_int(json_field_require(&field, &err), -EINVAL);
	}
	is_str(err.text, "f.json: null: is missing");
	is_str(text, "default");
	ok(!copy && u64 == 5 && u32 == 6 && i64 == 7 && flag && !list.count && !len);
}

static void test_wrong_types(void)
{
	static const char *const names[] = { "string", "number", "bool", "array", "object" };
	struct text_list list = { 0 };
	const char *text;
	uint64_t u64;
	int64_t i64;
	bool flag;
	size_t len;

	use("{\"string\": \"1\", \"number\": 1, \"bool\": true, \"array\": [], \"object\": {}}");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct json_field field = json_field_member(&top, names[i]);

		is_int(json_field_get_string(&field, &text, &err), i == 0 ? 0 : -EINVAL);
		is_int(json_field_get_int(&field, 0, 1, &i64, &err), i == 1 ? 0 : -EINVAL);
		is_int(json_field_get_u64(&field, &u64, &err), i == 1 ? 0 : -EINVAL);
		is_int(json_field_get_bool(&field, &flag, &err), i == 2 ? 0 : -EINVAL);
		is_int(json_field_check_array(&field, &len, &err), i == 3 ? 0 : -EINVAL);
		is_int(json_field_get_strings(&field, &list, &err), i == 3 ? 0 : -EINVAL);
		is_int(json_field_check_object(&field, &err), i == 4 ? 0 : -EINVAL);
		is_int(json_field_is_empty(&field), i >= 3);
	}
	is_str(err.text, "f.json: object: must be an array");
	text_list_clear(&list);
}

static void check_number(const char *number, bool is_signed_ok, int64_t want_signed,
			 bool is_unsigned_ok, uint64_t want_unsigned)
{
	struct json_field field;
	int64_t i64 = 0;
	uint64_t u64 = 0;
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"n\": %s}", number);
	use(text);
	field = json_field_member(&top, "n");
	is_int(json_field_get_int(&field, INT64_MIN, INT64_MAX, &i64, &err),
	       is_signed_ok ? 0 : -EINVAL);
	is_int(i64, want_signed);
	is_int(json_field_get_u64(&field, &u64, &err), is_unsigned_ok ? 0 : -EINVAL);
	ok(u64 == want_unsigned);
}

static void test_numbers(void)
{
	check_number("0", true, 0, true, 0);
	check_number("-1", true, -1, false, 0);
	check_number("9007199254740993", true, 9007199254740993, true, 9007199254740993);
	check_number("9223372036854775807", true, INT64_MAX, true, INT64_MAX);
	check_number("-9223372036854775808", true, INT64_MIN, false, 0);
	check_number("18446744073709551615", false, 0, true, UINT64_MAX);
	check_number("9223372036854775808", false, 0, false, 0);
	check_number("36893488147419103232", false, 0, false, 0);
	check_number("1.0", true, 1, true, 1);
	check_number("1.5", false, 0, false, 0);
	check_number("1e300", false, 0, false, 0);
	check_number("-1e300", false, 0, false, 0);
}

/* A number above 2^63 elsewhere must not change what a small number is. */
static void test_numbers_beside_a_large_one(void)
{
	struct json_field field;
	int64_t value = 0;

	use("{\"n\": 9007199254740991, \"m\": 9007199254740993, \"x\": 18446744073709551615}");
	field = json_field_member(&top, "n");
	is_int(json_field_get_int(&field, 0, INT64_MAX, &value, &err), 0);
	is_int(value, 9007199254740991);
	field = json_field_member(&top, "m");
	ok(json_field_get_int(&field, 0, 9007199254740992, &value, &err) == 0 ||
	   err.code == EINVAL);
	/* One that may have been rounded is refused rather than taken for another. */
	is_int(json_field_get_int(&field, 0, INT64_MAX, &value, &err), -EINVAL);
	is_int(value, 9007199254740991);
}

/* What a file says may be escape sequences; what is said about it is plain text. */
static void test_control_characters(void)
{
	json_t *value;

	use("{\"a\\u001b[2J\": {\"\\n\": \"x\"}}");
	{
		struct json_field outer = json_field_member(&top, "a\x1b[2J");
		struct json_field inner = json_field_member(&outer, "\n");
		bool is_set;

		is_int(json_field_get_bool(&inner, &is_set, &err), -EINVAL);
		is_str(err.text, "f.json: a?[2J.?: must be true or false");
	}
	value = json_text_parse("f.json", "{\"a\x1b[2J\x07\": 1}", 13, &err);
	ok(!value);
	for (const char *c = err.text; *c; c++)
		if (*c < ' ' || *c > '~')
			is_int(*c, '?');
}

static void test_ranges(void)
{
	struct json_field field;
	uint32_t value = 1;

	use("{\"n\": 4294967295}");
	field = json_field_member(&top, "n");
	is_int(json_field_get_u32(&field, UINT32_MAX, &value, &err), 0);
	ok(value == UINT32_MAX);
	is_int(json_field_get_u32(&field, UINT32_MAX - 1, &value, &err), -EINVAL);
	is_str(err.text, "f.json: n: must be a whole number from 0 to 4294967294");
}

static void test_choice(void)
{
	static const char *const names[] = { "one", NULL, "three" };
	struct json_field field;
	size_t index = 9;

	use("{\"n\": \"three\", \"m\": \"a\\u0007\\\"\xc3\xa9\"}");
	field = json_field_member(&top, "n");
	is_int(json_field_get_choice(&field, names, 3, &index, &err), 0);
	is_int(index, 2);
	is_int(json_field_get_choice(&field, names, 2, &index, &err), -EINVAL);
	field = json_field_member(&top, "m");
	is_int(json_field_get_choice(&field, names, 3, &index, &err), -EINVAL);
	is_str(err.text, "f.json: m: unknown value \"a\\u0007\\\"\\u00E9\"");
	field = json_field_member(&top, "absent");
	is_int(json_field_get_choice(&field, names, 3, &index, &err), -EINVAL);
	is_str(err.text, "f.json: absent: is missing");
}

static void test_strings(void)
{
	struct text_list list = { 0 };
	struct json_field field;
	char *copy = strdup("old");

	use("{\"a\": [\"x\", \"\", \"%s\"], \"s\": \"new\"}");
	field = json_field_member(&top, "a");
	is_int(json_field_get_strings(&field, &list, &err), 0);
	is_int(list.count, 3);
	is_str(list.items[2], "%s");
	text_list_clear(&list);
	field = json_field_member(&top, "s");
	is_int(json_field_copy_string(&field, &copy, &err), 0);
	is_str(copy, "new");
	free(copy);
}

static void test_top_must_be_an_object(void)
{
	json_t *array = json_text_parse("f.json", "[]", 2, &err);

	is_int(json_field_top(&top, "f.json", array, &err), -EINVAL);
	is_str(err.text, "f.json: must be an object");
	json_decref(array);
}

int main(void)
{
	test_parse_errors();
	test_paths();
	test_absent_fields_keep_the_default();
	test_wrong_types();
	test_numbers();
	test_numbers_beside_a_large_one();
	test_control_characters();
	test_ranges();
	test_choice();
	test_strings();
	test_top_must_be_an_object();
	json_decref(document);
	return tap_done();
}
