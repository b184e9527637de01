/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/clean_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/fd.h"

/* Append @component of @len bytes to the clean path that ends at @end; returns the new end. */
static char *append_component(const char *start, char *end, const char *component, size_t len)
{
	if (len == 0 || (len == 1 && component[0] == '.'))
		return end;
	if (len == 2 && component[0] == '.' && component[1] == '.') {
		while (end > start && *--end != '/')
			;
		return end;
	}
	*end++ = '/';
	memcpy(end, component, len);
	return end + len;
}

char *clean_path(const char *base, const char *path)
{
	size_t base_len = path[0] == '/' ? 0 : strlen(base);
	char *clean = malloc(base_len + strlen(path) + 3);
	const char *parts[] = { base_len ? base : "", path };
	char *end = clean;

	if (!clean)
		return NULL;
	for (size_t i = 0; i < 2; i++) {
		const char *part = parts[i];

		while (*part) {
			size_t len = strcspn(part, "/");

			end = append_component(clean, end, part, len);
			part += len + (part[len] == '/');
		}
	}
	if (end == clean)
		*end++ = '/';
	*end = 0;
	return clean;
}
