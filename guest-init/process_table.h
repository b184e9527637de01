/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_table.h - the container's processes that the host knows, by their numbers
 *
 * Number 0 is the container's first process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-init/container_process.h"

struct process_table {
	struct container_process *slots[PROTOCOL_PROCESSES_MAX]; /* NULL: free */
	uint32_t end;						 /* above the highest in use */
	uint32_t serial;					 /* of the next process */
};

/* A process in the free slot @number, or NULL: the number is taken, or there is no memory. */
struct container_process *process_table_add(struct process_table *table, uint32_t number);

/* The process, or NULL. Any number is fine. */
struct container_process *process_table_get(const struct process_table *table, int64_t number);

/* The process with this pid that was not reaped yet, or NULL. */
struct container_process *process_table_find(const struct process_table *table, pid_t pid);

/* Release the process and its number. */
void process_table_remove(struct process_table *table, uint32_t number);

/* Run the pumps of all streams. Returns true if some could go on at once. */
bool process_table_run(struct process_table *table);

/* True until everything that any process wrote was handed to the host. */
bool process_table_is_draining(const struct process_table *table);

/* True if a process has ended and the host was not told yet. */
bool process_table_has_unreported(const struct process_table *table);

/* Give up the streams of all processes. */
void process_table_stop(struct process_table *table);
