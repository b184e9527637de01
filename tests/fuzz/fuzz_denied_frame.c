/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_denied_frame.c - any frame that a filter denied, in words for the log
 *
 * Whatever is in it, it is told of in one line of printable characters that names the card, or not
 * at all; nothing behind what there is of it is read.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/network/denied_frame.h"

#define LINE_SIZE 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *line, size_t size)
{
	static const char start[] = "eth0: denied ";
	size_t len = strnlen(line, size);

	BUG_ON(len == size);
	for (const char *c = line; *c; c++)
		BUG_ON((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f);
	/* A line without room for all of it is cut, and no more. */
	BUG_ON(strncmp(line, start, len < sizeof(start) - 1 ? len : sizeof(start) - 1) != 0);
	BUG_ON(size == LINE_SIZE && line[len - 1] != ')' && !strstr(line, "a frame of type "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	uint8_t choice = fake_program_byte(&program);
	struct denied_card card = {
		.name = "eth0",
		.mac = { 2, 0, 0, 0, 0, 2 },
		.addresses = { { .ip = { AF_INET, { 10, 0, 0, 2 } } },
			       { .ip = { AF_INET6, { 0x20, 1, [15] = 2 } } } },
		.nr_addresses = choice % 3,
		.allows_spoofing = choice & 4,
		.has_allow_list = choice & 8,
	};
	size_t line_size = choice & 16 ? LINE_SIZE : 1 + fake_program_byte(&program);
	size_t len = program.len < DENIED_FRAME_SIZE ? program.len : DENIED_FRAME_SIZE;
	uint8_t *frame = malloc(len ? len : 1);
	char *line = malloc(line_size);

	BUG_ON(!frame || !line);
	if (len)
		memcpy(frame, program.bytes, len);
	if (denied_frame_describe(&card, frame, len, line, line_size))
		check_line(line, line_size);
	free(line);
	free(frame);
	return 0;
}
