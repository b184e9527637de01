/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dns_message.c - any bytes as a question to guest-init's resolver, or as an answer to one
 *
 * Nothing outside of them is touched, and what is made of them is a message that fits.
 */
#include <stdlib.h>
#include <string.h>

#include "guest-init/dns_message.h"
#include "vmm/base/bug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t cut(size_t (*function)(uint8_t *, size_t), const uint8_t *data, size_t size)
{
	uint8_t *message = malloc(size);
	size_t len;

	BUG_ON(!message);
	memcpy(message, data, size);
	len = function(message, size);
	BUG_ON(len < DNS_HEADER_SIZE || len > size || len > DNS_UDP_SIZE);
	/* The question's number, and no records. */
	BUG_ON(memcmp(message, data, 2) != 0);
	for (size_t i = 6; i < DNS_HEADER_SIZE; i++)
		BUG_ON(message[i]);
	/* What was cut once is whole. */
	BUG_ON(function(message, len) != len);
	free(message);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *message = malloc(size ? size : 1);
	size_t answer_size;

	BUG_ON(!message);
	if (size)
		memcpy(message, data, size);
	answer_size = dns_message_answer_size(message, size);
	BUG_ON(answer_size < DNS_UDP_SIZE || answer_size > UINT16_MAX);
	free(message);
	if (size >= DNS_HEADER_SIZE)
		BUG_ON(cut(dns_message_truncate, data, size) != cut(dns_message_fail, data, size));
	return 0;
}
