/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/resolver_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-init/dns_message.h"
#include "guest-init/host_connection.h"
#include "guest-init/scope.h"

static int query_watch(const struct resolver_query *query, int epoll_fd, int operation,
		       uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data = { .u64 = data } };

	return epoll_ctl(epoll_fd, operation, query->fd, &event);
}

struct resolver_query *resolver_query_new(const struct sockaddr_in *client, const uint8_t *query,
					  size_t len, int64_t deadline_ms, int epoll_fd,
					  uint64_t event)
{
	struct resolver_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->client = *client;
	q->deadline_ms = deadline_ms;
	q->query[0] = (uint8_t)(len >> 8);
	q->query[1] = (uint8_t)len;
	memcpy(q->query + 2, query, len);
	q->query_len = len;
	q->fd = host_connection_begin(PROTOCOL_PORT_RESOLVER);
	if (q->fd < 0 || query_watch(q, epoll_fd, EPOLL_CTL_ADD, EPOLLOUT, event))
		fd_close(&q->fd);
	return q;
}

void resolver_query_free(struct resolver_query *query)
{
	fd_close(&query->fd);
	free(query->answer);
	free(query);
}

static bool query_would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Returns false when there is nothing more to do for now. */
static bool query_send(struct resolver_query *query, int epoll_fd, uint64_t event)
{
	ssize_t n = send(query->fd, query->query + query->nr_sent,
			 2 + query->query_len - query->nr_sent, MSG_NOSIGNAL);

	if (query_would_block(n))
		return false;
	if (n <= 0) {
		fd_close(&query->fd);
		return false;
	}
	query->nr_sent += (size_t)n;
	if (query->nr_sent == 2 + query->query_len &&
	    query_watch(query, epoll_fd, EPOLL_CTL_MOD, EPOLLIN, event))
		fd_close(&query->fd);
	return query->fd >= 0;
}

/* The length of the answer has arrived. */
static bool query_begin_answer(struct resolver_query *query)
{
	query->answer_len = (size_t)query->head[0] << 8 | query->head[1];
	if (query->answer_len >= DNS_HEADER_SIZE)
		query->answer = malloc(query->answer_len);
	return query->answer;
}

static bool query_receive(struct resolver_query *query)
{
	bool has_head = query->nr_head == sizeof(query->head);
	uint8_t *to = has_head ? query->answer + query->nr_answer : query->head + query->nr_head;
	size_t room = has_head ? query->answer_len - query->nr_answer
			       : sizeof(query->head) - query->nr_head;
	ssize_t n = recv(query->fd, to, room, 0);

	if (query_would_block(n))
		return false;
	if (n <= 0) {
		fd_close(&query->fd);
		return false;
	}
	*(has_head ? &query->nr_answer : &query->nr_head) += (size_t)n;
	if (!has_head && query->nr_head == sizeof(query->head) && !query_begin_answer(query))
		fd_close(&query->fd);
	if (query->answer && query->nr_answer == query->answer_len)
		fd_close(&query->fd);
	return query->fd >= 0;
}

void resolver_query_run(struct resolver_query *query, int epoll_fd, uint64_t event)
{
	bool can_go_on = query->fd >= 0;

	while (can_go_on)
		can_go_on = query->nr_sent < 2 + query->query_len
				    ? query_send(query, epoll_fd, event)
				    : query_receive(query);
}

void resolver_query_answer(struct resolver_query *query, int udp_fd)
{
	uint8_t *text = query->query + 2;
	size_t len = query->query_len;

	if (query->answer && query->nr_answer == query->answer_len) {
		text = query->answer;
		len = query->answer_len;
		if (len > dns_message_answer_size(query->query + 2, query->query_len))
			len = dns_message_truncate(text, len);
	} else {
		len = dns_message_fail(text, len);
	}
	(void)sendto(udp_fd, text, len, MSG_DONTWAIT, (const struct sockaddr *)&query->client,
		     sizeof(query->client));
}
