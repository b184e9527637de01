/* SPDX-License-Identifier: Apache-2.0 */
/* text_list.h - a growing list of strings that it owns */
#pragma once

#include <stddef.h>

/* All zeros is an empty list. */
struct text_list {
	char **items; /* NULL when empty, else with a NULL after the last item */
	size_t count;
};

/* Append formatted text. Returns 0 or -ENOMEM, then leaving the list as it was. */
int text_list_add(struct text_list *list, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* All items with @separator between them: heap text of the caller's, or NULL without memory. */
char *text_list_join(const struct text_list *list, const char *separator);

/* Release the items and make the list empty. */
void text_list_clear(struct text_list *list);
