/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_table.h - the connections to the host of one kind of client, a bounded number at a
 * time
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest-init/socket_connection.h"

#define CONNECTION_TABLE_MAX 64u
#define CONNECTION_TABLE_EVENTS (CONNECTION_TABLE_MAX * SOCKET_NR_EVENTS)

struct connection_table {
	int epoll_fd;
	uint64_t first_event;
	struct socket_connection *connections[CONNECTION_TABLE_MAX];
};

/*
 * Start empty. Events arrive at @epoll_fd, which stays the caller's, with data.u64 = @first_event +
 * a number below CONNECTION_TABLE_EVENTS.
 */
void connection_table_init(struct connection_table *table, int epoll_fd, uint64_t first_event);
void connection_table_fini(struct connection_table *table);

bool connection_table_is_full(const struct connection_table *table);

/*
 * Take @client_fd and connect it to @port of the host. A client that cannot be is closed: there is
 * nobody to tell the reason. The table must not be full.
 */
void connection_table_add(struct connection_table *table, int client_fd, uint32_t port);

/* Note an event; @number is its data.u64 without @first_event. */
void connection_table_on_event(struct connection_table *table, uint64_t number, uint32_t events);

/*
 * Move bytes, and forget what is over: *@ret_has_room tells whether something was. Returns true if
 * more could be moved at once.
 */
bool connection_table_run(struct connection_table *table, bool *ret_has_room);

/* Whether bytes of clients may still be on their way to the host. */
bool connection_table_is_draining(const struct connection_table *table);
