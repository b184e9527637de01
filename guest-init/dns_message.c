/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/dns_message.h"

#include <string.h>

/* Offsets in the header, and bits in its bytes 2 and 3. */
enum { DNS_NR_QUESTIONS = 4, DNS_NR_ANSWERS = 6, DNS_NR_AUTHORITIES = 8, DNS_NR_ADDITIONALS = 10 };
enum { DNS_RESPONSE = 0x80, DNS_TRUNCATED = 0x02, DNS_RECURSION_AVAILABLE = 0x80 };

#define DNS_SERVER_FAILURE 2u
#define DNS_TYPE_OPT 41u
#define DNS_QUESTION_SIZE 4u /* behind the name: type, class */
#define DNS_RECORD_SIZE 10u  /* behind the name: type, class, TTL, length of the data */

static uint16_t dns_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* The offset behind the name at @offset, or 0 when that is not inside of the message. */
static size_t dns_skip_name(const uint8_t *message, size_t len, size_t offset)
{
	while (offset < len) {
		uint8_t label = message[offset];

		if (label >= 0xc0) /* a pointer, which ends the name */
			return offset + 2 <= len ? offset + 2 : 0;
		if (label > 63)
			return 0;
		offset += (size_t)label + 1;
		if (!label)
			return offset;
	}
	return 0;
}

/* The offset behind the questions, or 0. */
static size_t dns_skip_questions(const uint8_t *message, size_t len)
{
	size_t offset = DNS_HEADER_SIZE;

	for (uint16_t n = dns_u16(message + DNS_NR_QUESTIONS); n && offset; n--) {
		offset = dns_skip_name(message, len, offset);
		if (!offset || len - offset < DNS_QUESTION_SIZE)
			return 0;
		offset += DNS_QUESTION_SIZE;
	}
	return offset;
}

size_t dns_message_answer_size(const uint8_t *query, size_t len)
{
	size_t nr_records, offset;

	if (len < DNS_HEADER_SIZE)
		return DNS_UDP_SIZE;
	nr_records = (size_t)dns_u16(query + DNS_NR_ANSWERS) + dns_u16(query + DNS_NR_AUTHORITIES) +
		     dns_u16(query + DNS_NR_ADDITIONALS);
	offset = dns_skip_questions(query, len);
	for (; nr_records && offset; nr_records--) {
		size_t size;

		offset = dns_skip_name(query, len, offset);
		if (!offset || len - offset < DNS_RECORD_SIZE)
			break;
		/* The class of this type is the size. */
		if (dns_u16(query + offset) == DNS_TYPE_OPT) {
			size = dns_u16(query + offset + 2);
			return size > DNS_UDP_SIZE ? size : DNS_UDP_SIZE;
		}
		size = dns_u16(query + offset + 8);
		offset += DNS_RECORD_SIZE;
		if (len - offset < size)
			break;
		offset += size;
	}
	return DNS_UDP_SIZE;
}

/* Leave the questions alone. */
static size_t dns_cut(uint8_t *message, size_t len)
{
	size_t end = dns_skip_questions(message, len);

	memset(message + DNS_NR_ANSWERS, 0, DNS_HEADER_SIZE - DNS_NR_ANSWERS);
	if (end && end <= DNS_UDP_SIZE)
		return end;
	memset(message + DNS_NR_QUESTIONS, 0, 2);
	return DNS_HEADER_SIZE;
}

size_t dns_message_truncate(uint8_t *answer, size_t len)
{
	answer[2] |= DNS_TRUNCATED;
	return dns_cut(answer, len);
}

size_t dns_message_fail(uint8_t *query, size_t len)
{
	query[2] = (uint8_t)((query[2] | DNS_RESPONSE) & ~DNS_TRUNCATED);
	query[3] = DNS_RECURSION_AVAILABLE | DNS_SERVER_FAILURE;
	return dns_cut(query, len);
}
