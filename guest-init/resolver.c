/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include "guest-init/connection_table.h"
#include "guest-init/dns_message.h"
#include "guest-init/resolver_query.h"
#include "guest-init/resolver_redirect.h"
#include "guest-init/scope.h"

#define RESOLVER_QUERIES_MAX 64u /* at a time; others wait in the socket */
#define RESOLVER_TIMEOUT_MS 10000
#define RESOLVER_TICK_MS 500 /* how often it is looked whether a query has waited for too long */
#define RESOLVER_BACKLOG 64
#define RESOLVER_EVENTS_MAX 32

/* Numbers of events. */
enum {
	EVENT_UDP,
	EVENT_TCP,
	EVENT_TIMER,
	EVENT_QUERIES,
	EVENT_CONNECTIONS = EVENT_QUERIES + RESOLVER_QUERIES_MAX,
};

struct resolver {
	int epoll_fd, udp_fd, tcp_fd, timer_fd;
	bool has_all_queries, is_full; /* datagrams, connections wait until there is room */
	bool is_timer_on;
	struct resolver_redirect redirect;
	struct resolver_query *queries[RESOLVER_QUERIES_MAX];
	struct connection_table connections;
};

static int64_t resolver_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int resolver_watch(const struct resolver *resolver, int fd, uint64_t number, int operation)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data = { .u64 = number } };

	return epoll_ctl(resolver->epoll_fd, operation, fd, &event);
}

/* A socket at any free port. Returns it, or a negative errno value. */
static int resolver_bind(int type, uint16_t *ret_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(RESOLVER_ADDRESS),
	};
	socklen_t size = sizeof(address);
	AUTO_CLOSE int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) ||
	    getsockname(fd, (struct sockaddr *)&address, &size) ||
	    (type == SOCK_STREAM && listen(fd, RESOLVER_BACKLOG)))
		return -errno;
	*ret_port = ntohs(address.sin_port);
	return fd_take(&fd);
}

static int resolver_open(struct resolver *resolver, int cgroup_fd, struct failure *err)
{
	uint16_t udp_port = 0, tcp_port = 0;

	resolver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	resolver->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (resolver->epoll_fd < 0 || resolver->timer_fd < 0)
		return failure_set(err, errno, "prepare for questions");
	resolver->udp_fd = resolver_bind(SOCK_DGRAM, &udp_port);
	if (resolver->udp_fd < 0)
		return failure_set(err, -resolver->udp_fd, "listen for datagrams");
	resolver->tcp_fd = resolver_bind(SOCK_STREAM, &tcp_port);
	if (resolver->tcp_fd < 0)
		return failure_set(err, -resolver->tcp_fd, "listen for connections");
	if (resolver_watch(resolver, resolver->udp_fd, EVENT_UDP, EPOLL_CTL_ADD) ||
	    resolver_watch(resolver, resolver->tcp_fd, EVENT_TCP, EPOLL_CTL_ADD) ||
	    resolver_watch(resolver, resolver->timer_fd, EVENT_TIMER, EPOLL_CTL_ADD))
		return failure_set(err, errno, "prepare for questions");
	connection_table_init(&resolver->connections, resolver->epoll_fd, EVENT_CONNECTIONS);
	return resolver_redirect_install(&resolver->redirect, cgroup_fd, udp_port, tcp_port, err);
}

struct resolver *resolver_new(int cgroup_fd, struct failure *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (!resolver) {
		(void)failure_set(err, ENOMEM, "name server 127.0.0.11");
		return NULL;
	}
	resolver->epoll_fd = -1;
	resolver->udp_fd = -1;
	resolver->tcp_fd = -1;
	resolver->timer_fd = -1;
	resolver_redirect_init(&resolver->redirect);
	if (resolver_open(resolver, cgroup_fd, err)) {
		(void)failure_prefix(err, "name server 127.0.0.11");
		resolver_free(resolver);
		return NULL;
	}
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	resolver_redirect_remove(&resolver->redirect);
	for (size_t i = 0; i < RESOLVER_QUERIES_MAX; i++)
		if (resolver->queries[i])
			resolver_query_free(resolver->queries[i]);
	connection_table_fini(&resolver->connections);
	fd_close(&resolver->udp_fd);
	fd_close(&resolver->tcp_fd);
	fd_close(&resolver->timer_fd);
	fd_close(&resolver->epoll_fd);
	free(resolver);
}

int resolver_epoll_fd(const struct resolver *resolver)
{
	return resolver->epoll_fd;
}

static size_t resolver_find_room(const struct resolver *resolver)
{
	size_t i = 0;

	while (i < RESOLVER_QUERIES_MAX && resolver->queries[i])
		i++;
	return i;
}

