/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_queries.h - what clients of the control socket ask the guest for, and wait for:
 * guest-init answers in the order of the questions
 *
 * Thread: the event loop's, with the vsock device's lock held in every function.
 * Trust:  frames are the guest's. One that answers nothing is returned as such, and so is one too
 *         many of an answer's parts.
 */
#pragma once

#include <stdbool.h>

#include "guest-init/protocol.h"
#include "vmm/session/control_socket.h"

#define SESSION_QUERIES_MAX 32u

struct session_queries {
	struct control_client *clients[SESSION_QUERIES_MAX]; /* a ring; NULL: nobody waits */
	unsigned int first, count;
	unsigned int nr_parts; /* of the first one's answer, so far */
};

static inline bool session_queries_are_full(const struct session_queries *queries)
{
	return queries->count == SESSION_QUERIES_MAX;
}

/* A question was sent, and there is room for it. @client is answered later; NULL: nobody is. */
void session_queries_add(struct session_queries *queries, struct control_client *client);

/* @client is gone: the answer will be nobody's. */
void session_queries_forget(struct session_queries *queries, const struct control_client *client);

/* A frame PROTOCOL_PART or PROTOCOL_DONE. Returns false when it does not belong here. */
bool session_queries_on_frame(struct session_queries *queries, const struct protocol_frame *frame);

/* There will be no more answers: tell all who wait. */
void session_queries_end(struct session_queries *queries);
