/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/id_table.h"

#include <stdlib.h>

#include "vmm/base/bug.h"

#define ID_TABLE_NONE UINT32_MAX
#define ID_TABLE_FIRST_SLOTS 64
#define ID_TABLE_MAX_SLOTS (UINT32_C(1) << 30)

void id_table_init(struct id_table *table)
{
	*table = (struct id_table){ .first_free = ID_TABLE_NONE };
}

void id_table_fini(struct id_table *table)
{
	free(table->slots);
	id_table_init(table);
}

static int grow(struct id_table *table)
{
	uint32_t nr_slots = table->nr_slots ? table->nr_slots * 2 : ID_TABLE_FIRST_SLOTS;
	struct id_slot *slots;

	if (nr_slots > ID_TABLE_MAX_SLOTS)
		return -1;
	slots = reallocarray(table->slots, nr_slots, sizeof(*slots));
	if (!slots)
		return -1;
	/* Linked so that the lowest index is handed out first. */
	for (uint32_t index = nr_slots; index-- > table->nr_slots;) {
		slots[index] = (struct id_slot){ .next_free = table->first_free };
		table->first_free = index;
	}
	table->slots = slots;
	table->nr_slots = nr_slots;
	return 0;
}

static uint64_t id_of(uint32_t index, uint32_t generation)
{
	return (uint64_t)generation << 32 | (index + 1);
}

static struct id_slot *slot_of(const struct id_table *table, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1;

	if (index >= table->nr_slots || !table->slots[index].object ||
	    table->slots[index].generation != id >> 32)
		return NULL;
	return &table->slots[index];
}

uint64_t id_table_add(struct id_table *table, void *object)
{
	struct id_slot *slot;
	uint32_t index;

	if (table->first_free == ID_TABLE_NONE && grow(table) < 0)
		return 0;
	index = table->first_free;
	slot = &table->slots[index];
	table->first_free = slot->next_free;
	slot->object = object;
	table->nr_used++;
	return id_of(index, slot->generation);
}

void *id_table_find(const struct id_table *table, uint64_t id)
{
	const struct id_slot *slot = slot_of(table, id);

	return slot ? slot->object : NULL;
}

void id_table_remove(struct id_table *table, uint64_t id)
{
	struct id_slot *slot = slot_of(table, id);

	BUG_ON(!slot);
	slot->object = NULL;
	slot->generation++;
	slot->next_free = table->first_free;
	table->first_free = (uint32_t)(slot - table->slots);
	table->nr_used--;
}