static void resolver_set_timer(struct resolver *resolver, bool is_on)
{
	const struct itimerspec tick = {
		.it_interval.tv_nsec = is_on ? RESOLVER_TICK_MS * 1000000L : 0,
		.it_value.tv_nsec = is_on ? RESOLVER_TICK_MS * 1000000L : 0,
	};

	if (is_on == resolver->is_timer_on)
		return;
	(void)timerfd_settime(resolver->timer_fd, 0, &tick, NULL);
	resolver->is_timer_on = is_on;
}

/* What is no question is left without an answer. */
static void resolver_receive(struct resolver *resolver)
{
	uint8_t query[RESOLVER_QUERY_MAX + 1];
	size_t i;

	while ((i = resolver_find_room(resolver)) < RESOLVER_QUERIES_MAX) {
		struct sockaddr_in client = { .sin_family = AF_UNSPEC };
		socklen_t size = sizeof(client);
		ssize_t n = recvfrom(resolver->udp_fd, query, sizeof(query), 0,
				     (struct sockaddr *)&client, &size);

		if (n < 0) {
			(void)resolver_watch(resolver, resolver->udp_fd, EVENT_UDP, EPOLL_CTL_MOD);
			return;
		}
		if ((size_t)n < DNS_HEADER_SIZE || (size_t)n > RESOLVER_QUERY_MAX)
			continue;
		resolver->queries[i] = resolver_query_new(&client, query, (size_t)n,
							  resolver_now_ms() + RESOLVER_TIMEOUT_MS,
							  resolver->epoll_fd, EVENT_QUERIES + i);
		resolver_set_timer(resolver, true);
	}
	resolver->has_all_queries = true;
}

static void resolver_accept(struct resolver *resolver)
{
	int client_fd;

	if (connection_table_is_full(&resolver->connections)) {
		resolver->is_full = true;
		return;
	}
	client_fd = accept4(resolver->tcp_fd, NULL, NULL, SOCK_CLOEXEC);
	if (client_fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
		resolver->is_full = true; /* out of something that a connection frees */
		return;
	}
	if (client_fd >= 0)
		connection_table_add(&resolver->connections, client_fd, PROTOCOL_PORT_RESOLVER);
	(void)resolver_watch(resolver, resolver->tcp_fd, EVENT_TCP, EPOLL_CTL_MOD);
}

static void resolver_on_event(struct resolver *resolver, const struct epoll_event *event)
{
	uint64_t number = event->data.u64;
	uint64_t nr_ticks;

	if (number == EVENT_UDP) {
		resolver_receive(resolver);
	} else if (number == EVENT_TCP) {
		resolver_accept(resolver);
	} else if (number == EVENT_TIMER) {
		(void)!read(resolver->timer_fd, &nr_ticks, sizeof(nr_ticks));
		(void)resolver_watch(resolver, resolver->timer_fd, EVENT_TIMER, EPOLL_CTL_MOD);
	} else if (number < EVENT_CONNECTIONS) {
		struct resolver_query *query = resolver->queries[number - EVENT_QUERIES];

		/* A query is freed when all events of a round are done: this one is the event's. */
		if (query)
			resolver_query_run(query, resolver->epoll_fd, number);
	} else {
		connection_table_on_event(&resolver->connections, number - EVENT_CONNECTIONS,
					  event->events);
	}
}

/* Answer what can be answered, give up what has waited too long. Returns how many wait on. */
static size_t resolver_finish_queries(struct resolver *resolver)
{
	int64_t now_ms = resolver_now_ms();
	size_t nr_waiting = 0;

	for (size_t i = 0; i < RESOLVER_QUERIES_MAX; i++) {
		struct resolver_query *query = resolver->queries[i];

		if (!query)
			continue;
		if (query->fd >= 0 && now_ms < query->deadline_ms) {
			nr_waiting++;
			continue;
		}
		resolver_query_answer(query, resolver->udp_fd);
		resolver_query_free(query);
		resolver->queries[i] = NULL;
	}
	return nr_waiting;
}

bool resolver_run(struct resolver *resolver)
{
	struct epoll_event events[RESOLVER_EVENTS_MAX];
	int nr_events = epoll_wait(resolver->epoll_fd, events, RESOLVER_EVENTS_MAX, 0);
	size_t nr_waiting;
	bool has_room;
	bool is_ready;

	for (int i = 0; i < nr_events; i++)
		resolver_on_event(resolver, &events[i]);
	nr_waiting = resolver_finish_queries(resolver);
	if (!nr_waiting)
		resolver_set_timer(resolver, false);
	if (resolver->has_all_queries && nr_waiting < RESOLVER_QUERIES_MAX) {
		resolver->has_all_queries = false;
		(void)resolver_watch(resolver, resolver->udp_fd, EVENT_UDP, EPOLL_CTL_MOD);
	}
	is_ready = connection_table_run(&resolver->connections, &has_room);
	if (resolver->is_full && has_room) {
		resolver->is_full = false;
		(void)resolver_watch(resolver, resolver->tcp_fd, EVENT_TCP, EPOLL_CTL_MOD);
	}
	return is_ready || nr_events == RESOLVER_EVENTS_MAX;
}
