/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id_table.h - objects under numbers that the guest holds and may make up
 *
 * A number is a slot index and the count of objects the slot has had before: the number of an
 * object that is gone does not find the next one in its slot.
 *
 * Trust: any 64-bit value can be looked up.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct id_slot {
	void *object;	     /* NULL when free */
	uint32_t generation; /* objects this slot has had and lost, modulo 2^32 */
	uint32_t next_free;  /* of a free slot: index of the next one, or none: UINT32_MAX */
};

struct id_table {
	struct id_slot *slots;
	uint32_t nr_slots;
	uint32_t nr_used;
	uint32_t first_free;
};

void id_table_init(struct id_table *table);

/* Release the table; the objects are the owner's to release before. */
void id_table_fini(struct id_table *table);

/* Returns the number of @object (never 0; 1 for the first of a table), or 0 without memory. */
uint64_t id_table_add(struct id_table *table, void *object);

/* Returns the object of @id, or NULL. */
void *id_table_find(const struct id_table *table, uint64_t id);

/* Forget @id, which is in the table. */
void id_table_remove(struct id_table *table, uint64_t id);
