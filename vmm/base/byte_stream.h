/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byte_stream.h - values one after another in a buffer, as this host has them in memory: what one
 * process writes and another of the same build reads
 *
 * A failure sticks, so that a caller may look once, behind the last value.
 *
 * Thread: one at a time.
 * Trust:  a reader never leaves its buffer, whatever is in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed struct is an empty stream. @data is from the heap, and the owner's to free. */
struct byte_writer {
	uint8_t *data;
	size_t len, capacity;
	bool has_failed; /* there was no memory for something */
};

void byte_writer_put(struct byte_writer *writer, const void *data, size_t len);
void byte_writer_put_u32(struct byte_writer *writer, uint32_t value);
void byte_writer_put_u64(struct byte_writer *writer, uint64_t value);

struct byte_reader {
	const uint8_t *data; /* borrowed */
	size_t left;
	bool has_failed; /* something was asked for that is not there */
};

/* Fill @data with the next @len bytes; with zeroes when there are fewer. Returns false then. */
bool byte_reader_get(struct byte_reader *reader, void *data, size_t len);
uint32_t byte_reader_get_u32(struct byte_reader *reader);
uint64_t byte_reader_get_u64(struct byte_reader *reader);
