/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/byte_stream.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN ((size_t)16 * 1024)

static bool reserve(struct byte_writer *writer, size_t len)
{
	size_t capacity = writer->capacity ? writer->capacity : CAPACITY_MIN;
	uint8_t *data;

	if (writer->has_failed || len > SIZE_MAX / 4 - writer->len)
		return false;
	while (capacity - writer->len < len)
		capacity *= 2;
	if (capacity == writer->capacity)
		return true;
	data = realloc(writer->data, capacity);
	if (!data)
		return false;
	writer->data = data;
	writer->capacity = capacity;
	return true;
}

void byte_writer_put(struct byte_writer *writer, const void *data, size_t len)
{
	if (!reserve(writer, len)) {
		writer->has_failed = true;
		return;
	}
	if (len)
		memcpy(writer->data + writer->len, data, len);
	writer->len += len;
}

void byte_writer_put_u32(struct byte_writer *writer, uint32_t value)
{
	byte_writer_put(writer, &value, sizeof(value));
}

void byte_writer_put_u64(struct byte_writer *writer, uint64_t value)
{
	byte_writer_put(writer, &value, sizeof(value));
}

bool byte_reader_get(struct byte_reader *reader, void *data, size_t len)
{
	if (reader->has_failed || len > reader->left) {
		reader->has_failed = true;
		memset(data, 0, len);
		return false;
	}
	memcpy(data, reader->data, len);
	reader->data += len;
	reader->left -= len;
	return true;
}

uint32_t byte_reader_get_u32(struct byte_reader *reader)
{
	uint32_t value;

	(void)byte_reader_get(reader, &value, sizeof(value));
	return value;
}

uint64_t byte_reader_get_u64(struct byte_reader *reader)
{
	uint64_t value;

	(void)byte_reader_get(reader, &value, sizeof(value));
	return value;
}
