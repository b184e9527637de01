/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/session_queries.h"

#include <errno.h>

static struct control_client **place(struct session_queries *queries, unsigned int index)
{
	return &queries->clients[(queries->first + index) % SESSION_QUERIES_MAX];
}

void session_queries_add(struct session_queries *queries, struct control_client *client)
{
	*place(queries, queries->count++) = client;
}

void session_queries_forget(struct session_queries *queries, const struct control_client *client)
{
	for (unsigned int i = 0; i < queries->count; i++)
		if (*place(queries, i) == client)
			*place(queries, i) = NULL;
}

/* Who asked first, and waits no longer. */
static struct control_client *take_first(struct session_queries *queries)
{
	struct control_client *client = *place(queries, 0);

	queries->first = (queries->first + 1) % SESSION_QUERIES_MAX;
	queries->count--;
	queries->nr_parts = 0;
	return client;
}

bool session_queries_on_frame(struct session_queries *queries, const struct protocol_frame *frame)
{
	struct control_client *client;
	int code = frame->code < 4096 ? (int)frame->code : EIO;

	if (!queries->count)
		return false;
	if (frame->type == PROTOCOL_PART) {
		client = *place(queries, 0);
		if (client)
			control_notify(client, EINPROGRESS, frame->text);
		return queries->nr_parts++ < PROTOCOL_PARTS_MAX;
	}
	client = take_first(queries);
	if (client)
		control_reply(client, code, frame->text);
	return true;
}

void session_queries_end(struct session_queries *queries)
{
	while (queries->count) {
		struct control_client *client = take_first(queries);

		if (client)
			control_reply(client, ESRCH, "container not running");
	}
}
