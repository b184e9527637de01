/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_guest_statistics.c - any text as what a guest says it uses: parts, divided by NUL bytes
 *
 * Whatever it says, there is an event to print, of bounded size, with numbers that JSON has.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/cli/statistics_event.h"

#define PART_SIZE 2048 /* of a reply of the control socket */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct guest_statistics *statistics)
{
	const struct host_usage usage = { 0 };
	json_t *event = statistics_event("box", statistics, &usage, 1);
	const json_t *raw =
		json_object_get(json_object_get(json_object_get(event, "data"), "memory"), "raw");
	char *text = json_dumps(event, JSON_COMPACT);

	BUG_ON(!event || !text || !raw);
	BUG_ON(json_object_size(raw) > GUEST_STATISTICS_NAMES_MAX);
	BUG_ON(strchr(text, '\n') || strstr(text, ":-"));
	free(text);
	json_decref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_statistics statistics = { 0 };
	char part[PART_SIZE];

	while (size) {
		size_t len = strnlen((const char *)data, size < PART_SIZE ? size : PART_SIZE - 1);

		memcpy(part, data, len);
		part[len] = 0;
		guest_statistics_add(&statistics, part);
		len += len < size;
		data += len;
		size -= len;
	}
	check_event(&statistics);
	guest_statistics_clear(&statistics);
	return 0;
}
