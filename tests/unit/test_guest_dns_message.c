/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_dns_message.c - sizes of answers, and messages that are not what they seem */
#include <stdlib.h>

#include "guest-init/dns_message.h"
#include "tests/unit/tap.h"

#define HEADER(questions, answers, additionals)                                                    \
	"\x12\x34\x01\x00\x00" questions "\x00" answers "\x00\x00\x00" additionals
#define NAME                                                                                       \
	"\x03www\x07"                                                                              \
	"example\x00"
#define QUESTION NAME "\x00\x01\x00\x01"
#define OPT(size) "\x00\x00\x29" size "\x00\x00\x00\x00\x00\x00"
#define RECORD "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x0a\x00\x00\x01"

/* Messages are on the heap, so that a byte too far is noticed. */
#define answer_size(text) answer_size_of((text), sizeof(text) - 1)
static size_t answer_size_of(const char *text, size_t len)
{
	uint8_t *message = malloc(len);
	size_t size;

	memcpy(message, text, len);
	size = dns_message_answer_size(message, len);
	free(message);
	return size;
}

static void test_sizes(void)
{
	is_int(answer_size(HEADER("\x01", "\x00", "\x00") QUESTION), 512);
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") QUESTION OPT("\x10\x00")), 4096);
	is_int(answer_size(HEADER("\x01", "\x01", "\x01") QUESTION RECORD OPT("\x04\xd0")), 1232);
	/* Less than everybody takes is as much as that. */
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") QUESTION OPT("\x00\x10")), 512);
	/* There, but not counted; counted, but not there. */
	is_int(answer_size(HEADER("\x01", "\x00", "\x00") QUESTION OPT("\x10\x00")), 512);
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") QUESTION), 512);
	is_int(answer_size(HEADER("\xff", "\x00", "\x01") QUESTION OPT("\x10\x00")), 512);
}

/* Every message cut short, and every byte of one changed. */
static void test_malformed(void)
{
	static const char message[] =
		HEADER("\x01", "\x01", "\x01") QUESTION RECORD OPT("\x04\xd0");
	char copy[sizeof(message) - 1];

	for (size_t len = 1; len < sizeof(message) - 1; len++)
		is_int(answer_size_of(message, len), 512);
	for (size_t i = 0; i < sizeof(copy); i++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			memcpy(copy, message, sizeof(copy));
			copy[i] = (char)(copy[i] ^ 1 << bit);
			if (answer_size_of(copy, sizeof(copy)) < 512)
				ok(!"less than everybody takes");
		}
	/* Labels and data that lead outside. */
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") "\x3fx"), 512);
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") "\x40x\x00\x00\x01\x00\x01"), 512);
	is_int(answer_size(HEADER("\x00", "\x00", "\x02") "\x00\x00\x01\x00\x01\x00\x00\x00\x00\xff"
							  "\xff" OPT("\x10\x00")),
	       512);
	is_int(answer_size(HEADER("\x01", "\x00", "\x01") "\xc0"), 512);
}

static void test_cutting(void)
{
	uint8_t message[] = HEADER("\x01", "\x02", "\x01") QUESTION RECORD RECORD OPT("\x04\xd0");
	uint8_t broken[] = HEADER("\x02", "\x02", "\x01") QUESTION;

	is_int(dns_message_truncate(message, sizeof(message) - 1), 12 + 17);
	ok(!memcmp(message, "\x12\x34\x03\x00\x00\x01\x00\x00\x00\x00\x00\x00" QUESTION, 29));
	is_int(dns_message_fail(message, 29), 29);
	ok(!memcmp(message, "\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00" QUESTION, 29));
	is_int(dns_message_fail(broken, sizeof(broken) - 1), 12);
	ok(!memcmp(broken, "\x12\x34\x81\x82\x00\x00\x00\x00\x00\x00\x00\x00", 12));
}

int main(void)
{
	test_sizes();
	test_malformed();
	test_cutting();
	return tap_done();
}
