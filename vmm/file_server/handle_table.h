/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle_table.h - the files and directories that the guest has open
 *
 * Trust: handle numbers in requests are the guest's and can be any value.
 */
#pragma once

#include <stdint.h>

#include "vmm/file_server/id_table.h"

enum handle_kind { HANDLE_FILE, HANDLE_DIRECTORY };

struct handle {
	uint64_t id;
	enum handle_kind kind;
	int fd;
	uint64_t position; /* of a directory: the offset cookie the descriptor stands at */
};

struct handle_table {
	struct id_table ids;
};

void handle_table_init(struct handle_table *table);
void handle_table_fini(struct handle_table *table);

/*
 * Add an open descriptor (taken, also on failure) while there are fewer than @max_handles.
 * Returns 0, -ENFILE when there are that many, or -ENOMEM.
 */
int handle_table_add(struct handle_table *table, enum handle_kind kind, int fd,
		     uint32_t max_handles, uint64_t *ret_id);

/* Returns the handle of @id if it is one of @kind, or NULL. */
struct handle *handle_table_find(const struct handle_table *table, enum handle_kind kind,
				 uint64_t id);

/* Close @handle, which is in the table. */
void handle_table_remove(struct handle_table *table, struct handle *handle);

/* Close every handle. */
void handle_table_clear(struct handle_table *table);
