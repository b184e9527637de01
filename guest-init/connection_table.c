/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/connection_table.h"

#include <stddef.h>
#include <string.h>

void connection_table_init(struct connection_table *table, int epoll_fd, uint64_t first_event)
{
	memset(table, 0, sizeof(*table));
	table->epoll_fd = epoll_fd;
	table->first_event = first_event;
}

void connection_table_fini(struct connection_table *table)
{
	for (size_t i = 0; i < CONNECTION_TABLE_MAX; i++) {
		if (table->connections[i])
			socket_connection_free(table->connections[i]);
		table->connections[i] = NULL;
	}
}

static size_t table_find_room(const struct connection_table *table)
{
	size_t i = 0;

	while (i < CONNECTION_TABLE_MAX && table->connections[i])
		i++;
	return i;
}

bool connection_table_is_full(const struct connection_table *table)
{
	return table_find_room(table) == CONNECTION_TABLE_MAX;
}

void connection_table_add(struct connection_table *table, int client_fd, uint32_t port)
{
	size_t i = table_find_room(table);

	table->connections[i] = socket_connection_new(client_fd, port, table->epoll_fd,
						      table->first_event + i * SOCKET_NR_EVENTS);
}

void connection_table_on_event(struct connection_table *table, uint64_t number, uint32_t events)
{
	uint64_t i = number / SOCKET_NR_EVENTS;

	/* None is freed before all events of a round are done: this one is the event's. */
	if (i < CONNECTION_TABLE_MAX && table->connections[i])
		socket_connection_on_event(
			table->connections[i],
			(enum socket_connection_event)(number % SOCKET_NR_EVENTS), events,
			table->epoll_fd, table->first_event + i * SOCKET_NR_EVENTS);
}

bool connection_table_run(struct connection_table *table, bool *ret_has_room)
{
	bool is_ready = false;

	*ret_has_room = false;
	for (size_t i = 0; i < CONNECTION_TABLE_MAX; i++) {
		struct socket_connection *connection = table->connections[i];

		if (!connection)
			continue;
		is_ready = socket_connection_run(connection) || is_ready;
		if (!socket_connection_is_over(connection))
			continue;
		socket_connection_free(connection);
		table->connections[i] = NULL;
		*ret_has_room = true;
	}
	return is_ready;
}

bool connection_table_is_draining(const struct connection_table *table)
{
	for (size_t i = 0; i < CONNECTION_TABLE_MAX; i++)
		if (table->connections[i] && socket_connection_is_draining(table->connections[i]))
			return true;
	return false;
}
