/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/process_table.h"

#include <stdlib.h>

struct container_process *process_table_add(struct process_table *table, uint32_t number)
{
	struct container_process *process;

	if (number >= PROTOCOL_PROCESSES_MAX || table->slots[number])
		return NULL;
	process = malloc(sizeof(*process));
	if (!process)
		return NULL;
	container_process_init(process, number, table->serial++);
	table->slots[number] = process;
	if (number >= table->end)
		table->end = number + 1;
	return process;
}

struct container_process *process_table_get(const struct process_table *table, int64_t number)
{
	return number >= 0 && number < PROTOCOL_PROCESSES_MAX ? table->slots[number] : NULL;
}

struct container_process *process_table_find(const struct process_table *table, pid_t pid)
{
	for (uint32_t i = 0; i < table->end; i++)
		if (table->slots[i] && table->slots[i]->pid == pid &&
		    table->slots[i]->state != PROCESS_ENDED)
			return table->slots[i];
	return NULL;
}

void process_table_remove(struct process_table *table, uint32_t number)
{
	container_process_release(table->slots[number]);
	free(table->slots[number]);
	table->slots[number] = NULL;
	while (table->end && !table->slots[table->end - 1])
		table->end--;
}

bool process_table_run(struct process_table *table)
{
	bool is_ready = false;

	for (uint32_t i = 0; i < table->end; i++)
		if (table->slots[i] && process_streams_run(&table->slots[i]->streams))
			is_ready = true;
	return is_ready;
}

bool process_table_is_draining(const struct process_table *table)
{
	for (uint32_t i = 0; i < table->end; i++)
		if (table->slots[i] && process_streams_are_draining(&table->slots[i]->streams))
			return true;
	return false;
}

bool process_table_has_unreported(const struct process_table *table)
{
	for (uint32_t i = 1; i < table->end; i++)
		if (table->slots[i] && table->slots[i]->state == PROCESS_ENDED &&
		    !table->slots[i]->is_reported)
			return true;
	return false;
}

void process_table_stop(struct process_table *table)
{
	for (uint32_t i = 0; i < table->end; i++)
		if (table->slots[i])
			process_streams_stop(&table->slots[i]->streams);
}
