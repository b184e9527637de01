/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/handle_table.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/base/fd.h"

void handle_table_init(struct handle_table *table)
{
	id_table_init(&table->ids);
}

void handle_table_fini(struct handle_table *table)
{
	handle_table_clear(table);
	id_table_fini(&table->ids);
}

int handle_table_add(struct handle_table *table, enum handle_kind kind, int fd,
		     uint32_t max_handles, uint64_t *ret_id)
{
	AUTO_CLOSE int owned_fd = fd;
	AUTO_FREE struct handle *handle = NULL;

	if (table->ids.nr_used >= max_handles)
		return -ENFILE;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	handle->kind = kind;
	handle->id = id_table_add(&table->ids, handle);
	if (handle->id == 0)
		return -ENOMEM;
	handle->fd = fd_take(&owned_fd);
	*ret_id = handle->id;
	(void)pointer_take(handle);
	return 0;
}

struct handle *handle_table_find(const struct handle_table *table, enum handle_kind kind,
				 uint64_t id)
{
	struct handle *handle = id_table_find(&table->ids, id);

	return handle && handle->kind == kind ? handle : NULL;
}

void handle_table_remove(struct handle_table *table, struct handle *handle)
{
	id_table_remove(&table->ids, handle->id);
	fd_close(&handle->fd);
	free(handle);
}

void handle_table_clear(struct handle_table *table)
{
	for (uint32_t index = 0; index < table->ids.nr_slots; index++) {
		struct handle *handle = table->ids.slots[index].object;

		if (handle)
			handle_table_remove(table, handle);
	}
}
