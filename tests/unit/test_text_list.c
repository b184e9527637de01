/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/oci/text_list.h"

static void test_empty(void)
{
	struct text_list list = { 0 };
	char *joined = text_list_join(&list, ", ");

	is_str(joined, "");
	ok(list.items == NULL);
	free(joined);
	text_list_clear(&list);
	is_int(list.count, 0);
}

static void test_items_stay_and_end_with_null(void)
{
	struct text_list list = { 0 };
	char *joined;

	for (int i = 0; i < 100; i++) {
		is_int(text_list_add(&list, "item %d", i), 0);
		ok(list.items[list.count] == NULL);
	}
	is_int(list.count, 100);
	is_str(list.items[0], "item 0");
	is_str(list.items[63], "item 63");
	is_str(list.items[99], "item 99");
	text_list_clear(&list);
	ok(list.items == NULL && list.count == 0);

	is_int(text_list_add(&list, "a"), 0);
	is_int(text_list_add(&list, "%s", ""), 0);
	is_int(text_list_add(&list, "c"), 0);
	joined = text_list_join(&list, "; ");
	is_str(joined, "a; ; c");
	free(joined);
	text_list_clear(&list);
}

int main(void)
{
	test_empty();
	test_items_stay_and_end_with_null();
	return tap_done();
}
