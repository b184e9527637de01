/* SPDX-License-Identifier: Apache-2.0 */
/* What a writer puts a reader gets, and nothing that is not there. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/base/byte_stream.h"

#define LARGE ((size_t)100 * 1000)

static void test_round_trip(void)
{
	struct byte_writer writer = { 0 };
	struct byte_reader reader;
	uint8_t *large = malloc(LARGE);
	uint8_t *got = malloc(LARGE);

	memset(large, 0x5a, LARGE);
	byte_writer_put_u32(&writer, 0x12345678);
	byte_writer_put(&writer, large, LARGE);
	byte_writer_put_u64(&writer, UINT64_MAX - 1);
	byte_writer_put(&writer, NULL, 0);
	ok(!writer.has_failed);
	is_int(writer.len, 4 + LARGE + 8);

	reader = (struct byte_reader){ .data = writer.data, .left = writer.len };
	is_int(byte_reader_get_u32(&reader), 0x12345678);
	ok(byte_reader_get(&reader, got, LARGE));
	is_int(memcmp(got, large, LARGE), 0);
	ok(byte_reader_get_u64(&reader) == UINT64_MAX - 1);
	is_int(reader.left, 0);
	ok(!reader.has_failed);
	free(writer.data);
	free(large);
	free(got);
}

static void test_end_of_a_reader(void)
{
	const uint8_t bytes[7] = { 1, 0, 0, 0, 0xff, 0xff, 0xff };
	struct byte_reader reader = { .data = bytes, .left = sizeof(bytes) };
	uint8_t one = 9;

	is_int(byte_reader_get_u32(&reader), 1);
	is_int(byte_reader_get_u32(&reader), 0); /* three are left */
	ok(reader.has_failed);
	/* It stays so, although there would be one byte. */
	ok(!byte_reader_get(&reader, &one, 1));
	is_int(one, 0);
	is_int(reader.left, 3);
}

static void test_writer_fails_for_good(void)
{
	struct byte_writer writer = { 0 };

	byte_writer_put_u32(&writer, 1);
	byte_writer_put(&writer, NULL, SIZE_MAX / 2);
	ok(writer.has_failed);
	byte_writer_put_u32(&writer, 2);
	ok(writer.has_failed);
	is_int(writer.len, 4);
	free(writer.data);
}

int main(void)
{
	test_round_trip();
	test_end_of_a_reader();
	test_writer_fails_for_good();
	return tap_done();
}
