/* SPDX-License-Identifier: Apache-2.0 */
/* resolver_query.h - one question that came as a datagram, on its way to the host and back */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLVER_QUERY_MAX 4096u /* bytes of a question */

struct resolver_query {
	struct sockaddr_in client;
	int fd; /* to the host; -1: done, the answer is there, if any is */
	int64_t deadline_ms;
	size_t query_len;
	uint8_t query[2 + RESOLVER_QUERY_MAX]; /* its length first */
	size_t nr_sent;			       /* of both */
	uint8_t head[2];		       /* the length of the answer */
	size_t nr_head;
	uint8_t *answer; /* owned; NULL until its length is known */
	size_t answer_len;
	size_t nr_answer; /* bytes that have arrived */
};

/*
 * Begin to ask the host the question of @len bytes (up to RESOLVER_QUERY_MAX, at least a header of
 * dns_message.h). Events arrive at @epoll_fd with data.u64 = @event. Returns NULL without memory.
 */
struct resolver_query *resolver_query_new(const struct sockaddr_in *client, const uint8_t *query,
					  size_t len, int64_t deadline_ms, int epoll_fd,
					  uint64_t event);
void resolver_query_free(struct resolver_query *query);

/* Go on, when the descriptor is ready. */
void resolver_query_run(struct resolver_query *query, int epoll_fd, uint64_t event);

/* Done or given up: send what there is to say to the client from @udp_fd. */
void resolver_query_answer(struct resolver_query *query, int udp_fd);
