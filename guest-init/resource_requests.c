/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/resource_requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-init/control_files.h"
#include "guest-init/scope.h"

#define FILE_SIZE_MAX 4096
#define MEMORY_LIMIT "memory.max"

static int requests_send_done(const struct control_channel *channel, const struct failure *reason)
{
	return control_channel_send(channel, PROTOCOL_DONE, 0,
				    reason->code ? (uint32_t)reason->code : 0, false, reason);
}

/* Refuse a limit that would have the container's processes killed at once. */
static int requests_check_memory(const struct container_cgroup *cgroup,
				 const struct resource_plan *plan, struct failure *err)
{
	for (size_t i = 0; i < plan->nr_controls; i++) {
		const struct resource_control *control = &plan->controls[i];
		char text[24];
		uint64_t used;

		/* "max" is no number, and no limit either. */
		if (strcmp(control->file, MEMORY_LIMIT) != 0 || control->value[0] == 'm' ||
		    control_file_read(cgroup->dir_fd, "memory.current", text, sizeof(text)))
			continue;
		used = strtoull(text, NULL, 10);
		if (strtoull(control->value, NULL, 10) < used)
			return failure_invalid(err,
					       "%s: %s bytes are less than the %" PRIu64 " in use",
					       control->field, control->value, used);
	}
	return 0;
}

int resource_requests_update(const struct container_cgroup *cgroup,
			     const struct control_channel *channel, json_t *message)
{
	struct resource_plan plan;
	struct failure reason = { .code = 0 };
	int r = resource_plan_init(&plan, message, &reason);

	if (!r) {
		if (json_is_true(json_object_get(message, "checkMemory")))
			r = requests_check_memory(cgroup, &plan, &reason);
		if (!r)
			(void)container_cgroup_update(cgroup, &plan, &reason);
		resource_plan_fini(&plan);
	}
	return requests_send_done(channel, &reason);
}

/* Send what is in @text, the content of a file, in parts that end at the ends of lines. */
static int requests_send_text(const struct control_channel *channel, const char *name,
			      const char *text)
{
	size_t room = PROTOCOL_TEXT_SIZE - 1 - strlen(name) - 1;

	while (*text) {
		char part[PROTOCOL_TEXT_SIZE];
		size_t len = strlen(text);
		int r;

		if (len > room)
			for (len = room; len > 0 && text[len - 1] != '\n'; len--)
				;
		if (len == 0) /* no line is that long */
			return 0;
		(void)snprintf(part, sizeof(part), "%s %.*s", name, (int)len, text);
		r = control_channel_send_part(channel, part);
		if (r)
			return r;
		text += len;
	}
	return 0;
}

int resource_requests_statistics(const struct container_cgroup *cgroup,
				 const struct control_channel *channel)
{
	const struct {
		int dir_fd;
		const char *file, *name;
	} files[] = {
		{ cgroup->dir_fd, "cpu.stat", "cpu.stat" },
		{ cgroup->dir_fd, "memory.current", "memory.current" },
		{ cgroup->dir_fd, MEMORY_LIMIT, MEMORY_LIMIT },
		{ cgroup->dir_fd, "memory.peak", "memory.peak" },
		{ cgroup->dir_fd, "memory.events", "memory.events" },
		{ cgroup->dir_fd, "memory.stat", "memory.stat" },
		{ cgroup->dir_fd, "pids.current", "pids.current" },
		{ cgroup->dir_fd, "pids.max", "pids.max" },
		{ cgroup->outer_fd, MEMORY_LIMIT, "memory.bound" },
	};
	const struct failure none = { .code = 0 };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char text[FILE_SIZE_MAX];
		int r = 0;

		/* A kernel without a file of those has nothing to say there. */
		if (control_file_read(files[i].dir_fd, files[i].file, text, sizeof(text)) == 0)
			r = requests_send_text(channel, files[i].name, text);
		if (r)
			return r;
	}
	return requests_send_done(channel, &none);
}
