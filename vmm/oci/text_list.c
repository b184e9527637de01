/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/text_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int text_list_add(struct text_list *list, const char *format, ...)
{
	va_list args;
	char *text;
	int r;

	/* Room doubles whenever the count, with the NULL at the end, reaches a power of two. */
	if (((list->count + 1) & list->count) == 0) {
		char **items = reallocarray(list->items, 2 * (list->count + 1), sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		items[list->count] = NULL;
	}
	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	list->items[list->count++] = text;
	list->items[list->count] = NULL;
	return 0;
}

char *text_list_join(const struct text_list *list, const char *separator)
{
	size_t separator_len = strlen(separator);
	size_t size = 1;
	char *text;
	char *end;

	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i]) + separator_len;
	text = malloc(size);
	if (!text)
		return NULL;
	end = text;
	*end = 0;
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			end = stpcpy(end, separator);
		end = stpcpy(end, list->items[i]);
	}
	return text;
}

void text_list_clear(struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct text_list){ 0 };
}
